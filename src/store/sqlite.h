// SQLite with results instead of return codes; finalises and closes by itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "s3attn/ids.h"
#include "s3attn/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace s3attn {

// A prepared statement. bind() in order from index 1, step() until false, then reset().
class Statement {
  public:
    Statement() = default;
    Statement(Statement&& other) noexcept;
    Statement& operator=(Statement&& other) noexcept;
    ~Statement();

    Statement& bind(int index, int64_t value);
    Statement& bind(int index, std::string_view value);  // copied
    template <class Kind, class Number>
    Statement& bind(int index, TypedNumber<Kind, Number> id) {
        return bind(index, static_cast<int64_t>(id.value));
    }
    Statement& bind_null(int index);
    Statement& bind_real(int index, double value);
    Statement& bind_blob(int index, std::string_view bytes);  // copied
    // For functions of ours; `type` tells it from other pointers and lives as long as the program.
    Statement& bind_pointer(int index, const void* pointer, const char* type);

    Result<bool> step();  // true: a row is there; false: done
    Status run();         // step() to the end, then reset(); for statements without rows
    void reset();

    int64_t integer(int column) const;
    double real(int column) const;
    bool is_null(int column) const;
    std::string text(int column) const;
    std::string_view view(int column) const;  // valid until the next step() or reset()

  private:
    friend class Database;
    Statement(sqlite3* db, sqlite3_stmt* statement, const std::string* path)
        : db_(db), statement_(statement), path_(path) {}
    sqlite3* db_ = nullptr;
    sqlite3_stmt* statement_ = nullptr;
    const std::string* path_ = nullptr;  // the Database's, for messages
    int bind_error_ = 0;
};

// One connection. Statements must not outlive it.
class Database {
  public:
    enum class Mode {
        kReadOnly,
        kReadWrite,  // must exist
        kCreate,
        kImmutable,  // read only, no locks: the caller knows that nobody writes
        kTemporary,  // private, empty, gone when closed; path is ignored
    };
    static Result<std::unique_ptr<Database>> open(const std::string& path, Mode mode);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    Status exec(const char* sql);
    Result<Statement> prepare(std::string_view sql);
    // First column of the first row; `fallback` without a row.
    Result<int64_t> integer(std::string_view sql, int64_t fallback = 0);
    int64_t last_insert_id() const;
    bool in_transaction() const;
    sqlite3* handle() const { return db_; }
    const std::string& path() const { return path_; }

  private:
    Database(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
    std::string path_;
    sqlite3* db_;
};

// The error of a failed call: SQLite's code decides the kind.
Error sqlite_error(sqlite3* db, const std::string& path);

}  // namespace s3attn

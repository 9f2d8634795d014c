#include "store/sqlite.h"

#include <sqlite3.h>

#include <utility>

#include "s3attn/reason.h"
#include "store/word_tokenizer.h"

namespace s3attn {
namespace {

constexpr int kBusyMilliseconds = 10000;

ErrorCode code_of(int sqlite_code) {
    switch (sqlite_code & 0xFF) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return ErrorCode::kBusy;
        // Our statements are constant, so an SQL error means that a table is not what we made.
        case SQLITE_ERROR:
        case SQLITE_CONSTRAINT:
        case SQLITE_MISMATCH:
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return ErrorCode::kCorrupt;
        case SQLITE_NOMEM: return ErrorCode::kExhausted;
        case SQLITE_MISUSE:
        case SQLITE_INTERNAL: return ErrorCode::kInternal;
        default: return ErrorCode::kIo;
    }
}

// A path as the file: URI that SQLite parses.
std::string uri_of(const std::string& path, const char* parameters) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    std::string uri = "file:";
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '%' || c == '?' || c == '#') {
            uri += {'%', kHex[byte >> 4], kHex[byte & 15]};
        } else {
            uri += c;
        }
    }
    return uri + parameters;
}

}  // namespace

Error sqlite_error(sqlite3* db, const std::string& path) {
    const int code = db != nullptr ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    std::string message = "'" + path + "': " + sqlite3_errstr(code);
    if (db != nullptr) message += std::string(" (") + sqlite3_errmsg(db) + ")";
    if (code_of(code) == ErrorCode::kExhausted) {
        return make_error(ErrorCode::kExhausted, reason::kNoMemory, path, std::move(message));
    }
    return make_error(code_of(code), std::move(message));
}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_),
      statement_(std::exchange(other.statement_, nullptr)),
      path_(other.path_),
      bind_error_(other.bind_error_) {}

Statement& Statement::operator=(Statement&& other) noexcept {
    std::swap(db_, other.db_);
    std::swap(statement_, other.statement_);
    std::swap(path_, other.path_);
    std::swap(bind_error_, other.bind_error_);
    return *this;
}

Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::bind(int index, int64_t value) {
    if (const int rc = sqlite3_bind_int64(statement_, index, value); rc != SQLITE_OK) {
        bind_error_ = rc;
    }
    return *this;
}

Statement& Statement::bind(int index, std::string_view value) {
    const char* data = value.data() != nullptr ? value.data() : "";
    const int rc =
        sqlite3_bind_text64(statement_, index, data, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    if (rc != SQLITE_OK) bind_error_ = rc;
    return *this;
}

Statement& Statement::bind_real(int index, double value) {
    if (const int rc = sqlite3_bind_double(statement_, index, value); rc != SQLITE_OK) {
        bind_error_ = rc;
    }
    return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
    const int rc =
        sqlite3_bind_blob64(statement_, index, bytes.data(), bytes.size(), SQLITE_TRANSIENT);
    if (rc != SQLITE_OK) bind_error_ = rc;
    return *this;
}

Statement& Statement::bind_pointer(int index, const void* pointer, const char* type) {
    const int rc =
        sqlite3_bind_pointer(statement_, index, const_cast<void*>(pointer), type, nullptr);
    if (rc != SQLITE_OK) bind_error_ = rc;
    return *this;
}

Statement& Statement::bind_null(int index) {
    if (const int rc = sqlite3_bind_null(statement_, index); rc != SQLITE_OK) bind_error_ = rc;
    return *this;
}

Result<bool> Statement::step() {
    if (bind_error_ != 0) {
        return make_error(code_of(std::exchange(bind_error_, 0)),
                          "'" + *path_ + "': " + sqlite3_errmsg(db_));
    }
    const int rc = sqlite3_step(statement_);
    if (rc == SQLITE_ROW) return true;
    if (rc == SQLITE_DONE) return false;
    return sqlite_error(db_, *path_);
}

Status Statement::run() {
    Result<bool> row = step();
    while (row.ok() && *row) row = step();
    reset();
    if (!row.ok()) return row.error();
    return {};
}

void Statement::reset() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
    bind_error_ = 0;
}

int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

double Statement::real(int column) const { return sqlite3_column_double(statement_, column); }

bool Statement::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

std::string Statement::text(int column) const { return std::string(view(column)); }

std::string_view Statement::view(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    if (text == nullptr) return {};
    return {text, static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path, Mode mode) {
    int flags = SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_URI | SQLITE_OPEN_EXRESCODE;
    std::string uri;
    switch (mode) {
        case Mode::kReadOnly:
            flags |= SQLITE_OPEN_READONLY;
            uri = uri_of(path, "");
            break;
        case Mode::kImmutable:
            flags |= SQLITE_OPEN_READONLY;
            uri = uri_of(path, "?immutable=1");
            break;
        case Mode::kReadWrite:
            flags |= SQLITE_OPEN_READWRITE;
            uri = uri_of(path, "");
            break;
        case Mode::kCreate:
            flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
            uri = uri_of(path, "");
            break;
        case Mode::kTemporary: flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE; break;
    }
    sqlite3* handle = nullptr;
    const int rc = sqlite3_open_v2(uri.c_str(), &handle, flags, nullptr);
    std::unique_ptr<Database> db(new Database(path, handle));
    if (rc != SQLITE_OK) return sqlite_error(handle, path);
    sqlite3_busy_timeout(handle, kBusyMilliseconds);
    // The file may be hostile: no triggers, no functions with side effects in views, no writes to
    // internal tables.
    sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    S3ATTN_CHECK(db->exec("PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON"));
    S3ATTN_CHECK(register_word_tokenizer(*db));
    return db;
}

Database::~Database() { sqlite3_close_v2(db_); }

Status Database::exec(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
        return sqlite_error(db_, path_);
    }
    return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) !=
        SQLITE_OK) {
        return sqlite_error(db_, path_);
    }
    return Statement(db_, statement, &path_);
}

Result<int64_t> Database::integer(std::string_view sql, int64_t fallback) {
    S3ATTN_TRY(Statement statement, prepare(sql));
    S3ATTN_TRY(const bool row, statement.step());
    return row ? statement.integer(0) : fallback;
}

int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(db_); }

bool Database::in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

}  // namespace s3attn

#include "train/negatives.h"

#include <sqlite3.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace s3attn {
namespace {

constexpr size_t kMost = 8;               // negatives kept of each question
constexpr uint32_t kNear = 20;            // paragraphs: "the same document"
constexpr double kCommonWordShare = 0.1;  // words of more paragraphs say nothing

using Lists = std::vector<std::vector<uint32_t>>;

// Pairs of the same file within `distance` paragraphs, nearest first.
Lists near_negatives(const Corpus& corpus, std::span<const ClozePair> pairs, uint32_t distance) {
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> at;
    for (uint32_t i = 0; i < pairs.size(); ++i) {
        const ParagraphPlace place = corpus.places[pairs[i].source];
        at[{place.file, place.ordinal}] = i;
    }
    Lists lists(pairs.size());
    for (uint32_t i = 0; i < pairs.size(); ++i) {
        const ParagraphPlace place = corpus.places[pairs[i].source];
        const auto take = [&](uint32_t ordinal) {
            const auto it = at.find({place.file, ordinal});
            if (it != at.end() && lists[i].size() < kMost) lists[i].push_back(it->second);
        };
        for (uint32_t step = 1; step <= distance; ++step) {
            if (place.ordinal >= step) take(place.ordinal - step);
            take(place.ordinal + step);
        }
    }
    return lists;
}

// The pairs' paragraphs in SQLite's full-text index, in memory.
class WordIndex {
  public:
    Status open(std::span<const ClozePair> pairs) {
        sqlite3* raw = nullptr;
        const int opened = sqlite3_open(":memory:", &raw);
        db_.reset(raw);
        if (opened != SQLITE_OK) return failed();
        S3ATTN_CHECK(
            run("CREATE VIRTUAL TABLE p USING fts5(text, content='', "
                "tokenize='porter unicode61')"));
        S3ATTN_CHECK(run("BEGIN"));
        S3ATTN_TRY(const Statement insert, prepare("INSERT INTO p(rowid, text) VALUES (?1, ?2)"));
        for (size_t i = 0; i < pairs.size(); ++i) {
            sqlite3_reset(insert.get());
            sqlite3_bind_int64(insert.get(), 1, static_cast<int64_t>(i));
            bind(insert.get(), 2, with_spaces_between_words(pairs[i].paragraph));
            if (sqlite3_step(insert.get()) != SQLITE_DONE) return failed();
        }
        S3ATTN_CHECK(run("COMMIT"));
        most_ = static_cast<int64_t>(kCommonWordShare * static_cast<double>(pairs.size())) + 1;
        S3ATTN_TRY(count_, prepare("SELECT count(*) FROM (SELECT 1 FROM p WHERE p MATCH ?1 "
                                   "LIMIT ?2)"));
        S3ATTN_TRY(
            search_,
            prepare("SELECT rowid FROM p WHERE p MATCH ?1 ORDER BY bm25(p), rowid LIMIT ?2"));
        return {};
    }

    // The best paragraphs for the rare words of a question.
    Result<std::vector<uint32_t>> best(const std::string& question, size_t n) {
        std::string query;
        for (const std::string& word : words_of(with_spaces_between_words(question))) {
            S3ATTN_TRY(const bool rare, is_rare(word));
            if (rare) query += (query.empty() ? "\"" : " OR \"") + word + "\"";
        }
        std::vector<uint32_t> rows;
        if (query.empty()) return rows;
        sqlite3_reset(search_.get());
        bind(search_.get(), 1, query);
        sqlite3_bind_int64(search_.get(), 2, static_cast<int64_t>(n));
        int step = sqlite3_step(search_.get());
        for (; step == SQLITE_ROW; step = sqlite3_step(search_.get())) {
            rows.push_back(static_cast<uint32_t>(sqlite3_column_int64(search_.get(), 0)));
        }
        if (step != SQLITE_DONE) return failed();
        return rows;
    }

  private:
    struct Close {
        void operator()(sqlite3* db) const { sqlite3_close(db); }
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    using Statement = std::unique_ptr<sqlite3_stmt, Close>;

    Error failed() const {
        return make_error(ErrorCode::kInternal, std::string("looking for paragraphs with the same "
                                                            "words: ") +
                                                    sqlite3_errmsg(db_.get()));
    }
    Status run(const char* sql) {
        if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) return failed();
        return {};
    }
    Result<Statement> prepare(const char* sql) {
        sqlite3_stmt* statement = nullptr;
        if (sqlite3_prepare_v2(db_.get(), sql, -1, &statement, nullptr) != SQLITE_OK) {
            return failed();
        }
        return Statement(statement);
    }
    static void bind(sqlite3_stmt* statement, int at, const std::string& text) {
        sqlite3_bind_text(statement, at, text.data(), static_cast<int>(text.size()),
                          SQLITE_TRANSIENT);
    }

    // Runs of letters and digits; bytes of other scripts count as letters.
    static std::set<std::string> words_of(const std::string& text) {
        std::set<std::string> words;
        std::string word;
        for (const char c : text + " ") {
            const auto byte = static_cast<unsigned char>(c);
            if (std::isalnum(byte) || byte >= 128) {
                word += static_cast<char>(std::tolower(byte));
            } else if (!word.empty()) {
                words.insert(std::exchange(word, {}));
            }
        }
        return words;
    }

    Result<bool> is_rare(const std::string& word) {
        if (const auto it = rare_.find(word); it != rare_.end()) return it->second;
        sqlite3_reset(count_.get());
        bind(count_.get(), 1, "\"" + word + "\"");
        sqlite3_bind_int64(count_.get(), 2, most_);
        if (sqlite3_step(count_.get()) != SQLITE_ROW) return failed();
        const int64_t n = sqlite3_column_int64(count_.get(), 0);
        return rare_[word] = n > 0 && n < most_;
    }

    std::unique_ptr<sqlite3, Close> db_;  // before the statements, so that it is closed after them
    Statement count_, search_;
    int64_t most_ = 0;
    std::map<std::string, bool> rare_;
};

}  // namespace

Result<Lists> hard_negatives(const Corpus& corpus, std::span<const ClozePair> pairs, Negatives kind,
                             const std::function<void(uint64_t, uint64_t)>& on_question,
                             const CancelToken& cancel) {
    if (kind == Negatives::kRandom) return Lists(pairs.size());
    if (kind == Negatives::kDocument) return near_negatives(corpus, pairs, kNear);
    if (kind == Negatives::kAdjacent) return near_negatives(corpus, pairs, 1);
    WordIndex index;
    S3ATTN_CHECK(index.open(pairs));
    Lists lists(pairs.size());
    for (uint32_t i = 0; i < pairs.size(); ++i) {
        if (cancel.cancelled()) {
            return make_error(ErrorCode::kCancelled, "training was cancelled; nothing was saved");
        }
        S3ATTN_TRY(lists[i], index.best(pairs[i].question, kMost + 1));
        std::erase(lists[i], i);
        if (lists[i].size() > kMost) lists[i].resize(kMost);
        if (on_question) on_question(i + 1, pairs.size());
    }
    return lists;
}

}  // namespace s3attn

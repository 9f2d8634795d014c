#include "store/bm25.h"

#include <sqlite3.h>

#include <algorithm>
#include <climits>
#include <map>
#include <new>
#include <set>
#include <unordered_map>

#include "s3attn/reason.h"

namespace s3attn {
namespace {

// Words that say nothing about a passage (the classic list of 31 that Lucene made common, and
// "is", "it" ...). On pooled MuSiQue questions dropping them gains a point of R@10.
const std::set<std::string_view>& stop_words() {
    static const std::set<std::string_view> words = {
        "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
        "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
        "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
    return words;
}

constexpr size_t kWordsPerQuery = 256;  // keeps FTS5's expression tree and cursors small

Result<fts5_api*> find_fts5(Database& db) {
    fts5_api* api = nullptr;
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db.handle(), "SELECT fts5(?1)", -1, &statement, nullptr) != SQLITE_OK) {
        return sqlite_error(db.handle(), db.path());
    }
    sqlite3_bind_pointer(statement, 1, &api, "fts5_api_ptr", nullptr);
    sqlite3_step(statement);
    sqlite3_finalize(statement);
    if (api == nullptr) {
        return make_error(ErrorCode::kUnsupported, "this SQLite library has no FTS5");
    }
    return api;
}

int collect(void* words, int, const char* token, int length, int, int) {
    try {
        static_cast<std::vector<std::string>*>(words)->emplace_back(token,
                                                                    static_cast<size_t>(length));
    } catch (const std::bad_alloc&) {
        return SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

// Adds `weight` times the BM25 of any of the words to every matching unit.
Status add_scores(Database& db, const std::string& match, double weight,
                  std::unordered_map<int64_t, double>& scores) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT rowid, bm25(units_fts) FROM units_fts "
                                          "WHERE units_fts MATCH ?1"));
    rows.bind(1, match);
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return {};
        scores[rows.integer(0)] -= weight * rows.real(1);  // FTS5: smaller is better
    }
}

}  // namespace

Result<std::vector<std::string>> question_words(Database& db, std::string_view question) {
    S3ATTN_TRY(fts5_api * api, find_fts5(db));
    void* context = nullptr;
    fts5_tokenizer tokenizer{};
    Fts5Tokenizer* instance = nullptr;
    if (api->xFindTokenizer(api, "unicode61", &context, &tokenizer) != SQLITE_OK ||
        tokenizer.xCreate(context, nullptr, 0, &instance) != SQLITE_OK) {
        return make_error(ErrorCode::kInternal, "FTS5's unicode61 tokenizer is not available");
    }
    std::vector<std::string> words;
    const auto length = static_cast<int>(std::min<size_t>(question.size(), INT_MAX));
    const int rc = tokenizer.xTokenize(instance, &words, FTS5_TOKENIZE_QUERY, question.data(),
                                       length, collect);
    tokenizer.xDelete(instance);
    if (rc != SQLITE_OK) {
        return make_error(ErrorCode::kExhausted, reason::kNoMemory, {},
                          "out of memory reading the question");
    }
    return words;
}

Result<std::vector<StoreReader::Match>> search_words(Database& db, std::string_view question,
                                                     uint32_t limit) {
    S3ATTN_TRY(const auto words, question_words(db, question));
    std::map<std::string, uint32_t> all, telling;  // word -> how often it was said
    for (const std::string& word : words) {
        ++all[word];
        if (!stop_words().contains(word)) ++telling[word];
    }
    // BM25 is a sum over words, so words said equally often share a query, in parts.
    std::map<uint32_t, std::vector<std::string>> by_count;
    for (const auto& [word, count] : telling.empty() ? all : telling) {
        by_count[count].push_back(word);
    }
    std::unordered_map<int64_t, double> scores;
    for (const auto& [count, group] : by_count) {
        for (size_t begin = 0; begin < group.size(); begin += kWordsPerQuery) {
            std::string match;
            const size_t end = std::min(group.size(), begin + kWordsPerQuery);
            for (size_t i = begin; i < end; ++i) {
                if (!match.empty()) match += " OR ";
                match += '"';
                match += group[i];  // letters and digits only: nothing to escape
                match += '"';
            }
            S3ATTN_CHECK(add_scores(db, match, count, scores));
        }
    }
    std::vector<StoreReader::Match> matches;
    matches.reserve(scores.size());
    for (const auto& [unit_id, score] : scores) matches.push_back({UnitId(unit_id), score});
    const auto better = [](const StoreReader::Match& a, const StoreReader::Match& b) {
        return a.bm25 != b.bm25 ? a.bm25 > b.bm25 : a.unit_id < b.unit_id;
    };
    const size_t keep = std::min<size_t>(limit, matches.size());
    std::partial_sort(matches.begin(), matches.begin() + static_cast<ptrdiff_t>(keep),
                      matches.end(), better);
    matches.resize(keep);
    return matches;
}

}  // namespace s3attn

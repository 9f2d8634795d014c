#include "store/word_ranking.h"

#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <memory>

namespace s3attn {
namespace {

constexpr char kScopeType[] = "s3attn_word_scope";
constexpr double kK1 = 1.2, kB = 0.75;
constexpr double kLeastIdf = 1e-6;  // of a word in more than half of the units, as FTS5 has it
constexpr int kText = 0;            // the column

// What is the same for all units of one statement.
struct Statistics {
    double mean_words = 0;
    std::vector<double> idf, frequency;  // [phrase]; the second is the current unit's
};

struct Counting {
    const WordScope* scope;
    uint64_t units;
};
int count_unit(const Fts5ExtensionApi* api, Fts5Context* context, void* out) {
    auto& counting = *static_cast<Counting*>(out);
    if (counting.scope == nullptr || counting.scope->has(api->xRowid(context))) ++counting.units;
    return SQLITE_OK;
}

int make_statistics(const Fts5ExtensionApi* api, Fts5Context* context, const WordScope* scope,
                    Statistics& made) {
    sqlite3_int64 units = 0, words = 0;
    int rc = api->xRowCount(context, &units);
    if (rc == SQLITE_OK) rc = api->xColumnTotalSize(context, kText, &words);
    if (rc != SQLITE_OK) return rc;
    made.mean_words = scope != nullptr ? scope->mean_words()
                                       : static_cast<double>(words) / static_cast<double>(units);
    const double all =
        static_cast<double>(scope != nullptr ? scope->units() : static_cast<uint64_t>(units));
    const int phrases = api->xPhraseCount(context);
    made.frequency.resize(static_cast<size_t>(phrases));
    for (int phrase = 0; phrase < phrases; ++phrase) {
        Counting counting{scope, 0};
        rc = api->xQueryPhrase(context, phrase, &counting, count_unit);
        if (rc != SQLITE_OK) return rc;
        const double with = static_cast<double>(counting.units);
        const double idf = std::log((all - with + 0.5) / (with + 0.5));
        made.idf.push_back(idf > 0 ? idf : kLeastIdf);
    }
    return SQLITE_OK;
}

int score_unit(const Fts5ExtensionApi* api, Fts5Context* context, Statistics& all, double& score) {
    int instances = 0, words = 0;
    int rc = api->xInstCount(context, &instances);
    if (rc == SQLITE_OK) rc = api->xColumnSize(context, kText, &words);
    if (rc != SQLITE_OK) return rc;
    std::fill(all.frequency.begin(), all.frequency.end(), 0.0);
    for (int i = 0; i < instances; ++i) {
        int phrase = 0, column = 0, place = 0;
        rc = api->xInst(context, i, &phrase, &column, &place);
        if (rc != SQLITE_OK) return rc;
        all.frequency[static_cast<size_t>(phrase)] += column == kText ? 1.0 : kHeadingWeight;
    }
    const double length = all.mean_words > 0 ? words / all.mean_words : 0;
    score = 0;
    for (size_t p = 0; p < all.idf.size(); ++p) {
        const double f = all.frequency[p];
        score += all.idf[p] * (f * (kK1 + 1)) / (f + kK1 * (1 - kB + kB * length));
    }
    return SQLITE_OK;
}

void drop_statistics(void* statistics) { delete static_cast<Statistics*>(statistics); }

void s3bm25(const Fts5ExtensionApi* api, Fts5Context* context, sqlite3_context* result, int count,
            sqlite3_value** values) {
    const auto* const scope =
        count < 1 ? nullptr
                  : static_cast<const WordScope*>(sqlite3_value_pointer(values[0], kScopeType));
    if (scope != nullptr && !scope->has(api->xRowid(context))) return sqlite3_result_null(result);
    try {
        auto* statistics = static_cast<Statistics*>(api->xGetAuxdata(context, 0));
        int rc = SQLITE_OK;
        if (statistics == nullptr) {
            auto made = std::make_unique<Statistics>();
            rc = make_statistics(api, context, scope, *made);
            statistics = made.release();  // FTS5 drops it, also where it fails
            const int kept = api->xSetAuxdata(context, statistics, drop_statistics);
            if (rc == SQLITE_OK) rc = kept;
        }
        double score = 0;
        if (rc == SQLITE_OK) rc = score_unit(api, context, *statistics, score);
        if (rc != SQLITE_OK) return sqlite3_result_error_code(result, rc);
        sqlite3_result_double(result, score);
    } catch (const std::exception&) {
        sqlite3_result_error_nomem(result);
    }
}

// The first number of a row of FTS5's document sizes: seven bits a byte, the highest first.
uint32_t first_varint(std::string_view bytes) {
    uint32_t value = 0;
    for (size_t i = 0; i < bytes.size() && i < 5; ++i) {
        const auto byte = static_cast<unsigned char>(bytes[i]);
        value = (value << 7) | (byte & 0x7f);
        if ((byte & 0x80) == 0) break;
    }
    return value;
}

}  // namespace

WordScope::WordScope(const std::vector<int64_t>& unit_ids, uint64_t words)
    : units_(unit_ids.size()), words_(words) {
    if (unit_ids.empty()) return;
    first_ = unit_ids.front();
    in_.resize(static_cast<size_t>(unit_ids.back() - first_) + 1);
    for (const int64_t unit_id : unit_ids) in_[static_cast<size_t>(unit_id - first_)] = true;
}

double WordScope::mean_words() const {
    return units_ > 0 ? static_cast<double>(words_) / static_cast<double>(units_) : 0;
}

Status register_word_ranking(Database& db, fts5_api* api) {
    if (api->xCreateFunction(api, "s3bm25", nullptr, s3bm25, nullptr) == SQLITE_OK) return {};
    return sqlite_error(db.handle(), db.path());
}

Statement& bind_scope(Statement& statement, int index, const WordScope* scope) {
    return statement.bind_pointer(index, scope, kScopeType);
}

Status read_word_counts(Database& db,
                        const std::function<void(int64_t unit_id, uint32_t words)>& on_unit) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT id, sz FROM units_fts_docsize ORDER BY id"));
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return {};
        on_unit(rows.integer(0), first_varint(rows.view(1)));
    }
}

}  // namespace s3attn

// BM25 over the word index, as a function of FTS5: "s3bm25(units_fts, ?)", larger is better, NULL
// for a unit that does not count. Unlike FTS5's own it can be asked as if the store held some units
// alone, and what stands above a unit (its headings, the columns of its table) counts less than its
// text, and not for its length: docs/formats/store.md, "Word index".
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "s3attn/result.h"
#include "store/sqlite.h"

struct fts5_api;

namespace s3attn {

// A word in a heading counts as so many in the text (docs/retrieval.md says how it was chosen).
inline constexpr double kHeadingWeight = 0.9;

// The units that count; all others are as if they were not there.
class WordScope {
  public:
    // `unit_ids` ascending; `words`: of their texts, as the index counts them.
    WordScope(const std::vector<int64_t>& unit_ids, uint64_t words);
    bool has(int64_t unit_id) const {
        const int64_t place = unit_id - first_;
        return place >= 0 && place < static_cast<int64_t>(in_.size()) &&
               in_[static_cast<size_t>(place)];
    }
    uint64_t units() const { return units_; }
    double mean_words() const;

  private:
    int64_t first_ = 0;
    std::vector<bool> in_;  // by unit id - first_
    uint64_t units_ = 0, words_ = 0;
};

Status register_word_ranking(Database& db, fts5_api* api);

// For the statement's parameter of that number. Null: all units. Must outlive the statement's use.
Statement& bind_scope(Statement& statement, int index, const WordScope* scope);

// How many words the text of each unit has, as the index counts them; in order of ids.
Status read_word_counts(Database& db,
                        const std::function<void(int64_t unit_id, uint32_t words)>& on_unit);

}  // namespace s3attn

// Retrieval in rounds: what was found first helps to find what it leads to.
#include <algorithm>

#include "base/timing.h"
#include "engine/searcher.h"

namespace s3attn {
namespace {

// Sums over rounds, by unit number. In a round the best unit has 1, the last of the first 300 has
// 0, those behind it less.
class RoundSums {
  public:
    explicit RoundSums(size_t n_units) : sum_(n_units), known_(n_units), asked_(n_units) {}

    void add(const std::vector<RankedUnit>& units, double weight) {
        if (units.empty()) return;
        const double low = units[std::min(units.size(), kFuseDepth) - 1].score;
        const double range = units.front().score - low;
        for (const RankedUnit& unit : units) {
            sum_[unit.unit] += weight * (range > 0 ? (unit.score - low) / range : 1.0);
            known_[unit.unit] = true;
        }
    }
    // A unit that only a later round knows (BM25 lists matches alone) comes in here.
    std::vector<RankedUnit> ranked() const {
        std::vector<RankedUnit> units;
        for (size_t u = 0; u < sum_.size(); ++u) {
            if (known_[u]) units.push_back({static_cast<UnitNumber>(u), sum_[u]});
        }
        sort_best_first(units);
        return units;
    }
    // The best unit that no round has asked with yet.
    const RankedUnit* next(const std::vector<RankedUnit>& units) {
        for (const RankedUnit& unit : units) {
            if (asked_[unit.unit]) continue;
            asked_[unit.unit] = true;
            return &unit;
        }
        return nullptr;
    }

  private:
    std::vector<double> sum_;
    std::vector<bool> known_, asked_;
};

constexpr size_t kContextUnits = 5;
constexpr uint32_t kContextTokens = 2048;

}  // namespace

uint32_t round_window(const ModelInfo& model, uint32_t chunk_tokens) {
    const uint32_t most = model.n_ctx_train == 0 ? kContextTokens : model.n_ctx_train;
    return std::max(chunk_tokens, std::min(kContextTokens, most));
}

Result<std::vector<std::string>> Searcher::best_texts(const Ranking& ranking) const {
    std::vector<std::string> texts;
    for (size_t i = 0; i < std::min(kContextUnits, ranking.units.size()); ++i) {
        const UnitExtent& unit = store.live_units()[ranking.units[i].unit];
        S3ATTN_TRY(UnitRow row, store.unit(unit.unit_id));
        texts.push_back(std::move(row.text));
    }
    return texts;
}

Result<Ranking> Searcher::rank(const std::string& question, const SearchOptions& options) const {
    S3ATTN_TRY(Ranking ranking, rank_once(question, options));
    if (options.rounds <= 1 || ranking.units.empty()) return ranking;
    const Stopwatch watch;
    RoundSums sums(store.live_units().size());
    sums.add(ranking.units, 1.0);
    for (uint32_t round = 1; round < options.rounds; ++round) {
        if (options.round_query == RoundQuery::kContext) {
            S3ATTN_TRY(const std::vector<std::string> before, best_texts(ranking));
            S3ATTN_TRY(const Ranking further, rank_once(question, options, before));
            sums.add(further.units, options.round_weight);
            ranking.units = sums.ranked();
            continue;
        }
        const RankedUnit* next = sums.next(ranking.units);
        if (next == nullptr) break;
        S3ATTN_TRY(const UnitRow best, store.unit(store.live_units()[next->unit].unit_id));
        const std::string asked =
            options.round_query == RoundQuery::kAppend ? question + "\n" + best.text : best.text;
        S3ATTN_TRY(const Ranking further, rank_once(asked, options));
        sums.add(further.units, options.round_weight);
        ranking.units = sums.ranked();
    }
    ranking.timings_ms["rounds"] = watch.milliseconds();
    return ranking;
}

}  // namespace s3attn

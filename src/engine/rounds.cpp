// Retrieval in rounds: what was found first helps to find what it leads to.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/timing.h"
#include "engine/searcher.h"

namespace s3attn {
namespace {

// A round's scores: the best unit has 1, the last of the first 300 has 0, those behind it less.
constexpr size_t kDepth = 300;

void add_round(const std::vector<ScoredUnit>& units, double weight,
               std::unordered_map<UnitId, double>& sums) {
    if (units.empty()) return;
    const double low = units[std::min(units.size(), kDepth) - 1].score;
    const double range = units.front().score - low;
    for (const ScoredUnit& unit : units) {
        sums[unit.unit_id] += weight * (range > 0 ? (unit.score - low) / range : 1.0);
    }
}

void sort_by_sum(const std::unordered_map<UnitId, double>& sums, std::vector<ScoredUnit>& units) {
    // A unit that only a later round knows (BM25 lists matches alone) comes in here.
    std::unordered_map<UnitId, ScoredUnit> first;
    for (const ScoredUnit& unit : units) first.emplace(unit.unit_id, unit);
    units.clear();
    for (const auto& [id, sum] : sums) {
        ScoredUnit unit{id, 0, 0, sum};
        if (const auto found = first.find(id); found != first.end()) {
            unit = found->second;
            unit.score = sum;
        }
        units.push_back(unit);
    }
    std::sort(units.begin(), units.end(), [](const ScoredUnit& a, const ScoredUnit& b) {
        return a.score != b.score ? a.score > b.score : a.unit_id < b.unit_id;
    });
}

}  // namespace

Result<Searcher::Ranking> Searcher::rank(const std::string& question,
                                         const SearchOptions& options) const {
    S3ATTN_TRY(Ranking ranking, rank_once(question, options));
    if (options.rounds <= 1 || ranking.units.empty()) return ranking;
    const Stopwatch watch;
    std::unordered_map<UnitId, double> sums;
    std::unordered_set<UnitId> used;
    add_round(ranking.units, 1.0, sums);
    for (uint32_t round = 1; round < options.rounds; ++round) {
        // The best unit that no round has asked with yet.
        const auto next =
            std::find_if(ranking.units.begin(), ranking.units.end(),
                         [&](const ScoredUnit& unit) { return !used.contains(unit.unit_id); });
        if (next == ranking.units.end()) break;
        used.insert(next->unit_id);
        S3ATTN_TRY(const UnitRow best, store.unit(next->unit_id));
        const std::string asked =
            options.round_query == RoundQuery::kAppend ? question + "\n" + best.text : best.text;
        S3ATTN_TRY(const Ranking further, rank_once(asked, options));
        add_round(further.units, options.round_weight, sums);
        sort_by_sum(sums, ranking.units);
    }
    ranking.timings_ms["rounds"] = watch.milliseconds();
    return ranking;
}

}  // namespace s3attn

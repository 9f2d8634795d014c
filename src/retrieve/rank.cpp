#include "retrieve/rank.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace s3attn {
namespace {

void sort_best_first(std::vector<ScoredUnit>& units) {
    std::sort(units.begin(), units.end(), [](const ScoredUnit& a, const ScoredUnit& b) {
        return a.score != b.score ? a.score > b.score : a.unit_id < b.unit_id;
    });
}

std::vector<ScoredUnit> rank_s3(const StoreReader& store, const S3Scores& scores) {
    const std::vector<UnitExtent>& units = store.live_units();
    std::vector<ScoredUnit> ranked(units.size());
    for (size_t u = 0; u < units.size(); ++u) {
        ranked[u] = {units[u].unit_id, scores.mass[u], 0, scores.mass[u], 0};
    }
    sort_best_first(ranked);
    return ranked;
}

// Maps a list's lowest value to 0 and its highest to 1.
struct MinMax {
    double low = 0, range = 0;
    double operator()(double value) const { return range > 0 ? (value - low) / range : 1.0; }
};

// Below the fused units the same formula goes on: a unit past the S3 list's end lies under its
// minimum, so its score is <= 0 and the order by score is the order by S3 mass.
std::vector<ScoredUnit> fuse(std::vector<ScoredUnit> s3,
                             const std::vector<StoreReader::Match>& bm25,
                             const RankOptions& options) {
    const double weight = options.s3_weight;
    const size_t depth = std::min<size_t>(s3.size(), std::max(1u, options.fuse_depth));
    const MinMax norm_s3{s3[depth - 1].s3, s3[0].s3 - s3[depth - 1].s3};
    MinMax norm_bm25;
    if (!bm25.empty()) norm_bm25 = {bm25.back().bm25, bm25.front().bm25 - bm25.back().bm25};
    std::unordered_map<UnitId, double> lexical;
    for (const StoreReader::Match& match : bm25) lexical.emplace(match.unit_id, match.bm25);

    for (size_t i = 0; i < s3.size(); ++i) {
        ScoredUnit& unit = s3[i];
        double sum = i < depth ? weight * norm_s3(unit.s3) : 0.0;
        if (const auto found = lexical.find(unit.unit_id); found != lexical.end()) {
            unit.bm25 = found->second;
            unit.lexical = norm_bm25(unit.bm25) / (weight + 1.0);
            sum += norm_bm25(unit.bm25);
        } else if (i >= depth) {
            sum = norm_s3.range > 0 ? weight * norm_s3(unit.s3) : 0.0;
        }
        unit.score = sum / (weight + 1.0);
    }
    sort_best_first(s3);
    return s3;
}

}  // namespace

Result<std::vector<ScoredUnit>> rank_units(const StoreReader& store, const S3Scores* scores,
                                           const std::string& question,
                                           const RankOptions& options) {
    const size_t n_units = store.live_units().size();
    if (options.method != Method::kBm25 && (!scores || scores->mass.size() != n_units)) {
        return make_error(ErrorCode::kInvalidArgument,
                          "this method ranks by S3 scores of every unit, and they are not there");
    }
    if (!(options.s3_weight >= 0.0f) || options.s3_weight > 1e6f) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the S3 weight of the fusion must be a number from 0 to 1000000");
    }
    if (n_units == 0) return std::vector<ScoredUnit>{};
    if (options.method == Method::kS3) return rank_s3(store, *scores);
    const auto limit = static_cast<uint32_t>(std::min<size_t>(n_units, UINT32_MAX));
    const bool all = options.method == Method::kBm25;
    S3ATTN_TRY(const auto matches, store.bm25(question, all ? limit : options.fuse_depth));
    if (options.method == Method::kHybrid) {
        return fuse(rank_s3(store, *scores), matches, options);
    }
    std::vector<ScoredUnit> ranked;
    for (const StoreReader::Match& match : matches) {
        ranked.push_back({match.unit_id, 0, match.bm25, match.bm25, match.bm25});
    }
    sort_best_first(ranked);
    return ranked;
}

}  // namespace s3attn

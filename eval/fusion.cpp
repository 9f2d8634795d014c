#include <algorithm>
#include <map>
#include <unordered_map>

#include "eval/method_parts.h"

namespace s3attn::eval {
namespace {

constexpr double kRankConstant = 60;
constexpr size_t kFuseDepth = 300;  // as RankOptions::fuse_depth

std::vector<ScoredUnit> sorted(const std::unordered_map<UnitId, double>& sums) {
    std::vector<ScoredUnit> units;
    units.reserve(sums.size());
    for (const auto& [unit, sum] : sums) units.push_back({unit, 0, 0, sum});
    sort_best_first(units);
    return units;
}

class FusionRanker final : public Ranker {
  public:
    FusionRanker(Fusion fusion, std::vector<std::unique_ptr<Ranker>> rankers,
                 std::vector<double> weights)
        : fusion_(fusion), rankers_(std::move(rankers)), weights_(std::move(weights)) {}
    Result<std::vector<ScoredUnit>> rank(const std::string& question) override {
        std::vector<std::vector<ScoredUnit>> lists;
        for (const auto& ranker : rankers_) {
            S3ATTN_TRY(auto list, ranker->rank(question));
            lists.push_back(std::move(list));
        }
        return fusion_ == Fusion::kReciprocalRank ? fuse_ranks(lists, weights_)
                                                  : fuse_scores(lists, weights_);
    }

  private:
    Fusion fusion_;
    std::vector<std::unique_ptr<Ranker>> rankers_;
    std::vector<double> weights_;
};

class FusedMethod final : public NamedMethod {
  public:
    FusedMethod(const std::string& name, Fusion fusion, std::vector<FusionPart> parts)
        : NamedMethod(name,
                      (fusion == Fusion::kReciprocalRank ? "reciprocal ranks of " : "sum of ") +
                          list_of(parts)),
          fusion_(fusion),
          parts_(std::move(parts)) {}

    Result<IndexCost> prepare(const Collection& collection, const std::string& units,
                              const std::string& directory, ProgressSink& sink,
                              const CancelToken& cancel) override {
        IndexCost sum;
        std::map<std::string, bool> counted;  // two parts may share an index
        for (const FusionPart& part : parts_) {
            S3ATTN_TRY(const IndexCost cost,
                       part.method->prepare(collection, units, directory, sink, cancel));
            if (counted.emplace(part.method->name(), true).second) sum.add(cost);
        }
        return sum;
    }
    Result<std::unique_ptr<Ranker>> open(const std::string& units,
                                         const std::string& directory) override {
        std::vector<std::unique_ptr<Ranker>> rankers;
        std::vector<double> weights;
        for (const FusionPart& part : parts_) {
            S3ATTN_TRY(auto ranker, part.method->open(units, directory));
            rankers.push_back(std::move(ranker));
            weights.push_back(part.weight);
        }
        return std::unique_ptr<Ranker>(
            std::make_unique<FusionRanker>(fusion_, std::move(rankers), std::move(weights)));
    }
    double load_seconds() const override {
        double seconds = 0;
        for (const FusionPart& part : parts_)
            seconds = std::max(seconds, part.method->load_seconds());
        return seconds;
    }

  private:
    static std::string list_of(const std::vector<FusionPart>& parts) {
        std::string list;
        for (const FusionPart& part : parts) {
            list += (list.empty() ? "" : ", ") + part.method->name();
        }
        return list;
    }
    Fusion fusion_;
    std::vector<FusionPart> parts_;
};

}  // namespace

void sort_best_first(std::vector<ScoredUnit>& units) {
    std::sort(units.begin(), units.end(), [](const ScoredUnit& a, const ScoredUnit& b) {
        return a.score != b.score ? a.score > b.score : a.unit_id < b.unit_id;
    });
}

std::vector<ScoredUnit> fuse_ranks(const std::vector<std::vector<ScoredUnit>>& lists,
                                   const std::vector<double>& weights) {
    std::unordered_map<UnitId, double> sums;
    for (size_t l = 0; l < lists.size(); ++l) {
        for (size_t r = 0; r < lists[l].size(); ++r) {
            sums[lists[l][r].unit_id] += weights[l] / (kRankConstant + static_cast<double>(r + 1));
        }
    }
    return sorted(sums);
}

std::vector<ScoredUnit> fuse_scores(const std::vector<std::vector<ScoredUnit>>& lists,
                                    const std::vector<double>& weights) {
    std::unordered_map<UnitId, double> sums;
    double all = 0;
    for (const double weight : weights) all += weight;
    for (size_t l = 0; l < lists.size(); ++l) {
        const auto& list = lists[l];
        const size_t depth = std::min(list.size(), kFuseDepth);
        if (depth == 0) continue;
        const double low = list[depth - 1].score, range = list[0].score - low;
        for (size_t r = 0; r < list.size(); ++r) {
            const double norm = range > 0 ? (list[r].score - low) / range : 1.0;
            // Units behind the first ones lie below the least score; they keep their order.
            sums[list[r].unit_id] += weights[l] / all * (r < depth ? norm : std::min(norm, 0.0));
        }
    }
    return sorted(sums);
}

std::unique_ptr<Method> make_fusion(const std::string& name, Fusion fusion,
                                    std::vector<FusionPart> parts) {
    return std::make_unique<FusedMethod>(name, fusion, std::move(parts));
}

}  // namespace s3attn::eval

// Fused methods: the product's own arithmetic (retrieve/mix.h) over any methods' rankings.
#include <algorithm>
#include <map>

#include "eval/method_parts.h"

namespace s3attn::eval {
namespace {

class FusionRanker final : public Ranker {
  public:
    FusionRanker(Mix::Kind kind, std::vector<std::unique_ptr<Ranker>> rankers,
                 std::vector<double> weights, size_t n_units)
        : kind_(kind),
          rankers_(std::move(rankers)),
          weights_(std::move(weights)),
          n_units_(n_units) {}
    Result<UnitList> rank(const std::string& question) override {
        std::vector<UnitList> lists;
        for (const auto& ranker : rankers_) {
            S3ATTN_TRY(auto list, ranker->rank(question));
            lists.push_back(std::move(list));
        }
        std::vector<const UnitList*> each;
        for (const UnitList& list : lists) each.push_back(&list);
        return fuse(kind_, each, weights_, n_units_);
    }

  private:
    Mix::Kind kind_;
    std::vector<std::unique_ptr<Ranker>> rankers_;
    std::vector<double> weights_;
    size_t n_units_;
};

class FusedMethod final : public NamedMethod {
  public:
    FusedMethod(const std::string& name, Mix::Kind kind, std::vector<FusionPart> parts)
        : NamedMethod(name, (kind == Mix::Kind::kRanks ? "reciprocal ranks of " : "sum of ") +
                                list_of(parts)),
          kind_(kind),
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
        S3ATTN_TRY(const auto store, UnitStore::open(units));
        return std::unique_ptr<Ranker>(std::make_unique<FusionRanker>(
            kind_, std::move(rankers), std::move(weights), store->size()));
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
    Mix::Kind kind_;
    std::vector<FusionPart> parts_;
};

}  // namespace

std::unique_ptr<Method> make_fusion(const std::string& name, Mix::Kind kind,
                                    std::vector<FusionPart> parts) {
    return std::make_unique<FusedMethod>(name, kind, std::move(parts));
}

}  // namespace s3attn::eval

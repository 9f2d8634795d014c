// BM25, and the controls that do not look at the question.
#include <algorithm>
#include <numeric>

#include "base/files.h"
#include "eval/index_files.h"
#include "eval/method_parts.h"
#include "eval/python_random.h"
#include "retrieve/evidence.h"

namespace s3attn::eval {
namespace {

class WordRanker final : public Ranker {
  public:
    WordRanker(std::string name, uint64_t seed, std::unique_ptr<UnitStore> units)
        : name_(std::move(name)), seed_(seed), units_(std::move(units)) {}

    Result<UnitList> rank(const std::string& question) override {
        if (name_ == "bm25") {
            S3ATTN_TRY(VoiceScores scores, WordVoice().score({question, units_->reader(), all_}));
            return std::move(scores.units);
        }
        std::vector<UnitNumber> order(units_->size());
        std::iota(order.begin(), order.end(), 0u);
        if (name_ == "tail") std::reverse(order.begin(), order.end());
        if (name_ == "random") {  // another order for every question, the same in every run
            const uint64_t hash = std::stoull(hash_bytes(question).substr(0, 16), nullptr, 16);
            PythonRandom(seed_ ^ hash).shuffle(order);
        }
        UnitList ranked;
        for (size_t i = 0; i < order.size(); ++i) {
            ranked.push_back({order[i], -static_cast<double>(i)});
        }
        return ranked;
    }

    Result<std::optional<bool>> withheld(const std::string& question) override {
        if (name_ != "bm25") return std::optional<bool>();
        S3ATTN_TRY(const Evidence evidence,
                   assess_evidence(units_->reader(), std::nullopt, question, 0));
        return std::optional<bool>(!evidence.found);
    }

  private:
    std::string name_;
    uint64_t seed_;
    std::unique_ptr<UnitStore> units_;
    const Filter all_;
};

class WordMethod final : public NamedMethod {
  public:
    WordMethod(const std::string& name, const std::string& label, uint64_t seed)
        : NamedMethod(name, label), seed_(seed) {}

    Result<IndexCost> prepare(const Collection&, const std::string& units, const std::string&,
                              ProgressSink&, const CancelToken&) override {
        const auto cost = load_cost(units);
        if (!cost) return make_error(ErrorCode::kInternal, units + " is not finished");
        if (name() == "bm25") return *cost;
        IndexCost none;
        none.tokens = cost->tokens;
        return none;
    }
    Result<std::unique_ptr<Ranker>> open(const std::string& units, const std::string&) override {
        S3ATTN_TRY(auto store, UnitStore::open(units));
        return std::unique_ptr<Ranker>(
            std::make_unique<WordRanker>(name(), seed_, std::move(store)));
    }

  private:
    uint64_t seed_;
};

}  // namespace

std::unique_ptr<Method> make_word_method(const std::string& name, const MethodContext& context) {
    const char* label = name == "bm25"   ? "BM25 (FTS5)"
                        : name == "lead" ? "beginning of the documents"
                        : name == "tail" ? "end of the documents"
                                         : "units in random order";
    return std::make_unique<WordMethod>(name, label, context.seed);
}

}  // namespace s3attn::eval

// The product's second stage behind any method: "context(hybrid)".
#include <algorithm>

#include "engine/context_stage.h"
#include "eval/method_parts.h"
#include "retrieve/rerank.h"

namespace s3attn::eval {
namespace {

class ContextRanker final : public Ranker {
  public:
    ContextRanker(std::unique_ptr<Ranker> inner, std::unique_ptr<UnitStore> units,
                  std::shared_ptr<SharedStage> stage, uint32_t first)
        : inner_(std::move(inner)),
          units_(std::move(units)),
          stage_(std::move(stage)),
          first_(first) {}

    Result<UnitList> rank(const std::string& question) override {
        S3ATTN_TRY(UnitList ranked, inner_->rank(question));
        const size_t n = std::min<size_t>(first_, ranked.size());
        if (n == 0) return ranked;
        std::vector<std::string> texts;
        std::vector<double> scores;
        for (size_t i = 0; i < n; ++i) {
            S3ATTN_TRY(
                const UnitRow unit,
                units_->reader().unit(units_->reader().live_units()[ranked[i].unit].unit_id));
            texts.push_back(unit.text);
            scores.push_back(ranked[i].score);
        }
        S3ATTN_TRY(const ContextReading reading, stage_->read(question, texts, scores));
        const std::vector<size_t> order = best_first(reading.scores);
        const UnitList before(ranked.begin(),
                              ranked.begin() + static_cast<ptrdiff_t>(order.size()));
        const double floor = order.size() < ranked.size() ? ranked[order.size()].score : 0;
        for (size_t i = 0; i < order.size(); ++i) {
            ranked[i] = before[order[i]];
            ranked[i].score = floor + reading.scores[order[i]] - reading.scores[order.back()];
        }
        return ranked;
    }
    Result<std::optional<bool>> withheld(const std::string& question) override {
        return inner_->withheld(question);
    }

  private:
    std::unique_ptr<Ranker> inner_;
    std::unique_ptr<UnitStore> units_;
    std::shared_ptr<SharedStage> stage_;
    uint32_t first_;
};

class ContextMethod final : public NamedMethod {
  public:
    ContextMethod(const std::string& name, std::unique_ptr<Method> inner,
                  std::shared_ptr<SharedStage> stage, uint32_t first)
        : NamedMethod(name, inner->label() + ", its first " + std::to_string(first) +
                                " read again in context"),
          inner_(std::move(inner)),
          stage_(std::move(stage)),
          first_(first) {}

    Result<IndexCost> prepare(const Collection& collection, const std::string& units,
                              const std::string& directory, ProgressSink& sink,
                              const CancelToken& cancel) override {
        return inner_->prepare(collection, units, directory, sink, cancel);
    }
    Result<std::unique_ptr<Ranker>> open(const std::string& units,
                                         const std::string& directory) override {
        S3ATTN_TRY(auto inner, inner_->open(units, directory));
        S3ATTN_TRY(auto store, UnitStore::open(units));
        return std::unique_ptr<Ranker>(
            std::make_unique<ContextRanker>(std::move(inner), std::move(store), stage_, first_));
    }
    double load_seconds() const override { return inner_->load_seconds(); }

  private:
    std::unique_ptr<Method> inner_;
    std::shared_ptr<SharedStage> stage_;
    uint32_t first_;
};

}  // namespace

Status SharedStage::need_stage() {
    if (stage_) return {};
    S3ATTN_TRY(stage_, open_context_stage(options_));
    return {};
}

std::string SharedStage::identity() {
    const std::lock_guard lock(mutex_);
    const Status status = need_stage();
    if (!status.ok()) return status.error().message;
    const ContextHeads& heads = stage_->heads();
    std::string all = stage_->model_hash() + (heads.share ? " share " : " raw ") +
                      std::to_string(heads.first_weight);
    for (const ContextHeads::Head& head : heads.heads) {
        all += " " + std::to_string(head.layer) + ":" + std::to_string(head.query_head);
    }
    return all;
}

Result<ContextReading> SharedStage::read(const std::string& question,
                                         const std::vector<std::string>& units,
                                         const std::vector<double>& scores) {
    const std::lock_guard lock(mutex_);
    S3ATTN_CHECK(need_stage());
    return stage_->read(question, units, scores, false, nullptr);
}

std::unique_ptr<Method> make_context_method(const std::string& name, std::unique_ptr<Method> inner,
                                            MethodContext& context, uint32_t first) {
    if (!context.stage) {
        ContextStageOptions options;
        options.model = !context.rerank_model.empty()    ? context.rerank_model
                        : !context.engine.reader.empty() ? context.engine.reader
                                                         : context.engine.model;
        options.adapter = context.rerank_adapter;
        options.adapter_dirs = context.engine.adapter_dirs;
        options.cache_dir = context.engine.cache_dir;
        options.threads = context.engine.threads;
        options.device = context.engine.device;
        context.stage = std::make_shared<SharedStage>(options);
    }
    return std::make_unique<ContextMethod>(name, std::move(inner), context.stage, first);
}

}  // namespace s3attn::eval

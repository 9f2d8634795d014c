// What the product does, through the product's own code; and the same with random codes.
#include <cmath>
#include <mutex>
#include <random>

#include "adapter/encoder.h"
#include "engine/searcher.h"
#include "eval/method_parts.h"
#include "retrieve/evidence.h"
#include "retrieve/scan_cache.h"

namespace s3attn::eval {
namespace {

constexpr uint32_t kCalibrationRows = 2048;

class S3Ranker final : public Ranker {
  public:
    S3Ranker(const MethodContext& context, std::shared_ptr<const Adapter> adapter,
             SearchOptions options, std::unique_ptr<StoreReader> store)
        : model_(context.model),
          adapter_(std::move(adapter)),
          options_(options),
          threads_(context.ranker_threads),
          store_(std::move(store)),
          cache_(size_t{context.memory_mib} << 20) {}

    Result<UnitList> rank(const std::string& question) override {
        S3ATTN_TRY(Scanner* const scanner, model_->shared_scanner());
        Searcher searcher{*scanner, *adapter_, *store_, threads_, nullptr, &cache_};
        searcher.wide_scanner = [this] { return model_->wide_scanner(); };
        S3ATTN_TRY(Ranking ranking, searcher.rank(question, options_));
        cosine_ = ranking.cosine();
        return std::move(ranking.units);
    }

    Result<std::optional<bool>> withheld(const std::string& question) override {
        S3ATTN_TRY(const Evidence evidence,
                   assess_evidence(*store_, cosine_, question, adapter_->evidence_floor));
        return std::optional<bool>(!evidence.found);
    }

  private:
    std::shared_ptr<ScanModel> model_;
    std::shared_ptr<const Adapter> adapter_;
    SearchOptions options_;
    uint32_t threads_;
    std::unique_ptr<StoreReader> store_;
    ScanCache cache_;
    std::optional<double> cosine_;
};

class S3Method final : public NamedMethod {
  public:
    S3Method(const std::string& name, const std::string& label, const MethodContext& context)
        : NamedMethod(name, label), context_(context) {
        context_.search.method = name == "hybrid" ? "hybrid" : "s3";
    }

    Result<IndexCost> prepare(const Collection& collection, const std::string& units,
                              const std::string& directory, ProgressSink& sink,
                              const CancelToken& cancel) override {
        S3ATTN_TRY(const auto adapter, need_adapter());
        S3ATTN_TRY(IndexCost cost, build_code_store(*context_.model, *adapter, collection,
                                                    directory, index_of(directory, *adapter),
                                                    context_.memory_mib, sink, cancel));
        if (name() == "hybrid") {
            S3ATTN_TRY(const IndexCost words,
                       words_->prepare(collection, units, directory, sink, cancel));
            cost.add(words);
        }
        return cost;
    }
    Result<std::unique_ptr<Ranker>> open(const std::string& units,
                                         const std::string& directory) override {
        S3ATTN_TRY(auto adapter, need_adapter());
        S3ATTN_TRY(auto store, StoreReader::open(index_of(directory, *adapter), nullptr));
        S3ATTN_TRY(const auto unit_store, UnitStore::open(units));
        S3ATTN_CHECK(check_same_units(*store, unit_store->reader(), index_of(directory, *adapter)));
        return std::unique_ptr<Ranker>(std::make_unique<S3Ranker>(
            context_, std::move(adapter), context_.search, std::move(store)));
    }
    double load_seconds() const override { return context_.model->load_seconds(); }

  private:
    std::string index_of(const std::string& directory, const Adapter& adapter) const {
        return directory + "/codes-" + adapter.key_side_hash.substr(0, 12) + "-" +
               std::to_string(context_.model->chunk_tokens());
    }
    Result<std::shared_ptr<const Adapter>> need_adapter();

    MethodContext context_;
    std::unique_ptr<Method> words_ = make_word_method("bm25", MethodContext{});
    std::mutex mutex_;
    std::shared_ptr<const Adapter> adapter_;
};

// The adapter with a random dictionary in place of each autoencoder's: the same k and number of
// features, the same formulas.
Adapter with_random_codes(const Adapter& original, uint64_t seed) {
    Adapter adapter = original;
    std::mt19937_64 engine(seed);
    const auto gaussian = [&engine] {  // Box and Muller; the standard's differ between libraries
        const double u = (static_cast<double>(engine() >> 11) + 1) * 0x1p-53;
        const double v = static_cast<double>(engine() >> 11) * 0x1p-53;
        return std::sqrt(-2 * std::log(u)) * std::cos(2 * 3.14159265358979323846 * v);
    };
    for (KeySlot& slot : adapter.slots) {
        SparseAutoencoder& sae = slot.sae;
        for (uint32_t f = 0; f < sae.latents; ++f) {
            float* row = sae.w_dec.data() + size_t{f} * sae.d_in;
            double sum = 0;
            for (uint32_t i = 0; i < sae.d_in; ++i) {
                row[i] = static_cast<float>(gaussian());
                sum += double{row[i]} * double{row[i]};
            }
            for (uint32_t i = 0; i < sae.d_in; ++i) {
                row[i] = static_cast<float>(row[i] / std::sqrt(sum));
                sae.w_enc[size_t{i} * sae.latents + f] = row[i];
            }
        }
        std::fill(sae.b_enc.begin(), sae.b_enc.end(), 0.0f);
        std::fill(sae.b_dec.begin(), sae.b_dec.end(), 0.0f);
    }
    // Keys of random directions show how large activations get.
    KeyEncoder encoder(adapter, 1);
    std::vector<float> rows(size_t{kCalibrationRows} * adapter.d_head);
    for (size_t i = 0; i < rows.size(); ++i) {
        rows[i] = adapter.slots[0].mean_key[i % adapter.d_head] + static_cast<float>(gaussian());
    }
    adapter.activation_scale = choose_activation_scale(
        encoder.activations(0, {rows.data(), kCalibrationRows, adapter.d_head, adapter.d_head}));
    adapter.name += ", random codes";
    round_to_stored_precision(adapter);
    return adapter;
}

Result<std::shared_ptr<const Adapter>> S3Method::need_adapter() {
    const std::lock_guard lock(mutex_);
    if (!adapter_) {
        S3ATTN_TRY(adapter_, context_.model->adapter());
        if (name() == "random-codes") {
            adapter_ = std::make_shared<const Adapter>(with_random_codes(*adapter_, context_.seed));
        }
    }
    return adapter_;
}

}  // namespace

std::unique_ptr<Method> make_s3_method(const std::string& name, const MethodContext& context) {
    const char* label = name == "s3"       ? "S3-Pure"
                        : name == "hybrid" ? "S3-Hybrid (S3 and BM25)"
                                           : "S3 with random-projection codes";
    return std::make_unique<S3Method>(name, label, context);
}

}  // namespace s3attn::eval

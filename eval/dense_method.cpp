// A sentence embedder as a retriever: one vector a unit, cosine, no approximation.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <mutex>

#include "base/files.h"
#include "base/timing.h"
#include "eval/index_files.h"
#include "eval/method_parts.h"
#include "eval/run_record.h"
#include "model/embedder.h"

namespace s3attn::eval {
namespace {

constexpr size_t kTextsPerCall = 64;

// Shared by all rankers; serves one caller at a time.
class SharedEmbedder {
  public:
    SharedEmbedder(std::string path, uint32_t threads)
        : path_(std::move(path)), threads_(threads) {}

    Result<std::vector<std::vector<float>>> embed(std::span<const std::string> texts) {
        const std::lock_guard lock(mutex_);
        S3ATTN_CHECK(need());
        return embedder_->embed(texts);
    }
    Status load() {
        const std::lock_guard lock(mutex_);
        return need();
    }
    Result<std::string> hash() {
        const std::lock_guard lock(mutex_);
        if (hash_.empty() && std::filesystem::is_regular_file(path_)) {
            S3ATTN_TRY(hash_, hash_file(path_));
        }
        return hash_;
    }
    double load_seconds() const { return load_seconds_; }

  private:
    Status need() {
        if (embedder_) return {};
        std::error_code ignored;
        if (!std::filesystem::is_regular_file(path_, ignored)) {
            return make_error(ErrorCode::kNotFound,
                              "the dense baseline's embedder " +
                                  (path_.empty() ? "was not named" : path_ + " is not there") +
                                  ": run scripts/setup.sh --embedder, or name a GGUF with "
                                  "--embedder");
        }
        const Stopwatch watch;
        S3ATTN_TRY(embedder_, open_llama_embedder({path_, threads_, 256}));
        load_seconds_ = watch.seconds();
        return {};
    }
    std::string path_, hash_;
    uint32_t threads_;
    std::mutex mutex_;
    std::unique_ptr<Embedder> embedder_;
    double load_seconds_ = 0;
};

class DenseRanker final : public Ranker {
  public:
    DenseRanker(std::shared_ptr<SharedEmbedder> embedder, std::unique_ptr<UnitStore> units,
                std::vector<float> vectors)
        : embedder_(std::move(embedder)), units_(std::move(units)), vectors_(std::move(vectors)) {}

    Result<UnitList> rank(const std::string& question) override {
        S3ATTN_TRY(const auto embedded, embedder_->embed({&question, 1}));
        const std::vector<float>& q = embedded.front();
        UnitList ranked;
        for (size_t u = 0; u < units_->size(); ++u) {
            double dot = 0;
            for (size_t i = 0; i < q.size(); ++i) {
                dot += double{q[i]} * double{vectors_[u * q.size() + i]};
            }
            ranked.push_back({static_cast<UnitNumber>(u), dot});
        }
        sort_best_first(ranked);
        return ranked;
    }

  private:
    std::shared_ptr<SharedEmbedder> embedder_;
    std::unique_ptr<UnitStore> units_;
    std::vector<float> vectors_;  // [unit][dimension]
};

class DenseMethod final : public NamedMethod {
  public:
    explicit DenseMethod(const MethodContext& context)
        : NamedMethod("dense",
                      "dense (" + std::filesystem::path(context.embedder).stem().string() + ")"),
          embedder_(std::make_shared<SharedEmbedder>(context.embedder, context.engine.threads)) {}

    Result<IndexCost> prepare(const Collection&, const std::string& units,
                              const std::string& directory, ProgressSink& sink,
                              const CancelToken& cancel) override {
        S3ATTN_TRY(const std::string index, index_of(directory));
        if (auto cost = load_cost(index)) return *cost;
        S3ATTN_TRY(const auto store, UnitStore::open(units));
        S3ATTN_CHECK(embedder_->load());
        const Stopwatch watch;
        std::string vectors;
        S3ATTN_TRY(IndexCost cost, embed_units(*store, sink, cancel, vectors));
        std::error_code error;
        std::filesystem::create_directories(index, error);
        S3ATTN_CHECK(write_file_atomic(index + "/vectors.bin", vectors));
        cost.bytes = vectors.size();
        cost.seconds = watch.seconds();
        cost.stages.index_write = cost.seconds - cost.stages.scan;
        cost.peak_rss_bytes = peak_memory_bytes();
        S3ATTN_CHECK(save_cost(index, cost));
        return cost;
    }

    Result<std::unique_ptr<Ranker>> open(const std::string& units,
                                         const std::string& directory) override {
        S3ATTN_TRY(const std::string index, index_of(directory));
        S3ATTN_TRY(auto store, UnitStore::open(units));
        S3ATTN_TRY(const std::string bytes, read_file(index + "/vectors.bin", 16ull << 30));
        if (store->size() == 0 || bytes.size() % (store->size() * sizeof(float)) != 0) {
            return make_error(ErrorCode::kCorrupt, index +
                                                       "/vectors.bin does not fit its units: "
                                                       "remove its folder");
        }
        std::vector<float> vectors(bytes.size() / sizeof(float));
        std::memcpy(vectors.data(), bytes.data(), bytes.size());
        return std::unique_ptr<Ranker>(
            std::make_unique<DenseRanker>(embedder_, std::move(store), std::move(vectors)));
    }
    double load_seconds() const override { return embedder_->load_seconds(); }

  private:
    Result<std::string> index_of(const std::string& directory) {
        S3ATTN_TRY(const std::string hash, embedder_->hash());
        return directory + "/dense-" + hash.substr(0, 12);
    }

    Result<IndexCost> embed_units(const UnitStore& store, ProgressSink& sink,
                                  const CancelToken& cancel, std::string& vectors) {
        IndexCost cost;
        const auto& live = store.reader().live_units();
        Progress progress{"embed", "", 0, live.size(), "units", 0};
        for (size_t begin = 0; begin < live.size(); begin += kTextsPerCall) {
            if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
            std::vector<std::string> texts;
            for (size_t u = begin; u < std::min(begin + kTextsPerCall, live.size()); ++u) {
                S3ATTN_TRY(UnitRow row, store.reader().unit(live[u].unit_id));
                texts.push_back(std::move(row.text));
                cost.tokens += live[u].n_tokens;
            }
            const Stopwatch watch;
            S3ATTN_TRY(const auto embedded, embedder_->embed(texts));
            cost.stages.scan += watch.seconds();
            for (const auto& vector : embedded) {
                vectors.append(reinterpret_cast<const char*>(vector.data()),
                               vector.size() * sizeof(float));
            }
            progress.done = begin + texts.size();
            sink.update(progress);
        }
        return cost;
    }

    std::shared_ptr<SharedEmbedder> embedder_;
};

}  // namespace

std::unique_ptr<Method> make_dense_method(const MethodContext& context) {
    return std::make_unique<DenseMethod>(context);
}

}  // namespace s3attn::eval

// The second stage's model: a context of its own, of the layers that are wanted and no more.
#include <algorithm>
#include <charconv>

#include "model/attention_tap.h"
#include "model/context_attention.h"
#include "model/llama_layers.h"
#include "model/llama_model.h"
#include "model/llama_support.h"
#include "model/scan_copy.h"
#include "model/scan_tuning.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

constexpr uint32_t kUsualWindow = 8192;
constexpr uint32_t kFirstCache = 4096;  // tokens that a cache is made for at first
// Tokens of one pass. A card is busy with 2,048, a processor with 512; more take memory, and a mask
// that grows with their square.
constexpr uint32_t kDeviceBatch = 2048, kHostBatch = 512;

class LlamaContextModel final : public ContextModel {
  public:
    LlamaContextModel(ContextModelOptions options, ModelInfo info)
        : options_(std::move(options)), info_(std::move(info)) {}

    // Loads weights from `path` (the original or its scan copy), of `layers` layers.
    Status load(const std::string& path, uint32_t layers);
    Status count_operations(const GgufHeader& header);

    const ModelInfo& info() const override { return info_; }
    const Tokenizer& tokenizer() const override { return *decoder_.tokenizer; }
    uint32_t context_tokens() const override { return options_.context_tokens; }
    uint32_t row_tokens() const override { return batch_; }
    std::string device_name() const override { return llama_device_name(options_.device); }
    double operations_per_token(uint32_t layer) const override {
        double sum = 0;
        for (uint32_t l = 0; l <= layer && l < operations_.size(); ++l) sum += operations_[l];
        return sum;
    }
    Status attend(std::span<const int32_t> tokens, uint32_t first_row,
                  std::span<const uint32_t> layers, const CancelToken* cancel,
                  const ContextSink& sink) override;

  private:
    Status check(std::span<const int32_t> tokens, uint32_t first_row,
                 std::span<const uint32_t> layers) const;
    Status ensure_context(uint32_t tokens);
    std::string who() const {
        return options_.model_path + " (architecture " + info_.architecture + ")";
    }

    ContextModelOptions options_;
    ModelInfo info_;
    uint32_t layers_ = 0, batch_ = kHostBatch;
    std::vector<double> operations_;  // of each layer, per token
    AttentionTap tap_;
    LlamaDecoder decoder_;
    llama_context_ptr context_;
};

Status LlamaContextModel::load(const std::string& path, uint32_t layers) {
    layers_ = layers;
    batch_ = options_.device == Device::kCuda ? kDeviceBatch : kHostBatch;
    batch_ = std::min(batch_, options_.context_tokens);
    S3ATTN_TRY(decoder_, load_decoder(path, options_.model_path, options_.device, nullptr));
    return {};
}

Status LlamaContextModel::count_operations(const GgufHeader& header) {
    operations_.assign(info_.n_layer, 0);
    auto* tensors = const_cast<ggml_context*>(header.tensors());
    for (ggml_tensor* t = ggml_get_first_tensor(tensors); t != nullptr;
         t = ggml_get_next_tensor(tensors, t)) {
        const std::string_view name = t->name;
        if (!name.starts_with("blk.") || ggml_n_dims(t) < 2) continue;
        uint32_t layer = 0;
        std::from_chars(name.data() + 4, name.data() + name.size(), layer);
        if (layer < operations_.size()) {
            operations_[layer] += 2.0 * static_cast<double>(ggml_nelements(t));
        }
    }
    return {};
}

// Grows with the contexts that are asked for: a cache of the whole window can be larger than the
// layers.
Status LlamaContextModel::ensure_context(uint32_t tokens) {
    uint32_t size = std::min(kFirstCache, options_.context_tokens + (decoder_.bos ? 1 : 0));
    while (size < tokens) size *= 2;
    size = std::min(size, options_.context_tokens + (decoder_.bos ? 1 : 0));
    if (context_ && llama_n_ctx(context_.get()) >= tokens) return {};
    context_.reset();
    llama_context_params params = llama_context_default_params();
    params.n_ctx = size;
    params.n_batch = params.n_ubatch = batch_ + (decoder_.bos ? 1 : 0);
    params.n_seq_max = 1;
    params.n_outputs_max = 1;  // no logits are wanted
    params.n_threads = static_cast<int32_t>(thread_count(options_.threads));
    params.n_threads_batch = params.n_threads;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    params.type_k = params.type_v = GGML_TYPE_F16;
    params.swa_full = true;  // a cell per token, in order; windows are in the mask
    params.op_offload = false;
    params.no_perf = true;
    params.cb_eval = AttentionTap::on_node;
    params.cb_eval_user_data = &tap_;
    context_ = make_llama_context(decoder_.model.get(), params);
    if (context_) return {};
    return make_error(ErrorCode::kUnsupported, reason::kRerankLarge, "rerank",
                      "llama.cpp cannot make a context of " + std::to_string(size) +
                          " tokens for " + who() + ": " + llama_reason());
}

Status LlamaContextModel::check(std::span<const int32_t> tokens, uint32_t first_row,
                                std::span<const uint32_t> layers) const {
    const auto invalid = [](const std::string& why) {
        return make_error(ErrorCode::kInvalidArgument, why);
    };
    if (tokens.size() > options_.context_tokens) {
        return invalid("a context of " + std::to_string(tokens.size()) +
                       " tokens is more than the " + std::to_string(options_.context_tokens) +
                       " that " + info_.name + " was opened with");
    }
    if (first_row >= tokens.size() || tokens.size() - first_row > batch_) {
        return invalid("rows of a context must be 1 to " + std::to_string(batch_) +
                       " of its last tokens");
    }
    if (layers.empty()) return invalid("no layers are wanted");
    S3ATTN_CHECK(check_tokens(tokens, decoder_.model.get()));
    return check_layers(layers, layers_, who());
}

Status LlamaContextModel::attend(std::span<const int32_t> tokens, uint32_t first_row,
                                 std::span<const uint32_t> layers, const CancelToken* cancel,
                                 const ContextSink& sink) {
    S3ATTN_CHECK(check(tokens, first_row, layers));
    const auto rows = static_cast<uint32_t>(tokens.size()) - first_row;
    std::vector<int32_t> all;
    if (decoder_.bos) all.push_back(*decoder_.bos);
    all.insert(all.end(), tokens.begin(), tokens.end());
    const auto n = static_cast<uint32_t>(all.size());
    const uint32_t capacity = batch_ + (decoder_.bos ? 1 : 0);
    S3ATTN_CHECK(ensure_context(n));
    llama_memory_clear(llama_get_memory(context_.get()), false);

    AttentionTap::Request request;
    request.stop_layer = layers.back();
    request.rows = rows;
    request.skip = decoder_.bos ? 1 : 0;
    request.n_head = info_.n_head;
    request.n_head_kv = info_.n_head_kv;
    request.d_head = info_.d_head;
    request.sink = &sink;
    LlamaBatch batch(std::min(capacity, n));
    // All rows are of the last batch, which is as full as any.
    for (uint32_t at = 0; at < n;) {
        if (cancel != nullptr && cancel->cancelled()) {
            return make_error(ErrorCode::kCancelled, "interrupted");
        }
        const uint32_t left = n - at;
        const bool last = left <= capacity;
        const uint32_t count = last ? left : std::min(capacity, left - rows);
        request.columns = at + count;
        request.batch_rows = count;
        request.layers = last ? layers : std::span<const uint32_t>();
        tap_.start(request);
        batch.clear();
        for (uint32_t i = at; i < at + count; ++i) batch.push(all[i], i);
        const Status decoded = run_llama(context_.get(), batch.get(), who(), cancel);
        const Status tapped = tap_.finish(who());
        S3ATTN_CHECK(decoded);
        S3ATTN_CHECK(tapped);
        at += count;
    }
    return {};
}

ScannerOptions as_scan(const ContextModelOptions& options) {
    ScannerOptions scan;
    scan.model_path = options.model_path;
    scan.device = options.device;
    return scan;
}

// The file to load: a copy of the layers that are wanted, or the original.
std::string weights_for(const ContextModelOptions& options, const GgufHeader& header,
                        const ModelInfo& info, uint32_t layers, ProgressSink* sink) {
    if (options.cache_dir.empty()) return options.model_path;
    const ScanTuning tuning =
        options.device == Device::kCuda ? device_tuning(as_scan(options)) : ScanTuning{};
    const auto copy = ensure_scan_copy(
        header, {options.cache_dir, info.file_hash, layers, thread_count(options.threads), tuning},
        sink);
    if (copy.ok()) return *copy;
    if (sink) {
        sink->note("reading with " + info.name + " itself, which is slower: no scan copy (" +
                   copy.error().message + ")");
    }
    return options.model_path;
}

}  // namespace

Result<std::unique_ptr<ContextModel>> open_context_model(const ContextModelOptions& given,
                                                         ProgressSink* sink) {
    ContextModelOptions options = given;
    if (options.device == Device::kCuda) S3ATTN_CHECK(llama_cuda_status());
    S3ATTN_TRY(const OpenedLayers opened, open_layers(options.model_path, options.deepest_layer));
    const auto& [header, info, layers] = opened;
    const uint32_t trained = info.n_ctx_train == 0 ? kUsualWindow : info.n_ctx_train;
    if (options.context_tokens == 0) options.context_tokens = kUsualWindow;
    // BOS takes a place of the window.
    options.context_tokens = std::min(options.context_tokens, trained > 1 ? trained - 1 : 1);
    const std::string weights = weights_for(options, header, info, layers, sink);
    auto model = std::make_unique<LlamaContextModel>(options, info);
    S3ATTN_CHECK(model->count_operations(header));
    Status loaded = model->load(weights, layers);
    if (!loaded.ok() && weights != options.model_path) {
        model = std::make_unique<LlamaContextModel>(options, info);
        S3ATTN_CHECK(model->count_operations(header));
        loaded = model->load(options.model_path, layers);
    }
    S3ATTN_CHECK(loaded);
    return std::unique_ptr<ContextModel>(std::move(model));
}

}  // namespace s3attn

#include <algorithm>

#include "model/gguf_header.h"
#include "model/key_tap.h"
#include "model/llama_layers.h"
#include "model/llama_support.h"
#include "model/scan_copy.h"
#include "model/scan_tuning.h"

namespace s3attn {
namespace {

class LlamaScanner final : public Scanner {
  public:
    LlamaScanner(const ScannerOptions& options, const ScanTuning& tuning, ModelInfo info)
        : options_(options),
          tuning_(tuning),
          info_(std::move(info)),
          batch_((options.chunk_tokens + 1) * tuning.sequences) {}

    // Loads weights from `path` (the original or its scan copy), of `layers` layers.
    Status load(const std::string& path, uint32_t layers, const CancelToken* cancel);

    const ModelInfo& info() const override { return info_; }
    const Tokenizer& tokenizer() const override { return *decoder_.tokenizer; }
    uint32_t chunk_tokens() const override { return options_.chunk_tokens; }
    Status capture(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                   Projection projection, const ProjectionSink& sink,
                   const CancelToken* cancel) override;
    uint32_t device_chunks() const override {
        return tuning_.keys_on_device || tuning_.sequences > 1 ? tuning_.sequences : 0;
    }
    Status capture_on_device(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                             const ProjectionSink& sink) override;

  private:
    Status make_context();
    Status plan();
    Status decode(const CancelToken* cancel);
    Status check_request(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                         Projection projection, size_t most_tokens) const;
    Status run(std::span<const int32_t> tokens, KeyTap::Request request,
               const CancelToken* cancel = nullptr);
    Status check_layer(uint32_t layer, Projection projection) const;
    std::string who() const {
        return options_.model_path + " (architecture " + info_.architecture + ")";
    }

    ScannerOptions options_;
    ScanTuning tuning_;
    ModelInfo info_;
    uint32_t layers_ = 0;
    KeyTap tap_;
    LlamaBatch batch_;
    LlamaDecoder decoder_;
    llama_context_ptr context_;
};

Status LlamaScanner::load(const std::string& path, uint32_t layers, const CancelToken* cancel) {
    layers_ = layers;
    S3ATTN_TRY(decoder_, load_decoder(path, options_.model_path, options_.device, cancel));
    S3ATTN_CHECK(make_context());
    return plan();
}

Status LlamaScanner::make_context() {
    llama_context_params params = llama_context_default_params();
    const uint32_t rows = options_.chunk_tokens + (decoder_.bos ? 1 : 0);
    // One graph per chunk: the tap counts on every row of a layer coming at once.
    // Several sequences have a cache each: 256 is the step in which llama.cpp sizes it.
    const uint32_t sequences = tuning_.sequences;
    params.n_ctx = sequences == 1 ? rows : (rows + 255) / 256 * 256 * sequences;
    params.n_batch = rows * sequences;
    params.n_ubatch = params.n_batch;
    params.n_seq_max = sequences;
    params.kv_unified = false;
    params.n_outputs_max = sequences;  // a scan wants no logits: spare their buffer
    params.n_threads = static_cast<int32_t>(thread_count(options_.threads));
    params.n_threads_batch = params.n_threads;
    params.flash_attn_type = tuning_.flash_attention;
    params.type_k = tuning_.kv_type;
    params.type_v = tuning_.kv_type;
    params.swa_full = false;
    params.op_offload = false;  // else layers above the stop still upload their weights
    params.no_perf = true;
    params.cb_eval = KeyTap::on_node;
    params.cb_eval_user_data = &tap_;
    context_ = make_llama_context(decoder_.model.get(), params);
    if (context_) return {};
    return make_error(ErrorCode::kUnsupported, "llama.cpp cannot make a context of " +
                                                   std::to_string(rows) + " tokens for " + who() +
                                                   ": " + llama_reason() +
                                                   ". Try a smaller chunk.");
}

Status LlamaScanner::plan() {
    batch_.clear();
    // Two rows, so that a row count cannot be taken for anything else of size one.
    for (uint32_t i = 0; i < std::min(2u, llama_n_ubatch(context_.get())); ++i) {
        batch_.push(decoder_.bos.value_or(0), i);
    }
    tap_.start_plan(static_cast<uint32_t>(batch_.size()));
    const Status decoded = decode(nullptr);
    tap_.finish_plan();
    S3ATTN_CHECK(decoded);
    for (uint32_t layer = 0; layer < layers_; ++layer) {
        if (check_layer(layer, Projection::kKey).ok()) return {};
    }
    return check_layer(0, Projection::kKey);
}

Status LlamaScanner::decode(const CancelToken* cancel) {
    llama_memory_clear(llama_get_memory(context_.get()), false);
    return run_llama(context_.get(), batch_.get(), who(), cancel);
}

Status LlamaScanner::check_layer(uint32_t layer, Projection projection) const {
    const KeyTap::Pick* pick = tap_.pick(layer, projection);
    const bool is_key = projection == Projection::kKey;
    const std::string what = is_key ? "keys" : "queries";
    if (pick == nullptr) {
        return make_error(ErrorCode::kUnsupported,
                          "layer " + std::to_string(layer) + " of " + who() + " has no per-head " +
                              what +
                              " (recurrent, shared or latent attention); choose other layers or "
                              "a model with ordinary attention.");
    }
    const uint32_t heads = is_key ? info_.n_head_kv : info_.n_head;
    if (pick->d_head != info_.d_head || pick->n_heads != heads) {
        return make_error(ErrorCode::kUnsupported,
                          "layer " + std::to_string(layer) + " of " + who() + " has " +
                              std::to_string(pick->n_heads) + " heads of " +
                              std::to_string(pick->d_head) + " " + what + "; the model states " +
                              std::to_string(heads) + " of " + std::to_string(info_.d_head) +
                              ". Layers that differ in shape cannot be scanned.");
    }
    return {};
}

Status LlamaScanner::check_request(std::span<const int32_t> tokens,
                                   std::span<const uint32_t> layers, Projection projection,
                                   size_t most_tokens) const {
    if (tokens.empty() || tokens.size() > most_tokens) {
        return make_error(ErrorCode::kInvalidArgument,
                          "a forward pass takes 1 to " + std::to_string(most_tokens) +
                              " tokens, not " + std::to_string(tokens.size()));
    }
    S3ATTN_CHECK(check_tokens(tokens, decoder_.model.get()));
    S3ATTN_CHECK(check_layers(layers, layers_, who()));
    for (const uint32_t layer : layers) S3ATTN_CHECK(check_layer(layer, projection));
    return {};
}

Status LlamaScanner::capture(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                             Projection projection, const ProjectionSink& sink,
                             const CancelToken* cancel) {
    S3ATTN_CHECK(check_request(tokens, layers, projection, options_.chunk_tokens));
    KeyTap::Request request;
    request.layers = layers;
    request.projection = projection;
    request.sink = &sink;
    return run(tokens, request, cancel);
}

Status LlamaScanner::capture_on_device(std::span<const int32_t> tokens,
                                       std::span<const uint32_t> layers,
                                       const ProjectionSink& sink) {
    const size_t chunk = options_.chunk_tokens;
    S3ATTN_CHECK(check_request(tokens, layers, Projection::kKey, chunk * device_chunks()));
    if (tokens.size() > chunk && tokens.size() % chunk != 0) {
        return make_error(ErrorCode::kInvalidArgument, "chunks of one pass must be whole");
    }
    KeyTap::Request request;
    request.layers = layers;
    request.sequences = static_cast<uint32_t>(std::max<size_t>(1, tokens.size() / chunk));
    request.on_device = tuning_.keys_on_device;
    request.sink = &sink;
    return run(tokens, request);
}

Status LlamaScanner::run(std::span<const int32_t> tokens, KeyTap::Request request,
                         const CancelToken* cancel) {
    if (request.layers.empty()) return {};
    const size_t length = tokens.size() / request.sequences;
    batch_.clear();
    request.skip_rows = decoder_.bos ? 1 : 0;
    for (size_t i = 0; i < tokens.size(); ++i) {
        const auto sequence = static_cast<llama_seq_id>(i / length);
        if (decoder_.bos && i % length == 0) batch_.push(*decoder_.bos, 0, sequence);
        batch_.push(tokens[i], i % length + request.skip_rows, sequence);
    }
    request.rows = static_cast<uint32_t>(batch_.size());
    request.stop_early = tuning_.stop_early;
    tap_.start_capture(request);
    const Status decoded = decode(cancel);
    const Status captured = tap_.finish_capture();
    S3ATTN_CHECK(decoded);
    return captured;
}

void tell(ProgressSink* sink, const std::string& message) {
    if (sink) sink->note(message);
}

}  // namespace

// On a device matrix products run fastest in 16 bits, whatever the file's own weights are. BF16
// unless they are F16: llama.cpp sums an F16 product in F16, where models with large activations
// (Qwen2.5) overflow.
ScanTuning device_tuning(const ScannerOptions& options) {
    ScanTuning tuning;
    tuning.keys_on_device = true;
    tuning.sequences =
        std::clamp(options.device_batch_tokens / std::max(1u, options.chunk_tokens), 1u, 64u);
    tuning.copy_type = LLAMA_FTYPE_MOSTLY_BF16;
    tuning.copy_label = "BF16";
    tuning.flash_attention = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    const auto header = GgufHeader::open(options.model_path);
    if (header.ok() && weight_type(*header) == GGML_TYPE_F16) {
        tuning.copy_type = LLAMA_FTYPE_MOSTLY_F16;
        tuning.copy_label = "F16";
    }
    return tuning;
}

Result<std::unique_ptr<Scanner>> open_tuned_scanner(const ScannerOptions& options,
                                                    const ScanTuning& tuning, ProgressSink* sink,
                                                    const CancelToken* cancel) {
    S3ATTN_TRY(const OpenedLayers opened, open_layers(options.model_path, options.deepest_layer));
    const auto& [header, info, layers] = opened;
    if (options.chunk_tokens == 0 ||
        (info.n_ctx_train != 0 && options.chunk_tokens > info.n_ctx_train)) {
        return make_error(ErrorCode::kInvalidArgument,
                          "a chunk of " + std::to_string(options.chunk_tokens) +
                              " tokens does not fit " + options.model_path + ", whose window is " +
                              std::to_string(info.n_ctx_train) + ".");
    }
    if (!options.cache_dir.empty()) {
        const ScanCopyRequest request{options.cache_dir, info.file_hash, layers,
                                      thread_count(options.threads), tuning};
        const auto copy = ensure_scan_copy(header, request, sink);
        Status status;
        if (copy.ok()) {
            auto scanner = std::make_unique<LlamaScanner>(options, tuning, info);
            status = scanner->load(*copy, layers, cancel);
            if (!status.ok() && status.error().code == ErrorCode::kCancelled) return status.error();
            if (status.ok()) return std::unique_ptr<Scanner>(std::move(scanner));
        } else {
            status = copy.error();
        }
        tell(sink, "scanning " + info.name + " itself, which is slower: no scan copy (" +
                       status.error().message + ")");
    }
    auto scanner = std::make_unique<LlamaScanner>(options, tuning, info);
    S3ATTN_CHECK(scanner->load(options.model_path, layers, cancel));
    return std::unique_ptr<Scanner>(std::move(scanner));
}

Result<std::unique_ptr<Scanner>> open_llama_scanner(const ScannerOptions& options,
                                                    ProgressSink* sink, const CancelToken* cancel) {
    if (options.device == Device::kCuda) {
        S3ATTN_CHECK(llama_cuda_status());
        return open_tuned_scanner(options, device_tuning(options), sink, cancel);
    }
    return open_tuned_scanner(options, ScanTuning{}, sink, cancel);
}

}  // namespace s3attn

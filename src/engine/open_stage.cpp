// The second stage from files.
#include <algorithm>

#include "base/parallel.h"
#include "engine/context_stage.h"
#include "s3attn/reason.h"
#include "scan/open_scan.h"

namespace s3attn {
namespace {

// What a core of a processor of these years multiplies and adds with 8-bit weights, and a card with
// 16-bit ones, in a second: a first guess, which the first reading replaces.
constexpr double kCoreOperations = 6e10, kDeviceOperations = 1e14;
constexpr double kBytesPerWeight = 0.6;  // of the usual 4-bit files, embeddings included

Error without_heads(const std::string& model, const std::string& adapter) {
    return make_error(ErrorCode::kNotFound, reason::kNoRerank, model,
                      "the adapter of " + model + " (" + adapter + ") has no context heads");
}

}  // namespace

Result<std::unique_ptr<ContextStage>> open_context_stage(const ContextStageOptions& options) {
    ScanRequest request{options.model,     options.adapter, options.adapter_dirs,
                        options.cache_dir, options.threads, options.device};
    S3ATTN_TRY(request.device, choose_scan_device(options.device));
    S3ATTN_TRY(const ModelInfo model, open_scan_info(request));
    std::shared_ptr<const Adapter> adapter = options.loaded;
    if (!adapter) {
        S3ATTN_TRY(adapter, open_scan_adapter(request, model));
    }
    if (adapter->context.heads.empty()) return without_heads(options.model, adapter->name);
    ContextStage::Parts parts;
    parts.heads = adapter->context;
    parts.model_name = model.name;
    parts.model_hash = model.file_hash;
    parts.threads = options.threads;
    parts.on_device = request.device == Device::kCuda;
    const double weights = static_cast<double>(model.file_bytes) / kBytesPerWeight *
                           (parts.heads.deepest_layer() + 1.0) / std::max(1u, model.n_layer);
    const double threads = options.threads == 0 ? available_threads() : options.threads;
    parts.seconds_per_token =
        2 * weights / (parts.on_device ? kDeviceOperations : kCoreOperations * threads);
    ContextModelOptions open;
    open.model_path = options.model;
    open.threads = options.threads;
    open.deepest_layer = static_cast<int32_t>(parts.heads.deepest_layer());
    open.cache_dir = options.cache_dir;
    open.device = request.device;
    parts.open = [open](ProgressSink* sink) { return open_context_model(open, sink); };
    return std::make_unique<ContextStage>(std::move(parts));
}

}  // namespace s3attn

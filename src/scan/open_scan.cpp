#include "scan/open_scan.h"

#include <algorithm>
#include <cmath>

#include "adapter/adapter_search.h"
#include "adapter/device_encoder.h"
#include "base/device_choice.h"
#include "base/parallel.h"
#include "model/llama_model.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

// Seconds of a core: per operation of the network; of an autoencoder, per dimension of its keys;
// and of the query side, whose cost hardly depends on the model.
constexpr double kPerOperation = 1 / 6e10, kPerDimension = 3.1, kQuerySide = 700;
constexpr double kTokens = 650'000;  // read for the autoencoders and for the choice of heads
constexpr double kSlots = 7, kShareOfLayers = 1.0 / 3;
constexpr double kBytesPerWeight = 0.6;  // of the usual 4-bit files

Error no_adapter(const ScanRequest& request, const ModelInfo& model, const Error& why) {
    const double minutes = std::max(1.0, std::round(training_minutes(model, request.threads)));
    return make_error(why.code, reason::kNoAdapter, request.model,
                      "no adapter fits " + model.name + " (" + why.message +
                          "); to make one takes about " +
                          std::to_string(static_cast<long>(minutes)) +
                          (minutes == 1 ? " minute" : " minutes") + " on this machine");
}

}  // namespace

double training_minutes(const ModelInfo& model, uint32_t threads) {
    const double weights = static_cast<double>(model.file_bytes) / kBytesPerWeight;
    const double network = 2 * weights * kShareOfLayers * kTokens * kPerOperation;
    const double saes = kSlots * kPerDimension * model.d_head;
    const double cores = threads == 0 ? available_threads() : threads;
    return (network + saes + kQuerySide) / cores / 60;
}

Result<Device> choose_scan_device(Device wanted) {
    return choose_device(wanted, built_with_cuda(), cuda_status, llama_cuda_status);
}

Result<ModelInfo> open_scan_info(const ScanRequest& request) {
    if (!request.model.empty()) return read_model_info(request.model);
    return make_error(ErrorCode::kNotFound, reason::kNoModel, "model",
                      "no model that reads documents was named");
}

Result<std::shared_ptr<const Adapter>> open_scan_adapter(const ScanRequest& request,
                                                         const ModelInfo& model) {
    std::string directory = request.adapter;
    if (directory.empty()) {
        auto found = find_adapter(request.adapter_dirs, model.file_hash, model.identity);
        if (!found.ok()) return no_adapter(request, model, found.error());
        directory = *std::move(found);
    }
    S3ATTN_TRY(Adapter adapter, load_adapter(directory));
    S3ATTN_CHECK(check_adapter(model, adapter));
    return std::make_shared<const Adapter>(std::move(adapter));
}

Result<std::unique_ptr<Scanner>> open_scanner(const ScanRequest& request, uint32_t deepest_layer,
                                              uint32_t chunk_tokens, ProgressSink* sink,
                                              const CancelToken* cancel) {
    ScannerOptions options;
    options.model_path = request.model;
    options.threads = request.threads;
    options.chunk_tokens = chunk_tokens;
    options.deepest_layer = static_cast<int32_t>(deepest_layer);
    options.cache_dir = request.cache_dir;
    options.device = request.device;
    return open_llama_scanner(options, sink, cancel);
}

}  // namespace s3attn

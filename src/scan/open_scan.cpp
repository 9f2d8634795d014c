#include "scan/open_scan.h"

#include "adapter/adapter_search.h"
#include "adapter/device_encoder.h"
#include "base/device_choice.h"
#include "model/llama_model.h"
#include "s3attn/reason.h"

namespace s3attn {

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
        S3ATTN_TRY(directory, find_adapter(request.adapter_dirs, model.file_hash));
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

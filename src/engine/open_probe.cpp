// Probe::open(): the parts of a probe from files.
#include "base/guarded.h"
#include "engine/probe.h"
#include "scan/open_scan.h"

namespace s3attn {

Result<std::unique_ptr<Probe>> Probe::open(const EngineOptions& options) {
    return guarded([&]() -> Result<std::unique_ptr<Probe>> {
        ScanRequest request{options.model,     options.adapter, options.adapter_dirs,
                            options.cache_dir, options.threads, options.device};
        if (!options.model.empty()) {
            S3ATTN_TRY(request.device, choose_scan_device(options.device));
        }
        ProbeParts parts;
        S3ATTN_TRY(parts.model, open_scan_info(request));
        S3ATTN_TRY(parts.adapter, open_scan_adapter(request, parts.model));
        parts.threads = options.threads;
        parts.chunk_tokens = options.chunk_tokens == 0 ? kDefaultChunkTokens : options.chunk_tokens;
        parts.open_scanner = [request, chunk = parts.chunk_tokens,
                              known = parts.adapter->deepest_layer()](uint32_t deepest,
                                                                      const CancelToken* cancel) {
            ScanRequest how = request;
            // No scan copy of layers that only a look inside wants.
            if (deepest > known) how.cache_dir.clear();
            return open_scanner(how, deepest, chunk, nullptr, cancel);
        };
        return make_probe(std::move(parts));
    });
}

}  // namespace s3attn

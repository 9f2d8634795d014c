// The scan copy: the layers that a scan computes, in the weight type that is fastest on a CPU.
#pragma once

#include <cstdint>
#include <string>

#include "model/gguf_header.h"
#include "model/scan_tuning.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn {

struct ScanCopyRequest {
    std::string cache_dir;
    std::string file_hash;  // of the original
    uint32_t layers = 0;    // the first so many are kept
    uint32_t threads = 1;
    ScanTuning tuning;
};

// Path of a whole, checked copy; made if absent or damaged. Safe against other processes that do
// the same and against a kill at any moment.
Result<std::string> ensure_scan_copy(const GgufHeader& original, const ScanCopyRequest& request,
                                     ProgressSink* sink);

// Of the first layer's attention, which stands for the matrices of the file; F32 where there is
// none.
ggml_type weight_type(const GgufHeader& header);

// The original's first `layers` layers, weights as they are. Without `keep_output` the output
// matrix is left out (the loader then ties it to the embeddings; a scan never gets that far).
Status write_sliced_gguf(const GgufHeader& original, uint32_t layers, bool keep_output,
                         const std::string& path);

}  // namespace s3attn

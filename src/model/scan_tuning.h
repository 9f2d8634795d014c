// What the scanner chose by measurement, open to the benchmark and the tests that justify it.
#pragma once

#include <ggml.h>
#include <llama.h>

#include <memory>

#include "model/llama_model.h"

namespace s3attn {

struct ScanTuning {
    bool stop_early = true;
    llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;
    ggml_type kv_type = GGML_TYPE_F16;
    llama_ftype copy_type = LLAMA_FTYPE_MOSTLY_Q8_0;
    const char* copy_label = "Q8_0";  // in the copy's file name
    uint32_t sequences = 1;           // chunks of one pass, at most
    bool keys_on_device = false;      // delivered where they lie by capture_on_device()
};

// What a scan on a card runs with.
ScanTuning device_tuning(const ScannerOptions& options);

Result<std::unique_ptr<Scanner>> open_tuned_scanner(const ScannerOptions& options,
                                                    const ScanTuning& tuning, ProgressSink* sink,
                                                    const CancelToken* cancel = nullptr);

}  // namespace s3attn

#include "model/devices.h"

#include <ggml-backend.h>

#include "model/llama_support.h"

namespace s3attn {
namespace {

std::string kind_of(ggml_backend_dev_t device) {
    switch (ggml_backend_dev_type(device)) {
        case GGML_BACKEND_DEVICE_TYPE_CPU: return "cpu";
        case GGML_BACKEND_DEVICE_TYPE_GPU: return "gpu";
        case GGML_BACKEND_DEVICE_TYPE_IGPU: return "igpu";
        default: return "accelerator";
    }
}

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

}  // namespace

std::vector<RuntimeDevice> runtime_devices() {
    ensure_llama_backend();
    std::vector<RuntimeDevice> devices;
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        const ggml_backend_dev_t device = ggml_backend_dev_get(i);
        size_t free = 0, total = 0;
        ggml_backend_dev_memory(device, &free, &total);
        devices.push_back({text_of(ggml_backend_dev_name(device)),
                           text_of(ggml_backend_dev_description(device)), kind_of(device), free,
                           total});
    }
    return devices;
}

std::string runtime_version() { return text_of(llama_version()); }

}  // namespace s3attn

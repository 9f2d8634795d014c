// In place of cuda_encoder.cu where the build has no CUDA.
#include "adapter/device_encoder.h"
#include "s3attn/reason.h"

namespace s3attn {

bool built_with_cuda() { return false; }

Status cuda_status() {
    return make_error(ErrorCode::kUnsupported, reason::kNoDevice, "device",
                      "this s3attn was built without CUDA (docs/gpu.md)");
}
Status check_device_adapter(const Adapter&) { return cuda_status(); }

struct DeviceKeyEncoder::Impl {};

DeviceKeyEncoder::DeviceKeyEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DeviceKeyEncoder::~DeviceKeyEncoder() = default;
Result<std::unique_ptr<DeviceKeyEncoder>> DeviceKeyEncoder::make(const Adapter&, uint32_t) {
    return cuda_status().error();
}
Status DeviceKeyEncoder::begin(uint32_t) { return cuda_status(); }
Status DeviceKeyEncoder::add(uint32_t, const DeviceKeys&) { return cuda_status(); }
Status DeviceKeyEncoder::end() { return cuda_status(); }
Status DeviceKeyEncoder::take(CodeBatch&, std::vector<float>*) { return cuda_status(); }
uint64_t DeviceKeyEncoder::device_bytes() const { return 0; }

}  // namespace s3attn

// In place of device_sae.cu where the build has no CUDA.
#include "adapter/device_encoder.h"
#include "train/device_sae.h"

namespace s3attn {

struct DeviceSaeTrainer::Impl {};

DeviceSaeTrainer::DeviceSaeTrainer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DeviceSaeTrainer::~DeviceSaeTrainer() = default;
Result<std::unique_ptr<DeviceSaeTrainer>> DeviceSaeTrainer::make(const SaeWeights&,
                                                                 const SaeOptions&, uint32_t) {
    return cuda_status().error();
}
Result<double> DeviceSaeTrainer::step(const float*, float) { return cuda_status().error(); }
Result<uint32_t> DeviceSaeTrainer::restart_dead(uint64_t) { return cuda_status().error(); }
Result<SaeWeights> DeviceSaeTrainer::weights() { return cuda_status().error(); }
void DeviceSaeTrainer::mark_silent(uint32_t, uint32_t) {}

}  // namespace s3attn

// What the driver says of the first CUDA card while something runs: looked up with NVML, which is
// loaded when it is there.
#pragma once

#include <cstdint>
#include <memory>

namespace s3attn {

class DeviceMonitor {
  public:
    // Begins to watch, unless `enabled` is false.
    explicit DeviceMonitor(bool enabled);
    ~DeviceMonitor();
    void stop();
    // After stop(): mean share of the time in which a kernel ran, 0 to 1; below 0 where the driver
    // does not tell or the run was too short.
    double utilization() const { return utilization_; }
    uint64_t most_memory() const { return most_memory_; }  // in use on the card, by all processes

  private:
    struct Watcher;
    std::unique_ptr<Watcher> watcher_;
    double utilization_ = -1;
    uint64_t most_memory_ = 0;
};

}  // namespace s3attn

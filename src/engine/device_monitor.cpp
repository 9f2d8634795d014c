#include "engine/device_monitor.h"

#include <dlfcn.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace s3attn {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(50);

// The few calls of nvml.h that are needed; the library comes with the driver.
using NvmlDevice = void*;
struct NvmlUtilization {
    unsigned gpu, memory;  // percent
};
struct NvmlMemory {
    unsigned long long total, free, used;
};

template <class F>
bool find(void* library, const char* name, F& function) {
    function = reinterpret_cast<F>(::dlsym(library, name));
    return function != nullptr;
}

class Nvml {
  public:
    Nvml() {
        library_ = ::dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library_ == nullptr) return;
        int (*init)() = nullptr;
        int (*handle)(unsigned, NvmlDevice*) = nullptr;
        works_ = find(library_, "nvmlInit_v2", init) &&
                 find(library_, "nvmlDeviceGetHandleByIndex_v2", handle) &&
                 find(library_, "nvmlShutdown", shutdown_) &&
                 find(library_, "nvmlDeviceGetUtilizationRates", utilization_) &&
                 find(library_, "nvmlDeviceGetMemoryInfo", memory_) && init() == 0;
        if (!works_) return;
        works_ = handle(0, &device_) == 0;
        if (!works_) shutdown_();
    }
    ~Nvml() {
        if (works_) shutdown_();
        if (library_ != nullptr) ::dlclose(library_);
    }
    Nvml(const Nvml&) = delete;
    Nvml& operator=(const Nvml&) = delete;

    bool works() const { return works_; }
    bool utilization(double& share) const {
        NvmlUtilization rates{};
        if (utilization_(device_, &rates) != 0) return false;
        share = rates.gpu / 100.0;
        return true;
    }
    uint64_t memory() const {
        NvmlMemory memory{};
        return memory_(device_, &memory) == 0 ? memory.used : 0;
    }

  private:
    void* library_ = nullptr;
    bool works_ = false;
    NvmlDevice device_ = nullptr;
    int (*shutdown_)() = nullptr;
    int (*utilization_)(NvmlDevice, NvmlUtilization*) = nullptr;
    int (*memory_)(NvmlDevice, NvmlMemory*) = nullptr;
};

}  // namespace

struct DeviceMonitor::Watcher {
    Nvml nvml;
    std::mutex mutex;
    std::condition_variable stopped;
    bool stop = false;
    double sum = 0;
    uint64_t samples = 0, memory = 0;
    std::thread thread;

    void watch() {
        std::unique_lock lock(mutex);
        // The driver's figure is a mean over some tenths of a second before: skip the first ones.
        for (int i = 0; !stopped.wait_for(lock, kInterval, [this] { return stop; }); ++i) {
            double share = 0;
            memory = std::max(memory, nvml.memory());
            if (i < 4 || !nvml.utilization(share)) continue;
            sum += share;
            ++samples;
        }
    }
};

DeviceMonitor::DeviceMonitor(bool enabled) {
    if (!enabled) return;
    watcher_ = std::make_unique<Watcher>();
    if (!watcher_->nvml.works()) return;
    watcher_->thread = std::thread([this] { watcher_->watch(); });
}

DeviceMonitor::~DeviceMonitor() { stop(); }

void DeviceMonitor::stop() {
    if (!watcher_) return;
    if (watcher_->thread.joinable()) {
        {
            const std::lock_guard lock(watcher_->mutex);
            watcher_->stop = true;
        }
        watcher_->stopped.notify_all();
        watcher_->thread.join();
        most_memory_ = watcher_->memory;
        if (watcher_->samples > 0) {
            utilization_ = watcher_->sum / static_cast<double>(watcher_->samples);
        }
    }
    watcher_.reset();
}

}  // namespace s3attn

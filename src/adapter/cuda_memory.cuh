// Owners of CUDA resources, and CUDA errors as Status.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <string>
#include <utility>

#include "s3attn/result.h"

namespace s3attn::gpu {

inline Status to_status(cudaError_t error, const char* what) {
    if (error == cudaSuccess) return {};
    static_cast<void>(cudaGetLastError());  // else the next call reports it again
    const bool memory = error == cudaErrorMemoryAllocation;
    return make_error(memory ? ErrorCode::kUnsupported : ErrorCode::kInternal,
                      std::string("CUDA: ") + what + ": " + cudaGetErrorString(error) +
                          (memory ? ". Compute on the processor, or free memory on the card." : ""));
}

// Device memory, or (kPinned) host memory that the device copies to by itself.
enum class Where { kDevice, kPinned };

template <class T>
class Buffer {
  public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          where_(other.where_) {}
    Buffer& operator=(Buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(where_, other.where_);
        return *this;
    }
    ~Buffer() { release(); }

    Status allocate(size_t n, Where where = Where::kDevice) {
        release();
        where_ = where;
        if (n == 0) return {};
        void* data = nullptr;
        const cudaError_t error = where == Where::kDevice ? cudaMalloc(&data, n * sizeof(T))
                                                          : cudaMallocHost(&data, n * sizeof(T));
        S3ATTN_CHECK(to_status(error, "no memory"));
        data_ = static_cast<T*>(data);
        size_ = n;
        return {};
    }
    // Only grows; what it held is lost.
    Status reserve(size_t n) { return n <= size_ ? Status{} : allocate(n, where_); }
    Status upload(const T* host, size_t n) {
        S3ATTN_CHECK(reserve(n));
        return to_status(cudaMemcpy(data_, host, n * sizeof(T), cudaMemcpyHostToDevice),
                         "copying to the device");
    }

    T* get() const { return data_; }
    size_t size() const { return size_; }
    size_t bytes() const { return size_ * sizeof(T); }

  private:
    void release() {
        if (data_ == nullptr) return;
        if (where_ == Where::kDevice) {
            cudaFree(data_);
        } else {
            cudaFreeHost(data_);
        }
        data_ = nullptr;
        size_ = 0;
    }
    T* data_ = nullptr;
    size_t size_ = 0;
    Where where_ = Where::kDevice;
};

class Stream {
  public:
    Stream() = default;
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    ~Stream() {
        if (stream_ != nullptr) cudaStreamDestroy(stream_);
    }
    Status make() {
        return to_status(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "no stream");
    }
    cudaStream_t get() const { return stream_; }
    Status wait() const { return to_status(cudaStreamSynchronize(stream_), "waiting"); }

  private:
    cudaStream_t stream_ = nullptr;
};

class Event {
  public:
    Event() = default;
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;
    ~Event() {
        if (event_ != nullptr) cudaEventDestroy(event_);
    }
    Status make() {
        return to_status(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "no event");
    }
    Status record(cudaStream_t stream) const {
        return to_status(cudaEventRecord(event_, stream), "recording an event");
    }
    Status wait() const { return to_status(cudaEventSynchronize(event_), "waiting"); }

  private:
    cudaEvent_t event_ = nullptr;
};

}  // namespace s3attn::gpu

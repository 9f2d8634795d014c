#include "engine/chunk_coder.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "adapter/device_encoder.h"
#include "adapter/encoder.h"
#include "adapter/silent_slot.h"
#include "base/guarded.h"
#include "base/timing.h"
#include "model/finite_rows.h"

namespace s3attn {
namespace {

class HostCoder final : public ChunkCoder {
  public:
    HostCoder(Scanner& scanner, const Adapter& adapter, uint32_t threads)
        : scanner_(scanner),
          adapter_(adapter),
          encoder_(adapter, threads),
          layers_(adapter.key_layers()) {}

    uint32_t batch_tokens() const override { return scanner_.chunk_tokens(); }

    Status submit(std::span<const int32_t> tokens) override {
        CodeBatch& codes = codes_.emplace_back();
        codes.n_tokens = static_cast<uint32_t>(tokens.size());
        codes.n_slots = static_cast<uint32_t>(adapter_.slots.size());
        codes.k = adapter_.k;
        codes.feature.assign(tokens.size() * codes.n_slots * codes.k, 0);
        codes.activation.assign(codes.feature.size(), 0);
        const Stopwatch scan_watch;
        double encode_ms = 0;
        const auto encode = [&](const ProjectionView& keys) -> Status {
            const Stopwatch watch;
            for (uint32_t slot = 0; slot < adapter_.slots.size(); ++slot) {
                if (adapter_.slots[slot].layer != keys.layer) continue;
                S3ATTN_CHECK(check_finite(keys, adapter_.slots[slot].kv_head));
                const RowsView rows{keys.data + adapter_.slots[slot].kv_head * keys.head_stride,
                                    keys.n_tokens, keys.d_head, keys.token_stride};
                encoder_.encode(slot, rows, codes);
            }
            encode_ms += watch.milliseconds();
            return {};
        };
        S3ATTN_CHECK(scanner_.capture(tokens, layers_, Projection::kKey, encode));
        timings_ms_["encode"] += encode_ms;
        timings_ms_["scan"] += scan_watch.milliseconds() - encode_ms;
        return {};
    }

    Result<const CodeBatch*> take(bool) override {
        if (codes_.empty()) return static_cast<const CodeBatch*>(nullptr);
        taken_ = std::move(codes_.front());
        codes_.pop_front();
        return static_cast<const CodeBatch*>(&taken_);
    }

    std::map<std::string, double> timings_ms() const override { return timings_ms_; }

  private:
    Scanner& scanner_;
    const Adapter& adapter_;
    KeyEncoder encoder_;
    std::vector<uint32_t> layers_;
    std::deque<CodeBatch> codes_;
    CodeBatch taken_;
    std::map<std::string, double> timings_ms_;
};

class DeviceCoder final : public ChunkCoder {
  public:
    DeviceCoder(Scanner& scanner, const Adapter& adapter, std::unique_ptr<DeviceKeyEncoder> encoder)
        : scanner_(scanner),
          adapter_(adapter),
          encoder_(std::move(encoder)),
          layers_(adapter.key_layers()),
          worker_([this] { work(); }) {}

    ~DeviceCoder() override {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        changed_.notify_all();
        worker_.join();
    }

    uint32_t batch_tokens() const override {
        return scanner_.chunk_tokens() * scanner_.device_chunks();
    }

    Status submit(std::span<const int32_t> tokens) override {
        std::unique_lock lock(mutex_);
        // Enough to keep the worker busy, little enough to be interrupted soon.
        changed_.wait(lock, [&] { return jobs_.size() < kMaxWaiting || !error_.ok(); });
        S3ATTN_CHECK(error_);
        jobs_.emplace_back(tokens.begin(), tokens.end());
        ++pending_;
        changed_.notify_all();
        return {};
    }

    Result<const CodeBatch*> take(bool wait) override {
        std::unique_lock lock(mutex_);
        if (wait) {
            changed_.wait(lock, [&] { return !done_.empty() || pending_ == 0 || !error_.ok(); });
        }
        S3ATTN_CHECK(error_);
        if (done_.empty()) return static_cast<const CodeBatch*>(nullptr);
        taken_ = std::move(done_.front());
        done_.pop_front();
        --pending_;
        return static_cast<const CodeBatch*>(&taken_);
    }

    std::map<std::string, double> timings_ms() const override {
        const std::lock_guard lock(mutex_);
        return {{"scan", scan_ms_}, {"encode", wait_ms_}};
    }

  private:
    static constexpr size_t kMaxWaiting = 3;

    void work();
    Status scan(const std::vector<int32_t>& tokens);
    Status collect();

    Scanner& scanner_;
    const Adapter& adapter_;
    std::unique_ptr<DeviceKeyEncoder> encoder_;
    std::vector<uint32_t> layers_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::vector<int32_t>> jobs_;
    std::deque<CodeBatch> done_;
    size_t pending_ = 0;  // submitted, not taken
    bool stop_ = false;
    Status error_;
    double scan_ms_ = 0, wait_ms_ = 0;
    CodeBatch taken_;
    std::thread worker_;  // last: it uses all of the above
};

Status DeviceCoder::scan(const std::vector<int32_t>& tokens) {
    const Stopwatch watch;
    double wait_ms = 0;
    const auto sink = [&](const ProjectionView& keys) -> Status {
        const Stopwatch waiting;
        DeviceKeys device;
        device.data = keys.data;
        device.n_tokens = keys.n_tokens;
        device.n_sequences = keys.n_sequences;
        device.token_stride = keys.token_stride;
        device.head_stride = keys.head_stride;
        device.sequence_stride = keys.sequence_stride;
        const Status added = encoder_->add(keys.layer, device);
        wait_ms += waiting.milliseconds();
        return added;
    };
    S3ATTN_CHECK(encoder_->begin(static_cast<uint32_t>(tokens.size())));
    S3ATTN_CHECK(scanner_.capture_on_device(tokens, layers_, sink));
    S3ATTN_CHECK(encoder_->end());
    const std::lock_guard lock(mutex_);
    scan_ms_ += watch.milliseconds() - wait_ms;
    wait_ms_ += wait_ms;
    return {};
}

Status DeviceCoder::collect() {
    CodeBatch codes;
    S3ATTN_CHECK(encoder_->take(codes));
    if (const auto slot = silent_slot(codes, scanner_.chunk_tokens())) {
        const KeySlot& silent = adapter_.slots[*slot];
        return not_finite(Projection::kKey, silent.layer, silent.kv_head);
    }
    const std::lock_guard lock(mutex_);
    done_.push_back(std::move(codes));
    changed_.notify_all();
    return {};
}

// Codes of a batch are taken when the next one's passes are done, or when no next one waits.
void DeviceCoder::work() {
    size_t under_way = 0;
    for (;;) {
        std::vector<int32_t> tokens;
        {
            std::unique_lock lock(mutex_);
            if (under_way == 0) changed_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
            if (stop_) return;
            if (!jobs_.empty()) {
                tokens = std::move(jobs_.front());
                jobs_.pop_front();
                changed_.notify_all();
            }
        }
        Status status;
        if (!tokens.empty()) {
            status = guarded([&] { return scan(tokens); });
            if (status.ok()) ++under_way;
        }
        if (status.ok() && (under_way == 2 || tokens.empty())) {
            status = guarded([&] { return collect(); });
            --under_way;
        }
        if (status.ok()) continue;
        const std::lock_guard lock(mutex_);
        error_ = status;
        changed_.notify_all();
        return;
    }
}

}  // namespace

std::unique_ptr<ChunkCoder> make_host_coder(Scanner& scanner, const Adapter& adapter,
                                            uint32_t threads) {
    return std::make_unique<HostCoder>(scanner, adapter, threads);
}

Result<std::unique_ptr<ChunkCoder>> make_device_coder(Scanner& scanner, const Adapter& adapter) {
    const uint32_t tokens = scanner.chunk_tokens() * scanner.device_chunks();
    S3ATTN_TRY(auto encoder, DeviceKeyEncoder::make(adapter, tokens));
    try {
        return std::unique_ptr<ChunkCoder>(
            std::make_unique<DeviceCoder>(scanner, adapter, std::move(encoder)));
    } catch (const std::system_error& e) {
        return make_error(ErrorCode::kIo,
                          std::string("the system gives no thread to scan with: ") + e.what());
    }
}

}  // namespace s3attn

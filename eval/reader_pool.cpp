#include "eval/reader_pool.h"

#include <algorithm>
#include <fstream>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "base/parallel.h"
#include "base/timing.h"
#include "eval/remote_as_local.h"
#include "remote/reader_url.h"

namespace s3attn::eval {
namespace {

constexpr uint32_t kWidestWindow = 32768;        // without --reader-context
constexpr uint64_t kReaderBytes = 300ull << 20;  // of a context besides its cache

uint64_t available_memory() {
    std::ifstream file("/proc/meminfo");
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("MemAvailable:")) return std::stoull(line.substr(13)) * 1024;
    }
    return 0;
}

}  // namespace

Status ReaderPool::choose(const EngineOptions& engine, ChatTemplate chat_template) {
    options_.model_path = engine.reader.empty() ? engine.model : engine.reader;
    if (is_reader_url(options_.model_path)) {
        remote_ = engine;
        options_.context_tokens = engine.reader_context;
        return {};
    }
    S3ATTN_TRY(info_, read_model_info(options_.model_path));
    options_.context_tokens = engine.reader_context;
    options_.device = engine.device;
    S3ATTN_TRY(options_.chat_template, chat_template_in_use(options_.model_path, chat_template));
    if (engine.reader_context == 0) {
        const uint32_t trained = info_.n_ctx_train;
        options_.context_tokens = trained == 0 ? 8192 : std::min(trained, kWidestWindow);
    }
    return {};
}

Status ReaderPool::open(size_t questions, uint32_t parallel, uint32_t threads) {
    if (remote_) {
        const Stopwatch connecting;
        n_ = std::clamp<size_t>(parallel, 1, std::max<size_t>(questions, 1));
        for (size_t i = 0; i < n_ && questions > 0; ++i) {
            S3ATTN_TRY(std::unique_ptr<LocalReader> opened, open_remote_as_local(*remote_));
            readers_.push_back(std::move(opened));
            if (i == 0) load_seconds_ = connecting.seconds();
        }
        return {};
    }
    const uint32_t cores = threads != 0 ? threads : available_threads();
    // Keys and values in 16 bits. The weights are mapped, and so shared.
    const uint64_t cache =
        uint64_t{4} * info_.n_layer * info_.n_head_kv * info_.d_head * options_.context_tokens;
    const uint64_t fit = available_memory() / 10 * 7 / (cache + kReaderBytes);
    uint64_t n = parallel == 0 ? std::min<uint64_t>(cores, std::max<uint64_t>(fit, 1)) : parallel;
    n = std::clamp<uint64_t>(n, 1, std::max<size_t>(questions, 1));
    options_.threads = std::max<uint32_t>(cores / static_cast<uint32_t>(n), 1);
    const Stopwatch watch;
    for (uint64_t i = 0; i < n && questions > 0; ++i) {
        S3ATTN_TRY(std::unique_ptr<LocalReader> opened, open_llama_reader(options_));
        readers_.push_back(std::move(opened));
        if (i == 0) load_seconds_ = watch.seconds();
    }
    n_ = readers_.size();
    return {};
}

Status ReaderPool::run(const std::function<Status(std::unique_ptr<LocalReader>)>& work,
                       const std::function<void()>& stop) {
    std::mutex mutex;
    std::optional<Error> first;
    const auto fail = [&](Error error) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::move(error);
        stop();
    };
    std::vector<std::thread> threads;
    for (auto& reader : readers_) {
        try {
            threads.emplace_back([&, own = std::move(reader)]() mutable {
                const Status status = work(std::move(own));
                if (!status.ok()) fail(status.error());
            });
        } catch (const std::system_error& e) {
            fail(make_error(ErrorCode::kIo, std::string("the system gives no more threads (") +
                                                e.what() + "): pass a smaller --parallel"));
            break;
        }
    }
    for (std::thread& thread : threads) thread.join();
    readers_.clear();
    if (first) return *first;
    return {};
}

}  // namespace s3attn::eval

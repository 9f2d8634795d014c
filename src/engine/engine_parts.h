// What an Engine is made from. Engine::open() makes the parts from files; tests give it fakes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "adapter/adapter.h"
#include "base/cancellable_lock.h"
#include "engine/context_stage.h"
#include "engine/dense_voice.h"
#include "model/language_model.h"
#include "s3attn/engine.h"
#include "s3attn/reader.h"
#include "s3attn/result.h"

namespace s3attn {

struct EngineParts {
    ModelInfo model;  // that scans
    std::shared_ptr<const Adapter> adapter;
    Device device = Device::kCpu;
    uint32_t threads = 0;
    uint32_t chunk_tokens = 0;  // 0: the store's
    // A scanner of the model, of this many tokens a pass.
    std::function<Result<std::unique_ptr<Scanner>>(uint32_t chunk_tokens, ProgressSink* sink,
                                                   const CancelToken* cancel)>
        open_scanner;
    std::function<Result<std::unique_ptr<Reader>>(const CancelToken* cancel)> open_reader;
    RerankOptions rerank;
    // The second stage; null: none.
    std::function<Result<std::unique_ptr<ContextStage>>()> open_stage;
    OpenEmbedder open_embedder;  // of the voice "dense"; null: none
};

std::unique_ptr<Engine> make_engine(EngineParts parts);

// What scans with one chunk size: kept from call to call, once it is known to fit the adapter.
class ScannerSlot {
  public:
    // `parts` must outlive the slot.
    explicit ScannerSlot(const EngineParts& parts) : parts_(parts) {}
    // 0 chunk_tokens: whichever is open. kMismatch, each time, when the model's file is no longer
    // the one that the adapter was made for.
    Result<std::shared_ptr<Scanner>> get(uint32_t chunk_tokens, ProgressSink* sink,
                                         const CancelToken* cancel);

  private:
    const EngineParts& parts_;
    std::timed_mutex mutex_;
    std::shared_ptr<Scanner> scanner_;
};

// The second stage, looked for by the first search that wants it.
class StageSlot {
  public:
    explicit StageSlot(const EngineParts& parts) : parts_(parts) {}
    // Null where there is none; `why` then says why.
    ContextStage* get(std::string& why);

  private:
    const EngineParts& parts_;
    std::mutex mutex_;
    bool looked_ = false;
    std::string why_;
    std::unique_ptr<ContextStage> stage_;
};

// The reader, loaded by the first answer.
class ReaderSlot {
  public:
    explicit ReaderSlot(const EngineParts& parts) : parts_(parts) {}
    // One caller at a time has the reader; the others wait until it is given back, or `cancel`.
    struct Held {
        CancellableLock lock;
        Reader* reader = nullptr;
    };
    Result<Held> hold(const CancelToken* cancel);

  private:
    const EngineParts& parts_;
    std::timed_mutex reader_mutex_;
    std::unique_ptr<Reader> reader_;
};

}  // namespace s3attn

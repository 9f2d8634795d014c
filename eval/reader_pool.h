// The readers of a run: one a thread, as many as cores and memory allow.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "model/reader.h"
#include "s3attn/engine.h"
#include "s3attn/result.h"

namespace s3attn::eval {

class ReaderPool {
  public:
    // Which reader, how wide a window, and which template: the header and vocabulary are read.
    Status choose(const EngineOptions& engine, ChatTemplate chat_template);
    // `questions` that are open; `parallel` 0: as many readers as fit, and none without a question.
    Status open(size_t questions, uint32_t parallel, uint32_t threads);
    // Gives every reader to a thread of its own and waits for them. The first error ends the run:
    // `stop` is called once it is there, so that the other threads find nothing left to do.
    Status run(const std::function<Status(std::unique_ptr<LocalReader>)>& work,
               const std::function<void()>& stop);

    const LocalReaderOptions& options() const { return options_; }
    size_t size() const { return n_; }
    double load_seconds() const { return load_seconds_; }  // of the first

  private:
    LocalReaderOptions options_;
    std::optional<EngineOptions> remote_;  // of a reader behind a server
    ModelInfo info_;
    std::vector<std::unique_ptr<LocalReader>> readers_;
    size_t n_ = 0;
    double load_seconds_ = 0;
};

}  // namespace s3attn::eval

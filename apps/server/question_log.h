// A log of questions, kept only where the person who runs the server asks for it.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "base/owned_file.h"
#include "json/result_json.h"
#include "s3attn/result.h"

namespace s3attn::server {

using apps::Json;

// One JSON object a line, in the order of their ends. Any thread may write.
class QuestionLog {
  public:
    QuestionLog() = default;
    // Goes on with a file that is there.
    Status open(const std::string& file);
    bool on() const { return descriptor_.open(); }
    // Puts "time" in front. A full disk loses the line, not the answer.
    void write(const Json& entry);
    // The lines behind the first `after` of those that `wanted` takes, at most `most`.
    Result<std::string> lines(uint64_t after, uint64_t most,
                              const std::function<bool(const Json&)>& wanted) const;

  private:
    std::string file_;
    Descriptor descriptor_;
    std::mutex mutex_;
};

}  // namespace s3attn::server

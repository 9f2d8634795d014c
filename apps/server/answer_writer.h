// How one answer is written for its client: as a whole, or as server-sent events. Each format that
// clients speak is one of these.
#pragma once

#include <string>

#include "errors.h"
#include "questions.h"

namespace s3attn::server {

// One server-sent event; `event` may be null.
std::string sse(const char* event, const Json& data);

class AnswerWriter {
  public:
    virtual ~AnswerWriter() = default;
    // The parts of a stream, in this order; a failure may stand in the place of any.
    virtual std::string begin(const Found& found) = 0;
    virtual std::string piece(const std::string& text) = 0;
    // `stopped`: at a stop text of the client.
    virtual std::string end(const AnswerEvent& done, bool stopped) = 0;
    virtual std::string fail(const Failure& failure) = 0;

    virtual Json whole(const AnswerEvent& done, const std::string& text, bool stopped) = 0;
};

}  // namespace s3attn::server

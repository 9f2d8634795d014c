// An answer of chat completions on its way, streamed or whole, from bytes to pieces.
#pragma once

#include <cstddef>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/timing.h"
#include "remote/event_stream.h"
#include "s3attn/reader.h"

namespace s3attn {

// Errors say what the server did ("it sends ..."); whoever knows its address puts it in front.
class ChatAnswer {
  public:
    using OnPiece = std::function<bool(std::string_view)>;
    // An answer of more than `most_bytes` is ended.
    ChatAnswer(const OnPiece& on_piece, size_t most_bytes)
        : on_piece_(on_piece), most_bytes_(most_bytes) {}

    // Bytes of an answer with status 200. False: no more are wanted.
    bool take(const std::string& content_type, std::string_view bytes);
    // After the last byte; `broken`: why the connection ended early, or empty. What came is kept,
    // with a note where it is not all; an error where nothing came.
    Result<GenerateResult> finish(const std::string& broken);
    // What came before the caller's cancel; an error where nothing had.
    Result<GenerateResult> finish_cancelled();
    // The server answers with an event stream that holds nothing at all, as some do where a request
    // is wrong; asked without a stream they say what is.
    bool empty_stream(const std::string& content_type, const std::string& broken) const;
    void note(std::string text) { result_.notes.push_back(std::move(text)); }

  private:
    Result<bool> take_event(const std::string& data);
    Status take_json(const nlohmann::json& json, const char* holder);
    void take_usage(const nlohmann::json& json);
    void take_piece(const std::string& piece);
    void take_reason(const std::string& reason);
    Status take_whole();

    const OnPiece& on_piece_;
    size_t most_bytes_ = 0;
    Stopwatch watch_{};
    EventStream events_{};
    GenerateResult result_{};
    size_t bytes_ = 0;
    std::string content_type_{};
    std::string whole_{};  // of a server that does not stream
    bool streams_ = false, wanted_ = true, finished_ = false, whole_too_long_ = false;
    bool thought_ = false;  // it wrote something that is no answer
    std::optional<Error> error_{};
};

}  // namespace s3attn

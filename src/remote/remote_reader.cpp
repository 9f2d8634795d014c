#include "remote/remote_reader.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "base/timing.h"
#include "remote/event_stream.h"
#include "remote/http_call.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

using Json = nlohmann::json;
constexpr int64_t kMostWait = 60;       // seconds that a busy server may ask for
constexpr size_t kBytesPerToken = 64;   // an answer of more bytes than that per token is ended
constexpr uint32_t kMessageTokens = 8;  // what a template adds to each message, at most

std::string lower(std::string text) {
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    return text;
}

// What a server says of an error: {"error": {"message"}}, {"error": ""}, {"message"}, {"detail"}.
std::string message_of(const std::string& body) {
    const Json json = Json::parse(body, nullptr, false);
    if (json.is_object()) {
        for (const char* field : {"error", "message", "detail"}) {
            const auto found = json.find(field);
            if (found == json.end() || found->is_null()) continue;
            if (found->is_string()) return found->get<std::string>();
            if (found->is_object() && found->contains("message") &&
                (*found)["message"].is_string()) {
                return (*found)["message"].get<std::string>();
            }
            return found->dump().substr(0, 300);
        }
    }
    std::string text = body.substr(0, 200);
    for (char& c : text) c = static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    return text;
}

bool is_too_long(const std::string& message) {
    const std::string text = lower(message);
    for (const char* sign : {"context length", "context_length", "context window", "context size",
                             "too long", "maximum context", "too many tokens", "over_window",
                             "reader's window", "exceeds the available"}) {
        if (text.find(sign) != std::string::npos) return true;
    }
    return false;
}

// The text of a choice, whole or a piece of it.
std::string content_of(const Json& choice, const char* holder) {
    const auto message = choice.find(holder);
    if (message == choice.end() || !message->is_object()) return {};
    const auto content = message->find("content");
    return content != message->end() && content->is_string() ? content->get<std::string>() : "";
}

class RemoteReader final : public Reader {
  public:
    RemoteReader(ReaderUrl url, RemoteOptions options, CountText count)
        : url_(std::move(url)), options_(std::move(options)), count_(std::move(count)) {
        info_.kind = "openai";
        info_.count_margin = kRemoteCountMargin;
        info_.window_tokens = options_.window_tokens;
    }

    Status connect(const CancelToken* cancel);
    Result<std::vector<std::string>> models(const CancelToken* cancel);

    const ReaderInfo& info() const override { return info_; }
    Result<uint32_t> count(std::string_view text) const override { return count_(text); }
    Result<uint32_t> count_chat(std::span<const ChatTurn> messages) const override {
        uint64_t tokens = 0;
        for (const ChatTurn& message : messages) {
            S3ATTN_TRY(const uint32_t more, count_(message.text));
            tokens += more + kMessageTokens;
        }
        return static_cast<uint32_t>(std::min<uint64_t>(tokens, UINT32_MAX));
    }
    Result<GenerateResult> chat(std::span<const ChatTurn> messages, const GenerateOptions& options,
                                const std::function<bool(std::string_view)>& on_piece) override;

  private:
    // Of one answer on its way.
    struct Answer {
        const std::function<bool(std::string_view)>& on_piece;
        size_t most_bytes = 0;
        Stopwatch watch{};
        EventStream events{};
        GenerateResult result{};
        size_t bytes = 0;
        std::string whole{};  // of a server that does not stream
        bool wanted = true, finished = false;
        std::optional<Error> error{};
    };
    HttpRequest request(const std::string& path, const CancelToken* cancel) const;
    Result<HttpAnswer> call_patiently(HttpRequest& request, Json& body, Answer& answer);
    bool amend(const std::string& message, Json& body) const;
    Result<bool> take_event(const std::string& data, Answer& answer) const;
    Status take_json(const Json& json, const char* holder, Answer& answer) const;
    Error failure(const HttpAnswer& answer) const;
    Error about(ErrorCode code, const std::string& what) const;
    std::string without_key(std::string text) const;

    ReaderUrl url_;
    RemoteOptions options_;
    CountText count_;
    ReaderInfo info_;
    HttpClient client_;
};

// No message may show the key, though the server may.
std::string RemoteReader::without_key(std::string text) const {
    if (options_.key.empty()) return text;
    for (size_t at; (at = text.find(options_.key)) != std::string::npos;) {
        text.replace(at, options_.key.size(), "(key)");
        if (options_.key.find("(key)") != std::string::npos) break;
    }
    return text;
}

Error RemoteReader::about(ErrorCode code, const std::string& what) const {
    return make_error(code, without_key("the reader at " + url_.base + ": " + what));
}

Error RemoteReader::failure(const HttpAnswer& answer) const {
    const std::string status = std::to_string(answer.status);
    if (answer.status >= 300 && answer.status < 400) {
        return about(ErrorCode::kInvalidArgument,
                     "it sends callers on to " + answer.location +
                         "; the passages are not sent there unasked: name that address");
    }
    std::string said = message_of(answer.body);
    if (lower(answer.content_type).find("html") != std::string::npos || said.starts_with('<')) {
        said = "a web page came instead of JSON; does the address end in /v1?";
    }
    if (answer.status == 401 || answer.status == 403) {
        return about(ErrorCode::kInvalidArgument, "it refuses the key (" + status + "): " + said);
    }
    if (is_too_long(said)) {
        Error error =
            about(ErrorCode::kInvalidArgument, "the question is too long for it: " + said);
        error.reason = reason::kBudgetLarge;
        error.subject = "budget";
        return error;
    }
    if (answer.status == 404) {
        return about(ErrorCode::kNotFound, "it does not know the model '" + info_.name +
                                               "' or the address (404): " + said);
    }
    if (answer.status == 429 || answer.status == 503) {
        const std::string wait =
            answer.retry_after < 0
                ? ""
                : "; it asks to wait " + std::to_string(answer.retry_after) + " s";
        return about(ErrorCode::kBusy, "it is too busy (" + status + "): " + said + wait);
    }
    const bool ours = answer.status >= 400 && answer.status < 500;
    return about(ours ? ErrorCode::kInvalidArgument : ErrorCode::kIo,
                 "it answers with status " + status + ": " + said);
}

HttpRequest RemoteReader::request(const std::string& path, const CancelToken* cancel) const {
    HttpRequest request;
    request.url = url_.base + path;
    request.key = options_.key;
    request.connect_seconds = options_.connect_seconds;
    request.idle_seconds = options_.idle_seconds;
    request.cancel = cancel;
    return request;
}

Result<std::vector<std::string>> RemoteReader::models(const CancelToken* cancel) {
    std::string body;
    HttpRequest asked = request("/models", cancel);
    asked.most_bytes = 4u << 20;
    auto answer = client_.call(asked, [&](const HttpAnswer&, std::string_view bytes) {
        body += bytes;
        return true;
    });
    if (!answer.ok()) {
        if (answer.error().code == ErrorCode::kCancelled) return answer.error();
        return about(ErrorCode::kIo, answer.error().message);
    }
    if (!answer->broken.empty()) return about(ErrorCode::kIo, answer->broken);
    if (answer->status != 200) return failure(*answer);
    const Json json = Json::parse(body, nullptr, false);
    const auto data = json.is_object() ? json.find("data") : json.end();
    if (!json.is_object() || data == json.end() || !data->is_array()) {
        answer->body = body;
        const bool page = body.find('<') != std::string::npos;
        return about(ErrorCode::kCorrupt,
                     page ? "a web page came instead of a list of models; does the address end in "
                            "/v1?"
                          : "its list of models cannot be read");
    }
    std::vector<std::string> names;
    for (const Json& model : *data) {
        if (!model.is_object() || !model.contains("id") || !model["id"].is_string()) continue;
        names.push_back(model["id"].get<std::string>());
        const Json window = model.value("max_model_len", Json());
        if (names.back() == url_.model && window.is_number_unsigned()) {
            info_.window_tokens = std::min<uint32_t>(window.get<uint32_t>(), 1u << 20);
        }
    }
    return names;
}

Status RemoteReader::connect(const CancelToken* cancel) {
    auto names = models(cancel);
    if (!names.ok()) {
        // Some servers have no list; one that is named may be there all the same.
        const bool silent = names.error().code == ErrorCode::kNotFound;
        if (!silent || url_.model.empty()) return names.error();
        names = std::vector<std::string>{url_.model};
    }
    std::string list;
    for (const std::string& name : *names) list += (list.empty() ? "" : ", ") + name;
    if (url_.model.empty()) {
        if (names->size() != 1) {
            return about(ErrorCode::kInvalidArgument,
                         names->empty() ? "it has no model"
                                        : "it has several models; name one behind a #: " + list);
        }
        url_.model = names->front();
    }
    // Ollama says "llama3.1:latest" of what is asked for as "llama3.1".
    const bool known = std::any_of(names->begin(), names->end(), [this](const std::string& name) {
        return name == url_.model || name.starts_with(url_.model + ":");
    });
    if (!known && !names->empty()) {
        return about(ErrorCode::kNotFound, "it has no model '" + url_.model + "'; it has: " + list);
    }
    info_.name = url_.model;
    return {};
}

Status RemoteReader::take_json(const Json& json, const char* holder, Answer& answer) const {
    if (json.contains("error") && !json["error"].is_null()) {
        return about(ErrorCode::kIo, message_of(json.dump()));
    }
    if (json.contains("usage") && json["usage"].is_object()) {
        const Json& usage = json["usage"];
        const auto number = [&](const char* name) {
            const Json value = usage.value(name, Json());
            return value.is_number_unsigned() ? value.get<uint32_t>() : 0u;
        };
        if (number("prompt_tokens") > 0) answer.result.prompt_tokens = number("prompt_tokens");
        if (number("completion_tokens") > 0) {
            answer.result.generated_tokens = number("completion_tokens");
        }
    }
    const auto choices = json.find("choices");
    if (choices == json.end() || !choices->is_array() || choices->empty()) return {};
    const Json& choice = choices->front();
    if (!choice.is_object()) return {};
    const std::string piece = content_of(choice, holder);
    if (!piece.empty()) {
        if (answer.bytes == 0) answer.result.first_token_ms = answer.watch.milliseconds();
        answer.bytes += piece.size();
        ++answer.result.generated_tokens;
        answer.wanted = answer.on_piece(piece);
        if (answer.bytes > answer.most_bytes) {
            answer.wanted = false;
            answer.finished = true;
            answer.result.finish = FinishReason::kLength;
            answer.result.notes.push_back(
                "the reader's server went on beyond what was asked for, and was stopped");
        }
    }
    const Json reason = choice.value("finish_reason", Json());
    if (reason.is_string()) {
        answer.finished = true;
        if (reason == "length") answer.result.finish = FinishReason::kLength;
    }
    return {};
}

Result<bool> RemoteReader::take_event(const std::string& data, Answer& answer) const {
    if (data == "[DONE]") {
        answer.finished = true;
        return true;
    }
    const Json json = Json::parse(data, nullptr, false);
    if (!json.is_object()) {
        return about(ErrorCode::kCorrupt, "it sends an event that is no JSON object");
    }
    S3ATTN_CHECK(take_json(json, "delta", answer));
    return answer.wanted;
}

// Fields that not every server knows are left out or named otherwise when it says so.
bool RemoteReader::amend(const std::string& message, Json& body) const {
    if (message.find("max_completion_tokens") != std::string::npos && body.contains("max_tokens")) {
        body["max_completion_tokens"] = body["max_tokens"];
        body.erase("max_tokens");
        return true;
    }
    for (const char* field : {"stream_options", "seed", "temperature"}) {
        if (message.find(field) == std::string::npos || !body.contains(field)) continue;
        body.erase(field);
        return true;
    }
    return false;
}

Result<HttpAnswer> RemoteReader::call_patiently(HttpRequest& asked, Json& body, Answer& answer) {
    const auto on_data = [&](const HttpAnswer& head, std::string_view bytes) {
        if (lower(head.content_type).find("event-stream") == std::string::npos) {
            answer.whole += bytes;
            return answer.whole.size() <= EventStream::kMostBytes;
        }
        const auto more = answer.events.feed(
            bytes, [&](const std::string& data) { return take_event(data, answer); });
        if (!more.ok()) answer.error = more.error();
        return more.ok() && *more;
    };
    uint32_t tries = 0;
    for (;;) {
        asked.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
        S3ATTN_TRY(HttpAnswer got, client_.call(asked, on_data));
        if (got.status == 400 && amend(message_of(got.body), body)) continue;
        const bool busy = got.status == 429 || got.status == 503;
        if (!busy || tries >= options_.retries || got.retry_after > kMostWait) return got;
        const int64_t wait = got.retry_after >= 0 ? got.retry_after : int64_t{1} << tries;
        ++tries;
        const Stopwatch watch;
        while (watch.seconds() < static_cast<double>(wait)) {
            if (asked.cancel != nullptr && asked.cancel->cancelled()) {
                return make_error(ErrorCode::kCancelled, "interrupted");
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    }
}

Result<GenerateResult> RemoteReader::chat(std::span<const ChatTurn> messages,
                                          const GenerateOptions& options,
                                          const std::function<bool(std::string_view)>& on_piece) {
    Json body = {{"model", url_.model},
                 {"stream", true},
                 {"stream_options", {{"include_usage", true}}},
                 {"max_tokens", options.max_tokens},
                 {"temperature", options.temperature},
                 {"seed", options.seed},
                 {"messages", Json::array()}};
    for (const ChatTurn& message : messages) {
        body["messages"].push_back({{"role", message.role}, {"content", message.text}});
    }
    Answer answer{on_piece, options.max_tokens * kBytesPerToken + 4096};
    HttpRequest asked = request("/chat/completions", options.cancel);
    auto called = call_patiently(asked, body, answer);
    answer.result.total_ms = answer.watch.milliseconds();
    const bool any = answer.bytes > 0;
    if (!called.ok()) {
        if (called.error().code != ErrorCode::kCancelled) {
            return about(called.error().code, called.error().message);
        }
        if (!any) return called.error();
        answer.result.finish = FinishReason::kCancelled;
        return answer.result;
    }
    if (called->status != 200) return failure(*called);
    if (!answer.whole.empty()) {
        const Json json = Json::parse(answer.whole, nullptr, false);
        if (!json.is_object()) {
            const bool page = answer.whole.find('<') != std::string::npos;
            return about(ErrorCode::kCorrupt, page ? "a web page came instead of an answer; does "
                                                     "the address end in /v1?"
                                                   : "its answer is no JSON object");
        }
        S3ATTN_CHECK(take_json(json, "message", answer));
        answer.finished = true;
    } else if (!answer.error && answer.wanted && called->broken.empty()) {
        const auto last =
            answer.events.finish([&](const std::string& data) { return take_event(data, answer); });
        if (!last.ok()) answer.error = last.error();
    }
    if (!answer.wanted && answer.result.finish == FinishReason::kStop && !answer.finished) {
        answer.result.finish = FinishReason::kCancelled;
        return answer.result;
    }
    std::string broken = called->broken;
    if (answer.error) broken = answer.error->message;
    if (broken.empty() && !answer.finished) broken = "it ended without saying that it had";
    if (broken.empty() || answer.finished) return answer.result;
    if (answer.bytes == 0) return answer.error ? *answer.error : about(ErrorCode::kIo, broken);
    answer.result.notes.push_back(
        without_key("the answer is not whole: the reader's server broke off (" + broken + ")"));
    return answer.result;
}

Result<std::unique_ptr<RemoteReader>> make_reader(const std::string& text,
                                                  const RemoteOptions& options, CountText count) {
    S3ATTN_TRY(ReaderUrl url, parse_reader_url(text));
    if (options.offline) {
        return make_error(
            ErrorCode::kInvalidArgument, reason::kOffline, "reader",
            "nothing may leave this machine, and the reader " + url.base + " is behind a server");
    }
    for (const char c : options.key) {
        if (static_cast<unsigned char>(c) > ' ' && static_cast<unsigned char>(c) < 0x7F) continue;
        return make_error(ErrorCode::kInvalidArgument,
                          "the reader's key has white space or other characters in it that no key "
                          "has: is it the right file?");
    }
    return std::make_unique<RemoteReader>(std::move(url), options, std::move(count));
}

}  // namespace

Result<std::unique_ptr<Reader>> open_remote_reader(const std::string& url,
                                                   const RemoteOptions& options, CountText count,
                                                   const CancelToken* cancel) {
    S3ATTN_TRY(std::unique_ptr<RemoteReader> reader, make_reader(url, options, std::move(count)));
    S3ATTN_CHECK(reader->connect(cancel));
    return std::unique_ptr<Reader>(std::move(reader));
}

Result<std::vector<std::string>> list_remote_models(const std::string& url,
                                                    const RemoteOptions& options,
                                                    const CancelToken* cancel) {
    S3ATTN_TRY(std::unique_ptr<RemoteReader> reader, make_reader(url, options, nullptr));
    return reader->models(cancel);
}

}  // namespace s3attn

#include "remote/remote_reader.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/timing.h"
#include "remote/chat_answer.h"
#include "remote/http_call.h"
#include "remote/server_words.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

using Json = nlohmann::json;
constexpr int64_t kMostWait = 60;       // seconds that a busy server may ask for
constexpr size_t kBytesPerToken = 64;   // an answer of more bytes than that per token is ended
constexpr uint32_t kMessageTokens = 8;  // what a template adds to each message, at most

// Fields that not every server knows are left out or named otherwise when it says so.
bool amend(const std::string& message, Json& body) {
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
    HttpRequest request(const std::string& path, const CancelToken* cancel) const;
    Result<HttpAnswer> call_patiently(HttpRequest& request, Json& body, ChatAnswer& answer);
    Error failure(const HttpAnswer& answer) const;
    Error about(ErrorCode code, const std::string& what) const;
    Error about(Error error) const;
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

Error RemoteReader::about(Error error) const {
    Error named = about(error.code, error.message);
    named.reason = error.reason;
    named.subject = error.subject;
    return named;
}

Error RemoteReader::failure(const HttpAnswer& answer) const {
    const std::string status = std::to_string(answer.status);
    if (answer.status >= 300 && answer.status < 400) {
        return about(ErrorCode::kInvalidArgument,
                     answer.location.empty()
                         ? "it sends callers on (" + status + ") and does not say where to"
                         : "it sends callers on to " + answer.location +
                               "; the passages are not sent there unasked: name that address");
    }
    const std::string said = is_web_page(answer.content_type, answer.body)
                                 ? "a web page came instead of JSON; does the address end in /v1?"
                                 : server_message(answer.body);
    if (answer.status == 401 || answer.status == 403) {
        return about(ErrorCode::kInvalidArgument,
                     (options_.key.empty() ? "it asks for a key (" : "it refuses the key (") +
                         status + "): " + said);
    }
    if (answer.status == 407) {
        return about(ErrorCode::kIo, "the proxy on the way asks for a name and a password (407)");
    }
    if (answer.status == 429 || answer.status == 503) {
        const std::string wait =
            answer.retry_after < 0
                ? ""
                : "; it asks to wait " + std::to_string(answer.retry_after) + " s";
        return about(ErrorCode::kBusy, "it is too busy (" + status + "): " + said + wait);
    }
    if (answer.status == 413 || says_too_long(answer.body)) {
        Error error =
            about(ErrorCode::kInvalidArgument, "the question is too long for it: " + said);
        error.reason = reason::kBudgetLarge;
        error.subject = "budget";
        return error;
    }
    if (answer.status == 404) {
        const std::string model = info_.name.empty() ? url_.model : info_.name;
        return about(ErrorCode::kNotFound,
                     "it does not know " +
                         (model.empty() ? std::string() : "the model '" + model + "' or ") +
                         "the address (404): " + said);
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
        const bool page = is_web_page(answer->content_type, body);
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

Result<HttpAnswer> RemoteReader::call_patiently(HttpRequest& asked, Json& body,
                                                ChatAnswer& answer) {
    const auto on_data = [&](const HttpAnswer& head, std::string_view bytes) {
        return answer.take(head.content_type, bytes);
    };
    uint32_t tries = 0;
    for (;;) {
        asked.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
        S3ATTN_TRY(HttpAnswer got, client_.call(asked, on_data));
        const bool malformed = got.status == 400 || got.status == 422;
        if (malformed && amend(server_message(got.body), body)) continue;
        const bool busy = got.status == 429 || got.status == 503;
        if (!busy || tries >= options_.retries || got.retry_after > kMostWait) return got;
        const int64_t wait = got.retry_after >= 0 ? got.retry_after : int64_t{1} << tries;
        if (tries++ == 0) answer.note("the reader's server was busy, and was asked again");
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
    ChatAnswer answer(on_piece, options.max_tokens * kBytesPerToken + 4096);
    HttpRequest asked = request("/chat/completions", options.cancel);
    auto called = call_patiently(asked, body, answer);
    if (called.ok() && called->status == 200 &&
        answer.empty_stream(called->content_type, called->broken)) {
        body.erase("stream");
        body.erase("stream_options");
        called = call_patiently(asked, body, answer);
    }
    const bool cancelled = !called.ok() && called.error().code == ErrorCode::kCancelled;
    if (!called.ok() && !cancelled) return about(called.error());
    if (!cancelled && called->status != 200) return failure(*called);
    auto result = cancelled ? answer.finish_cancelled() : answer.finish(called->broken);
    if (!result.ok()) return cancelled ? result.error() : about(result.error());
    for (std::string& note : result->notes) note = without_key(std::move(note));
    return result;
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

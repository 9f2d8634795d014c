#include "remote/chat_answer.h"

#include <nlohmann/json.hpp>

#include "remote/server_words.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

using Json = nlohmann::json;

// The text in a field of a choice's message, whole or a piece of it.
std::string text_in(const Json& choice, const char* holder, const char* field) {
    const auto message = choice.find(holder);
    if (message == choice.end() || !message->is_object()) return {};
    const auto content = message->find(field);
    return content != message->end() && content->is_string() ? content->get<std::string>() : "";
}

bool is_event_stream(const std::string& content_type) {
    return lower_ascii(content_type).find("event-stream") != std::string::npos;
}

}  // namespace

bool ChatAnswer::take(const std::string& content_type, std::string_view bytes) {
    content_type_ = content_type;
    streams_ = is_event_stream(content_type);
    if (!streams_) {
        whole_ += bytes;
        whole_too_long_ = whole_.size() > EventStream::kMostBytes;
        return !whole_too_long_;
    }
    const auto more =
        events_.feed(bytes, [this](const std::string& data) { return take_event(data); });
    if (!more.ok()) error_ = more.error();
    return more.ok() && *more;
}

void ChatAnswer::take_usage(const Json& json) {
    const auto usage = json.find("usage");
    if (usage == json.end() || !usage->is_object()) return;
    const auto number = [&](const char* name) {
        const Json value = usage->value(name, Json());
        return value.is_number_unsigned() ? value.get<uint32_t>() : 0u;
    };
    if (number("prompt_tokens") > 0) result_.prompt_tokens = number("prompt_tokens");
    if (number("completion_tokens") > 0) result_.generated_tokens = number("completion_tokens");
}

void ChatAnswer::take_piece(const std::string& piece) {
    if (bytes_ == 0) result_.first_token_ms = watch_.milliseconds();
    bytes_ += piece.size();
    ++result_.generated_tokens;
    wanted_ = on_piece_(piece);
    if (bytes_ <= most_bytes_) return;
    wanted_ = false;
    finished_ = true;
    result_.finish = FinishReason::kLength;
    note("the reader's server went on beyond what was asked for, and was stopped");
}

void ChatAnswer::take_reason(const std::string& reason) {
    finished_ = true;
    if (reason == "length") {
        result_.finish = FinishReason::kLength;
    } else if (reason != "stop") {
        note("the reader's server ended the answer (" + server_message(reason) + ")");
    }
}

Status ChatAnswer::take_json(const Json& json, const char* holder) {
    if (json.contains("error") && !json["error"].is_null()) {
        const std::string body = json.dump(-1, ' ', false, Json::error_handler_t::replace);
        Error error = make_error(ErrorCode::kIo, server_message(body));
        if (says_too_long(body)) {
            error.code = ErrorCode::kInvalidArgument;
            error.reason = reason::kBudgetLarge;
            error.subject = "budget";
        }
        return error;
    }
    take_usage(json);
    const auto choices = json.find("choices");
    if (choices == json.end() || !choices->is_array() || choices->empty()) return {};
    const Json& choice = choices->front();
    if (!choice.is_object()) return {};
    const std::string piece = text_in(choice, holder, "content");
    if (!piece.empty()) take_piece(piece);
    for (const char* field : {"reasoning_content", "reasoning"}) {
        thought_ |= !text_in(choice, holder, field).empty();
    }
    const Json reason = choice.value("finish_reason", Json());
    if (reason.is_string()) take_reason(reason.get<std::string>());
    return {};
}

Result<bool> ChatAnswer::take_event(const std::string& data) {
    if (data == "[DONE]") {
        finished_ = true;
        return true;
    }
    const Json json = Json::parse(data, nullptr, false);
    if (!json.is_object()) {
        return make_error(ErrorCode::kCorrupt, "it sends an event that is no JSON object");
    }
    S3ATTN_CHECK(take_json(json, "delta"));
    return wanted_;
}

Status ChatAnswer::take_whole() {
    if (is_web_page(content_type_, whole_)) {
        return make_error(ErrorCode::kCorrupt,
                          "a web page came instead of an answer; does the address end in /v1?");
    }
    if (whole_too_long_) {
        return make_error(
            ErrorCode::kCorrupt,
            "its answer is longer than " + std::to_string(EventStream::kMostBytes >> 20) + " MiB");
    }
    const Json json = Json::parse(whole_, nullptr, false);
    if (!json.is_object()) {
        return make_error(ErrorCode::kCorrupt, "its answer is no JSON object");
    }
    S3ATTN_CHECK(take_json(json, "message"));
    if (!json.contains("choices")) {
        return make_error(ErrorCode::kCorrupt,
                          "its answer is not one of chat completions (it has no \"choices\")");
    }
    finished_ = true;
    return {};
}

bool ChatAnswer::empty_stream(const std::string& content_type, const std::string& broken) const {
    const bool stream = streams_ || is_event_stream(content_type);
    return stream && broken.empty() && bytes_ == 0 && !finished_ && !thought_ && !error_ && wanted_;
}

Result<GenerateResult> ChatAnswer::finish(const std::string& broken) {
    result_.total_ms = watch_.milliseconds();
    if (!streams_ && (!whole_.empty() || broken.empty())) {
        if (const Status taken = take_whole(); !taken.ok()) {
            if (broken.empty()) return taken.error();
            return make_error(ErrorCode::kIo, broken);
        }
    } else if (!error_ && wanted_ && broken.empty()) {
        const auto last =
            events_.finish([this](const std::string& data) { return take_event(data); });
        if (!last.ok()) error_ = last.error();
    }
    if (!wanted_ && !finished_) {
        result_.finish = FinishReason::kCancelled;
        return result_;
    }
    std::string why = error_ ? error_->message : broken;
    if (why.empty() && !finished_) why = "it ended without saying that it had";
    if (why.empty() || finished_) {
        if (bytes_ == 0 && thought_) {
            note("the reader thought, and wrote no answer: it may need more tokens for it");
        }
        return result_;
    }
    if (bytes_ == 0) return error_ ? *error_ : make_error(ErrorCode::kIo, why);
    note("the answer is not whole: the reader's server broke off (" + why + ")");
    return result_;
}

Result<GenerateResult> ChatAnswer::finish_cancelled() {
    result_.total_ms = watch_.milliseconds();
    if (bytes_ == 0) return make_error(ErrorCode::kCancelled, "interrupted");
    result_.finish = FinishReason::kCancelled;
    return result_;
}

}  // namespace s3attn

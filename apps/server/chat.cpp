#include "chat.h"

#include <algorithm>
#include <atomic>
#include <ctime>

#include "fields.h"
#include "render.h"

namespace s3attn::server {
namespace {

constexpr size_t kMostMessages = 256;
constexpr size_t kMostStops = 4;

// A string, or OpenAI's list of parts of type text.
std::string content_of(const Json& message, const std::string& where, Fields& fields) {
    const auto content = message.find("content");
    if (content == message.end() || content->is_null()) return {};
    if (content->is_string()) return content->get<std::string>();
    std::string all;
    if (!content->is_array()) fields.fail(where, "must be a string or a list of parts");
    for (size_t i = 0; content->is_array() && i < content->size(); ++i) {
        const Json& part = (*content)[i];
        const bool is_text = part.is_object() && part.contains("type") && part["type"] == "text" &&
                             part.contains("text") && part["text"].is_string();
        if (!is_text) {
            fields.fail(where, "has a part that is not text; only text can be read");
            return {};
        }
        all += (all.empty() ? "" : "\n") + part["text"].get<std::string>();
    }
    return all;
}

void read_messages(Fields& fields, Question& question) {
    const Json* messages = fields.find("messages");
    if (messages == nullptr || !messages->is_array() || messages->empty()) {
        fields.fail("messages", "must be a list with at least one message");
        return;
    }
    if (messages->size() > kMostMessages) fields.fail("messages", "has more than 256 messages");
    std::vector<ChatTurn> turns;
    for (size_t i = 0; i < messages->size() && !fields.failure(); ++i) {
        const Json& message = (*messages)[i];
        const std::string where = "messages[" + std::to_string(i) + "]";
        if (!message.is_object() || !message.contains("role") || !message["role"].is_string()) {
            fields.fail(where, "must be an object with a role and a content");
            return;
        }
        std::string role = message["role"].get<std::string>();
        if (role == "developer") role = "system";
        if (role != "system" && role != "user" && role != "assistant") {
            fields.fail(where + ".role", "must be one of: system, developer, user, assistant");
            return;
        }
        turns.push_back({role, content_of(message, where + ".content", fields)});
    }
    const auto last = std::find_if(turns.rbegin(), turns.rend(), [](const ChatTurn& turn) {
        return turn.role == "user" &&
               turn.text.find_first_not_of(" \t\r\n\v\f") != std::string::npos;
    });
    if (fields.failure()) return;
    if (last == turns.rend()) {
        fields.fail("messages", "must hold a user message that is not empty: it is the question");
        return;
    }
    question.text = last->text;
    // What comes after the question (an answer begun, say) cannot be context for it.
    question.history.assign(turns.begin(), last.base() - 1);
    std::erase_if(question.history, [](const ChatTurn& turn) { return turn.text.empty(); });
}

size_t possible_begin(const std::string& text, const std::string& stop) {
    for (size_t n = std::min(stop.size() - 1, text.size()); n > 0; --n) {
        if (text.compare(text.size() - n, n, stop, 0, n) == 0) return n;
    }
    return 0;
}

std::string new_id() {
    static std::atomic<uint64_t> next{1};
    return "chatcmpl-" + std::to_string(std::time(nullptr)) + "-" + std::to_string(next++);
}

Json usage_json(const AskResult& result) {
    return {{"prompt_tokens", result.prompt_tokens},
            {"completion_tokens", result.answer_tokens},
            {"total_tokens", result.prompt_tokens + result.answer_tokens}};
}

}  // namespace

void read_search_fields(Fields& fields, SearchOptions& options) {
    options.method = fields.one_of("method", {"s3", "bm25", "hybrid"}, "hybrid");
    options.budget_tokens =
        static_cast<uint32_t>(fields.integer("budget_tokens", options.budget_tokens, 1, 1 << 20));
    options.max_spans = static_cast<uint32_t>(fields.integer("max_spans", 0, 0, 10000));
    options.attention = fields.flag("attention");
}

Outcome<ChatRequest> read_chat_request(const Service& service, const Json& body) {
    ChatRequest request;
    Fields fields(body);
    read_messages(fields, request.question);
    AskOptions& options = request.question.options;
    read_search_fields(fields, options.search);
    request.attention = options.search.attention;
    request.evidence = fields.flag("evidence") || request.attention;
    request.stream = fields.flag("stream");
    if (const Json* stream = fields.find("stream_options"); stream != nullptr) {
        if (!stream->is_object()) fields.fail("stream_options", "must be an object");
        Fields inner(*stream);
        if (stream->is_object()) request.include_usage = inner.flag("include_usage");
        if (inner.failure()) fields.fail("stream_options", "is wrong inside");
    }
    options.temperature = static_cast<float>(fields.number("temperature", 0, 0, 10));
    options.seed = static_cast<uint32_t>(fields.integer("seed", 1, INT32_MIN, int64_t{UINT32_MAX}));
    const int64_t old_name = fields.integer("max_tokens", options.max_answer_tokens, 1, 1 << 16);
    options.max_answer_tokens =
        static_cast<uint32_t>(fields.integer("max_completion_tokens", old_name, 1, 1 << 16));
    if (fields.integer("n", 1, 1, 128) != 1) fields.fail("n", "must be 1: one answer a request");
    request.stop = fields.texts("stop");
    if (request.stop.size() > kMostStops) fields.fail("stop", "has more than four texts");
    std::erase(request.stop, "");
    const std::string model = fields.text("model");
    const std::vector<std::string> stores = fields.texts("store");
    if (fields.failure()) return *fields.failure();

    const auto reader = service.choose_reader(model);
    if (const auto* failure = std::get_if<Failure>(&reader)) return *failure;
    request.question.reader = std::get<size_t>(reader);
    const auto chosen = service.choose_stores(stores);
    if (const auto* failure = std::get_if<Failure>(&chosen)) return *failure;
    request.question.stores = std::get<std::vector<size_t>>(chosen);
    return request;
}

std::string StopTexts::feed(std::string_view piece) {
    for (const char c : piece) {
        if (stopped_) return {};
        held_ += c;
        size_t longest = 0;
        for (const std::string& stop : texts_) {
            if (held_.ends_with(stop)) longest = std::max(longest, stop.size());
        }
        if (longest == 0) continue;
        stopped_ = true;
        return held_.substr(0, held_.size() - longest);
    }
    size_t keep = 0;
    for (const std::string& stop : texts_) keep = std::max(keep, possible_begin(held_, stop));
    std::string out = held_.substr(0, held_.size() - keep);
    held_.erase(0, out.size());
    return out;
}

std::string StopTexts::finish() { return stopped_ ? std::string() : std::move(held_); }

ChatWriter::ChatWriter(const Service& service, const ChatRequest& request)
    : service_(service), request_(request), id_(new_id()), created_(std::time(nullptr)) {}

Json ChatWriter::head(const char* object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", service_.readers()[request_.question.reader].name}};
}

Json ChatWriter::chunk(const std::string& text, bool first) const {
    Json delta = first ? Json{{"role", "assistant"}} : Json::object();
    delta["content"] = text;
    Json json = head("chat.completion.chunk");
    json["choices"] = {{{"index", 0}, {"delta", delta}, {"finish_reason", nullptr}}};
    return json;
}

Json ChatWriter::evidence_chunk(const Found& found) const {
    Json json = chunk("", true);
    json["evidence"] = found_json(service_, found, {});
    if (request_.attention) json["attention"] = attention_json(service_, found);
    return json;
}

void ChatWriter::add_rest(const AnswerEvent& done, Json& json) const {
    json["citations"] = citations_json(service_, *done.found, done.result);
    json["evidence_found"] = done.found->result.evidence_found;
    json["retrieval_question"] = done.found->result.question;
    json["timings_ms"] = {{"retrieval", done.retrieval_ms},
                          {"first_token", done.ttft_ms},
                          {"engine_first_token", done.retrieval_ms + done.result.ttft_ms}};
}

namespace {

const char* finish_reason(const AnswerEvent& done, bool stopped) {
    return done.result.stopped_at_limit && !stopped ? "length" : "stop";
}

}  // namespace

Json ChatWriter::last_chunk(const AnswerEvent& done, bool stopped) const {
    Json json = head("chat.completion.chunk");
    json["choices"] = {
        {{"index", 0}, {"delta", Json::object()}, {"finish_reason", finish_reason(done, stopped)}}};
    add_rest(done, json);
    if (request_.evidence) json["numbers"] = done.result.numbers;
    return json;
}

Json ChatWriter::usage_chunk(const AnswerEvent& done) const {
    Json json = head("chat.completion.chunk");
    json["choices"] = Json::array();
    json["usage"] = usage_json(done.result);
    return json;
}

Json ChatWriter::whole(const AnswerEvent& done, const std::string& text, bool stopped) const {
    Json json = head("chat.completion");
    json["choices"] = {
        {{"index", 0},
         {"message", {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}}},
         {"logprobs", nullptr},
         {"finish_reason", finish_reason(done, stopped)}}};
    json["usage"] = usage_json(done.result);
    add_rest(done, json);
    if (request_.evidence) {
        json["evidence"] = found_json(service_, *done.found, done.result.numbers);
    }
    if (request_.attention) json["attention"] = attention_json(service_, *done.found);
    return json;
}

}  // namespace s3attn::server

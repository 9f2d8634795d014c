#include "chat.h"

#include <algorithm>
#include <atomic>
#include <ctime>

#include "fields.h"
#include "render.h"
#include "retrieve/mix.h"

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
        // What a tool of the client said belongs to the assistant's side of the conversation.
        if (role == "tool" || role == "function") role = "assistant";
        if (role != "system" && role != "user" && role != "assistant") {
            fields.fail(where + ".role",
                        "must be one of: system, developer, user, assistant, tool, function");
            return;
        }
        turns.push_back({role, content_of(message, where + ".content", fields)});
    }
    take_question(fields, "messages", std::move(turns), question);
}

// Fields of OpenAI's interface that would change the form of the answer, which is plain text here.
void refuse_other_forms(Fields& fields) {
    const Json* choice = fields.find("tool_choice");
    if (choice != nullptr && *choice != "none" && *choice != "auto") {
        fields.fail("tool_choice", "must be none or auto: no tools are called here");
    }
    const Json* call = fields.find("function_call");
    if (call != nullptr && *call != "none" && *call != "auto") {
        fields.fail("function_call", "must be none or auto: no functions are called here");
    }
    const Json* format = fields.find("response_format");
    if (format != nullptr &&
        !(format->is_object() && format->contains("type") && (*format)["type"] == "text")) {
        fields.fail("response_format", "must have the type text: answers are plain text here");
    }
    const Json* logprobs = fields.find("logprobs");
    if (logprobs != nullptr && *logprobs != false) {
        fields.fail("logprobs", "must be false: none are given here");
    }
    const Json* modalities = fields.find("modalities");
    if (modalities != nullptr && *modalities != Json::array({"text"})) {
        fields.fail("modalities", "must be [\"text\"]: answers are plain text here");
    }
}

size_t possible_begin(const std::string& text, const std::string& stop) {
    for (size_t n = std::min(stop.size() - 1, text.size()); n > 0; --n) {
        if (text.compare(text.size() - n, n, stop, 0, n) == 0) return n;
    }
    return 0;
}

Json usage_json(const AskResult& result) {
    return {{"prompt_tokens", result.prompt_tokens},
            {"completion_tokens", result.answer_tokens},
            {"total_tokens", result.prompt_tokens + result.answer_tokens}};
}

}  // namespace

std::string new_answer_id(const char* prefix) {
    static std::atomic<uint64_t> next{1};
    return prefix + std::to_string(std::time(nullptr)) + "-" + std::to_string(next++);
}

void take_question(Fields& fields, const char* field, std::vector<ChatTurn> turns,
                   Question& question) {
    if (fields.failure()) return;
    const auto last = std::find_if(turns.rbegin(), turns.rend(), [](const ChatTurn& turn) {
        return turn.role == "user" &&
               turn.text.find_first_not_of(" \t\r\n\v\f") != std::string::npos;
    });
    if (last == turns.rend()) {
        fields.fail(field, "must hold a user message that is not empty: it is the question");
        return;
    }
    question.text = last->text;
    // What comes after the question (an answer begun, say) cannot be context for it.
    question.history.assign(turns.begin(), last.base() - 1);
    std::erase_if(question.history, [](const ChatTurn& turn) { return turn.text.empty(); });
}

void note_ignored(const Json& body, const std::vector<const char*>& names, Json& adjusted) {
    Json ignored = Json::array();
    for (const char* name : names) {
        const auto value = body.find(name);
        if (value == body.end() || value->is_null() || value->empty() || *value == 0) continue;
        if (std::string_view(name) == "top_p" && *value == 1) continue;
        ignored.push_back(name);
    }
    if (!ignored.empty()) adjusted["ignored"] = std::move(ignored);
}

// Clients ask for -1 (no limit) or for what some large model could write: what can be written is.
uint32_t read_most_tokens(Fields& fields, const std::vector<const char*>& names,
                          const Service& service, Json& adjusted) {
    const int64_t most = std::max<int64_t>(64, service.questions().reader_window() / 2);
    constexpr int64_t kAny = int64_t{1} << 53;
    const auto there = std::find_if(names.begin(), names.end(),
                                    [&](const char* name) { return fields.find(name) != nullptr; });
    if (there == names.end()) return 0;  // what suits the reader
    const int64_t asked = fields.integer(*there, 0, -kAny, kAny);
    const int64_t used = asked < 1 || asked > most ? most : asked;
    if (used != asked) adjusted[*there] = {{"asked", asked}, {"used", used}};
    return static_cast<uint32_t>(used);
}

// "auto", "off", or how many units to read again.
std::optional<RerankOptions> read_rerank(Fields& fields, const RerankOptions& usual) {
    const Json* value = fields.find("rerank");
    if (value == nullptr) return std::nullopt;
    RerankOptions rerank = usual;
    if (value->is_number()) {
        rerank.mode = RerankOptions::Mode::kOn;
        rerank.units = static_cast<uint32_t>(fields.integer("rerank", 20, 2, 1000));
    } else if (*value == "auto" || *value == "off") {
        rerank.mode = *value == "auto" ? RerankOptions::Mode::kAuto : RerankOptions::Mode::kOff;
    } else {
        fields.fail("rerank", "must be \"auto\", \"off\" or a number of passages from 2 to 1000");
    }
    return rerank;
}

// "hybrid", one voice, or a mixture of voices with weights of the client's own.
std::string read_method(Fields& fields) {
    std::string method = fields.text("method", "hybrid");
    if (const Status status = check_method(method); !status.ok()) {
        fields.fail("method", "is not understood: " + status.error().message);
    }
    return method;
}

namespace {

// "where" as a list of conditions, or as an object of names and values.
std::vector<std::string> read_filter_conditions(Fields& fields) {
    const Json* value = fields.find("where");
    if (value == nullptr || !value->is_object()) return fields.texts("where");
    std::vector<std::string> conditions;
    for (const auto& [key, wanted] : value->items()) {
        if (!wanted.is_string() && !wanted.is_number() && !wanted.is_boolean()) {
            fields.fail("where", "must hold texts, as in {\"author\": \"Ada\"}");
            break;
        }
        conditions.push_back(key + "=" +
                             (wanted.is_string() ? wanted.get<std::string>() : wanted.dump()));
    }
    return conditions;
}

DocumentFilter read_filter(Fields& fields) {
    DocumentFilter filter;
    const Json* value = fields.find("filter");
    if (value == nullptr) return filter;
    if (!value->is_object()) {
        fields.fail("filter", "must be an object with in, type, after, before and where");
        return filter;
    }
    Fields inner(*value);
    for (const auto& [name, part] : value->items()) {
        if (name != "in" && name != "type" && name != "after" && name != "before" &&
            name != "where") {
            inner.fail(name, "is no part of a filter; they are in, type, after, before and where");
        }
    }
    filter.in = inner.texts("in");
    filter.types = inner.texts("type");
    filter.after = inner.text("after");
    filter.before = inner.text("before");
    filter.where = read_filter_conditions(inner);
    const Status status = inner.failure() ? Status() : check_filter(filter);
    if (inner.failure()) {
        fields.fail("filter", "is wrong: " + inner.failure()->message);
    } else if (!status.ok()) {
        fields.fail("filter", "is wrong: " + status.error().message);
    }
    return filter;
}

}  // namespace

void read_search_fields(const Service& service, Fields& fields, SearchOptions& options) {
    options.method = read_method(fields);
    options.budget_tokens =
        static_cast<uint32_t>(fields.integer("budget_tokens", options.budget_tokens, 1, 1 << 20));
    options.max_spans = static_cast<uint32_t>(fields.integer("max_spans", 0, 0, 10000));
    options.attention = fields.flag("attention");
    options.rerank = read_rerank(fields, service.questions().rerank());
    options.filter = read_filter(fields);
}

Outcome<ChatRequest> read_chat_request(const Service& service, const Access& access,
                                       const Json& body) {
    ChatRequest request;
    Fields fields(body);
    read_messages(fields, request.question);
    if (const Json* stream = fields.find("stream_options"); stream != nullptr) {
        if (!stream->is_object()) fields.fail("stream_options", "must be an object");
        Fields inner(*stream);
        if (stream->is_object()) request.include_usage = inner.flag("include_usage");
        if (inner.failure()) fields.fail("stream_options", "is wrong inside");
    }
    request.question.options.max_answer_tokens = read_most_tokens(
        fields, {"max_completion_tokens", "max_tokens"}, service, request.adjusted);
    refuse_other_forms(fields);
    note_ignored(body,
                 {"tools", "functions", "top_p", "presence_penalty", "frequency_penalty",
                  "logit_bias", "prediction", "reasoning_effort", "web_search_options"},
                 request.adjusted);
    if (fields.integer("n", 1, 1, 128) != 1) fields.fail("n", "must be 1: one answer a request");
    request.stop = fields.texts("stop");
    return finish_request(fields, service, access, std::move(request));
}

Outcome<ChatRequest> finish_request(Fields& fields, const Service& service, const Access& access,
                                    ChatRequest request) {
    AskOptions& options = request.question.options;
    read_search_fields(service, fields, options.search);
    request.attention = options.search.attention;
    request.evidence = fields.flag("evidence") || request.attention;
    request.stream = fields.flag("stream");
    options.temperature = static_cast<float>(fields.number("temperature", 0, 0, 10));
    options.seed = static_cast<uint32_t>(fields.integer("seed", 1, INT32_MIN, int64_t{UINT32_MAX}));
    options.withhold_below = fields.number("withhold_below", options.withhold_below, -1, 1);
    if (request.stop.size() > kMostStops) fields.fail("stop", "has more than four texts");
    std::erase(request.stop, "");
    const std::string model = fields.text("model");
    // OpenAI's own field of this name is a flag, whether to keep the answer; nothing is kept here.
    const Json* store = fields.find("store");
    const bool is_flag = store != nullptr && store->is_boolean();
    const auto stores = is_flag ? std::vector<std::string>() : fields.texts("store");
    options.history_tokens = static_cast<uint32_t>(
        fields.integer("history_tokens", options.history_tokens, 0, int64_t{1} << 20));
    if (fields.failure()) return *fields.failure();

    const auto reader = service.questions().choose_reader(model);
    if (const auto* failure = std::get_if<Failure>(&reader)) return *failure;
    request.question.reader = std::get<size_t>(reader);
    request.question.owner = access.name;
    if (request.question.documents) return request;
    const auto chosen = access.choose(service.stores(), stores);
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

void add_answer_fields(const Service& service, const ChatRequest& request, const AnswerEvent& done,
                       Json& json) {
    json["quote"] = found_json(service, *done.found, done.result.numbers)["quote"];
    json["answerable"] = done.result.answerable;
    json["withheld"] = done.result.withheld;
    json["sentences"] = apps::sentences_json(done.result);
    json["unfounded"] = apps::unfounded_json(done.result);
    if (!done.result.cut.empty()) json["cut"] = done.result.cut;
    if (!done.result.notes.empty()) json["notes"] = done.result.notes;
    json["citations"] = citations_json(service, *done.found, done.result);
    json["evidence_found"] = done.found->result.evidence_found;
    json["rerank"] = apps::to_json(done.found->result.rerank);
    Json adjusted = request.adjusted;
    if (done.result.history_left_out > 0) {
        adjusted["history_left_out"] = done.result.history_left_out;
    }
    if (!adjusted.empty()) json["adjusted"] = std::move(adjusted);
    json["retrieval_question"] = done.found->result.question;
    json["timings_ms"] = {{"retrieval", done.retrieval_ms},
                          {"first_token", done.ttft_ms},
                          {"engine_first_token", done.retrieval_ms + done.result.ttft_ms}};
}

void add_evidence_fields(const Service& service, const ChatRequest& request,
                         const AnswerEvent& done, Json& json) {
    if (request.evidence) json["evidence"] = found_json(service, *done.found, done.result.numbers);
    if (request.attention) json["attention"] = attention_json(service, *done.found);
}

namespace {

const char* finish_reason(const AnswerEvent& done, bool stopped) {
    return done.result.stopped_at_limit && !stopped ? "length" : "stop";
}

}  // namespace

ChatWriter::ChatWriter(const Service& service, const ChatRequest& request)
    : service_(service),
      request_(request),
      id_(new_answer_id("chatcmpl-")),
      created_(std::time(nullptr)) {}

Json ChatWriter::head(const char* object) const {
    return {{"id", id_},
            {"object", object},
            {"created", created_},
            {"model", service_.questions().readers()[request_.question.reader].name}};
}

Json ChatWriter::chunk(Json delta, const char* finish_reason) const {
    Json json = head("chat.completion.chunk");
    Json choice = {{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", nullptr}};
    if (finish_reason != nullptr) choice["finish_reason"] = finish_reason;
    json["choices"] = Json::array({std::move(choice)});
    return json;
}

std::string ChatWriter::begin(const Found& found) {
    Json json = chunk({{"role", "assistant"}, {"content", ""}});
    if (request_.evidence) json["evidence"] = found_json(service_, found, {});
    if (request_.attention) json["attention"] = attention_json(service_, found);
    return sse(nullptr, json);
}

std::string ChatWriter::piece(const std::string& text) {
    return sse(nullptr, chunk({{"content", text}}));
}

std::string ChatWriter::end(const AnswerEvent& done, bool stopped) {
    Json last = chunk(Json::object(), finish_reason(done, stopped));
    add_answer_fields(service_, request_, done, last);
    if (request_.evidence) last["numbers"] = done.result.numbers;
    std::string text = sse(nullptr, last);
    if (request_.include_usage) {
        Json usage = head("chat.completion.chunk");
        usage["choices"] = Json::array();
        usage["usage"] = usage_json(done.result);
        text += sse(nullptr, usage);
    }
    return text + "data: [DONE]\n\n";
}

std::string ChatWriter::fail(const Failure& failure) { return sse(nullptr, error_json(failure)); }

Json ChatWriter::whole(const AnswerEvent& done, const std::string& text, bool stopped) {
    Json json = head("chat.completion");
    json["choices"] = {
        {{"index", 0},
         {"message", {{"role", "assistant"}, {"content", text}, {"refusal", nullptr}}},
         {"logprobs", nullptr},
         {"finish_reason", finish_reason(done, stopped)}}};
    json["usage"] = usage_json(done.result);
    add_answer_fields(service_, request_, done, json);
    add_evidence_fields(service_, request_, done, json);
    return json;
}

}  // namespace s3attn::server

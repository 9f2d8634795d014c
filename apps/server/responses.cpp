#include "responses.h"

#include <algorithm>
#include <ctime>

#include "fields.h"
#include "inline_files.h"
#include "marks.h"
#include "render.h"

namespace s3attn::server {
namespace {

constexpr size_t kMostItems = 1024;

std::string text_field(const Json& object, const char* name) {
    const auto value = object.find(name);
    return value != object.end() && value->is_string() ? value->get<std::string>() : std::string();
}

// Reads `input`: what was said, and the files that came with it.
class InputReader {
  public:
    InputReader(Fields& fields, Json& adjusted) : fields_(fields), adjusted_(adjusted) {}

    void read(const Json& input) {
        if (input.is_string()) {
            turns.push_back({"user", input.get<std::string>()});
            return;
        }
        if (!input.is_array() || input.size() > kMostItems) {
            return fields_.fail("input", "must be a text, or a list of at most 1024 items");
        }
        for (size_t i = 0; i < input.size() && !fields_.failure(); ++i) {
            read_item(input[i], "input[" + std::to_string(i) + "]");
        }
    }

    std::vector<ChatTurn> turns;
    std::vector<InlineDocument> documents;

  private:
    void read_item(const Json& item, const std::string& where) {
        if (!item.is_object()) return fields_.fail(where, "must be an object");
        const std::string type = item.contains("type") ? text_field(item, "type") : "message";
        if (type == "message") return read_message(item, where);
        if (type == "function_call_output") {
            // What a tool of the client said belongs to the assistant's side of the conversation.
            turns.push_back({"assistant", text_field(item, "output")});
        } else if (type == "reasoning" || type == "function_call") {
            adjusted_["ignored_items"].push_back(where + " (" + type + ")");
        } else if (type == "item_reference") {
            fields_.fail(where, "is a reference: nothing is kept here, send the item itself");
        } else {
            fields_.fail(where + ".type",
                         "must be one of: message, function_call, function_call_output, reasoning");
        }
    }

    void read_message(const Json& item, const std::string& where) {
        std::string role = text_field(item, "role");
        if (role == "developer") role = "system";
        if (role != "system" && role != "user" && role != "assistant") {
            return fields_.fail(where + ".role",
                                "must be one of: system, developer, user, assistant");
        }
        const auto content = item.find("content");
        if (content == item.end()) return fields_.fail(where + ".content", "is missing");
        if (content->is_string()) {
            turns.push_back({role, content->get<std::string>()});
            return;
        }
        if (!content->is_array()) {
            return fields_.fail(where + ".content", "must be a text or a list of parts");
        }
        std::string all;
        for (size_t i = 0; i < content->size() && !fields_.failure(); ++i) {
            read_part((*content)[i], where + ".content[" + std::to_string(i) + "]", all);
        }
        turns.push_back({role, all});
    }

    void read_part(const Json& part, const std::string& where, std::string& all) {
        const std::string type = part.is_object() ? text_field(part, "type") : "";
        if (type == "input_text" || type == "output_text" || type == "text") {
            all += (all.empty() ? "" : "\n") + text_field(part, "text");
        } else if (type == "refusal") {
            all += text_field(part, "refusal");
        } else if (type == "input_file") {
            read_file(part, where);
        } else {
            fields_.fail(where, "is not a text or a file; nothing else can be read");
        }
    }

    // {"type": "input_file", "filename", "file_data": "data:TYPE;base64,..."}
    void read_file(const Json& part, const std::string& where) {
        if (!part.contains("file_data")) {
            return fields_.fail(where,
                                "must bring its bytes in file_data; no file is kept here, "
                                "and no address is fetched");
        }
        auto file = read_data_url(text_field(part, "file_data"), text_field(part, "filename"));
        if (const auto* problem = std::get_if<std::string>(&file)) {
            return fields_.fail(where, *problem);
        }
        documents.push_back(std::get<InlineDocument>(std::move(file)));
        documents.back().where = where;
    }

    Fields& fields_;
    Json& adjusted_;
};

// What would need something that was kept from before, or change the answer's form.
void refuse_others(Fields& fields) {
    for (const char* name : {"previous_response_id", "conversation", "prompt"}) {
        if (fields.find(name) == nullptr) continue;
        fields.fail(name, "is not taken: nothing is kept here; send the conversation in input");
    }
    if (fields.flag("background")) {
        fields.fail("background", "must be false: an answer is given to who waits for it");
    }
    const Json* choice = fields.find("tool_choice");
    if (choice != nullptr && *choice != "none" && *choice != "auto") {
        fields.fail("tool_choice", "must be none or auto: no tools are called here");
    }
    const Json* text = fields.find("text");
    if (text != nullptr && text->is_object() && text->contains("format")) {
        const Json& format = (*text)["format"];
        if (!format.is_object() || text_field(format, "type") != "text") {
            fields.fail("text.format", "must have the type text: answers are plain text here");
        }
    } else if (text != nullptr && !text->is_object()) {
        fields.fail("text", "must be an object");
    }
    if (fields.integer("top_logprobs", 0, 0, 20) != 0) {
        fields.fail("top_logprobs", "must be 0: none are given here");
    }
}

Json responses_usage(const AskResult& result) {
    return {{"input_tokens", result.prompt_tokens},
            {"input_tokens_details", {{"cached_tokens", 0}}},
            {"output_tokens", result.answer_tokens},
            {"output_tokens_details", {{"reasoning_tokens", 0}}},
            {"total_tokens", result.prompt_tokens + result.answer_tokens}};
}

// Where each citation's mark stands in the text, in characters; one without a mark stands at the
// end.
Json annotations_of(const Service& service, const AnswerEvent& done, const std::string& text) {
    Json all = Json::array();
    const Json citations = citations_json(service, *done.found, done.result);
    for (const Json& citation : citations) {
        const auto number = citation["number"].get<uint32_t>();
        std::vector<size_t> places = places_of_mark(text, number);
        if (places.empty()) places.push_back(count_characters(text));
        const std::string store = citation.value("store", std::string());
        for (const size_t place : places) {
            Json one = {{"type", "file_citation"},
                        {"file_id", store.empty() ? "inline" : store + "/"},
                        {"filename", citation["name"]},
                        {"index", place}};
            one["file_id"] = one["file_id"].get<std::string>() +
                             (store.empty() ? "/" + citation["document_index"].dump()
                                            : citation["doc_id"].dump());
            for (const auto& [name, value] : citation.items()) {
                if (!one.contains(name)) one[name] = value;
            }
            all.push_back(std::move(one));
        }
    }
    return all;
}

}  // namespace

Outcome<ChatRequest> read_responses_request(const Service& service, const Access& access,
                                            const Json& body) {
    ChatRequest request;
    Fields fields(body);
    InputReader input(fields, request.adjusted);
    const std::string instructions = fields.text("instructions");
    if (!instructions.empty()) input.turns.push_back({"system", instructions});
    if (const Json* given = fields.find("input"); given != nullptr) {
        input.read(*given);
    } else {
        fields.fail("input", "is missing: it is the question, or the conversation");
    }
    take_question(fields, "input", std::move(input.turns), request.question);
    refuse_others(fields);
    request.question.options.max_answer_tokens =
        read_most_tokens(fields, {"max_output_tokens"}, service, request.adjusted);
    note_ignored(body, {"tools", "top_p", "reasoning", "include", "max_tool_calls", "truncation"},
                 request.adjusted);
    request.stop = fields.texts("stop");
    if (!input.documents.empty()) {
        request.question.documents =
            std::make_shared<const std::vector<InlineDocument>>(std::move(input.documents));
    }
    return finish_request(fields, service, access, std::move(request));
}

ResponsesWriter::ResponsesWriter(const Service& service, const ChatRequest& request)
    : service_(service),
      request_(request),
      id_(new_answer_id("resp_")),
      message_id_(new_answer_id("msg_")),
      created_(std::time(nullptr)) {}

Json ResponsesWriter::response(const char* status) const {
    const uint32_t most = request_.question.options.max_answer_tokens;
    return {{"id", id_},
            {"object", "response"},
            {"created_at", created_},
            {"status", status},
            {"background", false},
            {"error", nullptr},
            {"incomplete_details", nullptr},
            {"instructions", nullptr},
            {"max_output_tokens", most > 0 ? Json(most) : Json()},
            {"model", service_.questions().readers()[request_.question.reader].name},
            {"output", Json::array()},
            {"parallel_tool_calls", false},
            {"previous_response_id", nullptr},
            {"store", false},
            {"temperature", request_.question.options.temperature},
            {"text", {{"format", {{"type", "text"}}}}},
            {"tool_choice", "none"},
            {"tools", Json::array()},
            {"top_p", 1},
            {"truncation", "disabled"},
            {"usage", nullptr},
            {"metadata", Json::object()}};
}

Json ResponsesWriter::message(const char* status, Json content) const {
    return {{"id", message_id_},
            {"type", "message"},
            {"status", status},
            {"role", "assistant"},
            {"content", std::move(content)}};
}

std::string ResponsesWriter::event(const char* type, Json fields) {
    Json json = {{"type", type}, {"sequence_number", sequence_++}};
    json.update(fields);
    return sse(type, json);
}

std::string ResponsesWriter::text_event(const char* type, Json fields) {
    Json json = {{"item_id", message_id_}, {"output_index", 0}, {"content_index", 0}};
    json.update(fields);
    return event(type, std::move(json));
}

namespace {

Json text_part(const std::string& text, Json annotations) {
    return {{"type", "output_text"},
            {"text", text},
            {"annotations", std::move(annotations)},
            {"logprobs", Json::array()}};
}

}  // namespace

std::string ResponsesWriter::begin(const Found&) {
    const Json started = {{"response", response("in_progress")}};
    std::string text = event("response.created", started);
    text += event("response.in_progress", started);
    text += event("response.output_item.added",
                  {{"output_index", 0}, {"item", message("in_progress", Json::array())}});
    text += text_event("response.content_part.added", {{"part", text_part("", Json::array())}});
    return text;
}

std::string ResponsesWriter::piece(const std::string& text) {
    text_ += text;
    return text_event("response.output_text.delta", {{"delta", text}, {"logprobs", Json::array()}});
}

Json ResponsesWriter::finished(const AnswerEvent& done, const std::string& text,
                               bool stopped) const {
    const bool cut = done.result.stopped_at_limit && !stopped;
    const char* status = cut ? "incomplete" : "completed";
    Json json = response(status);
    if (cut) json["incomplete_details"] = {{"reason", "max_output_tokens"}};
    json["output"] = Json::array(
        {message(status, Json::array({text_part(text, annotations_of(service_, done, text))}))});
    json["usage"] = responses_usage(done.result);
    add_answer_fields(service_, request_, done, json);
    add_evidence_fields(service_, request_, done, json);
    return json;
}

std::string ResponsesWriter::end(const AnswerEvent& done, bool stopped) {
    const Json last = finished(done, text_, stopped);
    const Json& item = last["output"][0];
    const Json& part = item["content"][0];
    std::string text;
    for (size_t i = 0; i < part["annotations"].size(); ++i) {
        text += text_event("response.output_text.annotation.added",
                           {{"annotation_index", i}, {"annotation", part["annotations"][i]}});
    }
    text += text_event("response.output_text.done", {{"text", text_}, {"logprobs", Json::array()}});
    text += text_event("response.content_part.done", {{"part", part}});
    text += event("response.output_item.done", {{"output_index", 0}, {"item", item}});
    const bool whole = last["status"] == "completed";
    return text + event(whole ? "response.completed" : "response.incomplete", {{"response", last}});
}

std::string ResponsesWriter::fail(const Failure& failure) {
    Json failed = response("failed");
    failed["error"] = {{"code", "server_error"}, {"message", failure.message}};
    return event("response.failed", {{"response", std::move(failed)}});
}

Json ResponsesWriter::whole(const AnswerEvent& done, const std::string& text, bool stopped) {
    return finished(done, text, stopped);
}

}  // namespace s3attn::server

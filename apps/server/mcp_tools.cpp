#include "mcp_tools.h"

#include <chrono>
#include <filesystem>

#include "chat.h"
#include "fields.h"
#include "render.h"
#include "uploads.h"

namespace s3attn::server {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

Json text_schema(const char* description) {
    return {{"type", "string"}, {"description", description}};
}
Json integer_schema(const char* description, int64_t least, int64_t fallback) {
    return {{"type", "integer"},
            {"minimum", least},
            {"default", fallback},
            {"description", description}};
}
Json object_schema(Json properties, Json required) {
    return {{"type", "object"},
            {"properties", std::move(properties)},
            {"required", std::move(required)}};
}
Json list_of(Json items) { return {{"type", "array"}, {"items", std::move(items)}}; }

Json place_properties() {
    return {{"store", {{"type", "string"}}},
            {"doc_id", {{"type", "integer"}}},
            {"name", {{"type", "string"}}},
            {"path", {{"type", "string"}}},
            {"byte_begin", {{"type", "integer"}}},
            {"byte_end", {{"type", "integer"}}},
            {"text", {{"type", "string"}}},
            {"heading", text_schema("title and headings above it: Title > Chapter > Section")},
            {"columns", text_schema("names of the columns of the table that its rows are of")}};
}

Json filter_schema() {
    const Json texts = list_of({{"type", "string"}});
    const auto list = [&](const char* description) {
        Json schema = texts;
        schema["description"] = description;
        return schema;
    };
    Json schema = object_schema(
        {{"in", list("globs of paths: *.md, notes/2021, reports/**")},
         {"type", list("formats: pdf, markdown, html, docx, mail ...")},
         {"after", text_schema("dated that day or later: 2021-05-03, 2021-05 or 2021")},
         {"before", text_schema("dated earlier than that day")},
         {"where", list("conditions on what documents say of themselves: author=Ada")}},
        Json::array());
    schema["description"] = "search only documents that pass every part given";
    return schema;
}

Json rerank_schema() {
    return {
        {"description",
         "read the best passages again, all in one context with the question: auto (where it "
         "is quick), off, or how many"},
        {"anyOf",
         {{{"enum", {"auto", "off"}}}, {{"type", "integer"}, {"minimum", 2}, {"maximum", 1000}}}},
        {"default", "auto"}};
}
Json rerank_report_schema() {
    return {{"type", "object"},
            {"properties",
             {{"done", {{"type", "boolean"}}},
              {"why", text_schema("where it was not done")},
              {"model", {{"type", "string"}}},
              {"units", {{"type", "integer"}}},
              {"tokens", {{"type", "integer"}}},
              {"milliseconds", {{"type", "number"}}}}},
            {"required", Json::array({"done"})}};
}

Json search_tool() {
    Json input = {
        {"question", text_schema("what you want to know, as a question")},
        {"store", text_schema("search only this store (default: all)")},
        {"method",
         {{"type", "string"},
          {"default", "hybrid"},
          {"description",
           "s3: the model's attention; bm25: shared words; hybrid: both; dense: an embedder's "
           "vectors, where the store has them; or a mixture, as sum(s3:4,bm25:1,dense:4)"}}},
        {"budget_tokens", integer_schema("most tokens of evidence", 1, 1024)},
        {"max_spans", integer_schema("most passages; 0: no limit", 0, 0)},
        {"rerank", rerank_schema()},
        {"filter", filter_schema()}};
    Json output = {{"evidence_found", {{"type", "boolean"}}},
                   {"rerank", rerank_report_schema()},
                   {"spans", list_of(object_schema(place_properties(), Json::array({"text"})))}};
    return {{"name", "search"},
            {"title", "Search documents"},
            {"description",
             "Passages of the indexed documents that bear on a question, best first, each with "
             "its file, line or page, byte range and text."},
            {"inputSchema", object_schema(std::move(input), Json::array({"question"}))},
            {"outputSchema",
             object_schema(std::move(output), Json::array({"evidence_found", "spans"}))},
            {"annotations", {{"readOnlyHint", true}, {"openWorldHint", false}}}};
}

Json ask_tool() {
    Json input = {{"question", text_schema("what you want to know, as a question")},
                  {"store", text_schema("search only this store (default: all)")},
                  {"model", text_schema("the model that answers (default: the server's first)")},
                  {"budget_tokens", integer_schema("most tokens of evidence", 1, 1024)},
                  {"max_tokens",
                   {{"type", "integer"},
                    {"minimum", 1},
                    {"description", "most tokens of the answer (default: what suits the model)"}}},
                  {"rerank", rerank_schema()},
                  {"filter", filter_schema()}};
    Json citation = place_properties();
    citation["number"] = {{"type", "integer"}};
    Json output = {{"answer", {{"type", "string"}}},
                   {"evidence_found", {{"type", "boolean"}}},
                   {"rerank", rerank_report_schema()},
                   {"citations", list_of(object_schema(citation, Json::array({"number"})))}};
    return {
        {"name", "ask"},
        {"title", "Ask the documents"},
        {"description",
         "A local model's answer to a question, from passages of the indexed documents, with "
         "the passages it rests on."},
        {"inputSchema", object_schema(std::move(input), Json::array({"question"}))},
        {"outputSchema", object_schema(std::move(output), Json::array({"answer", "citations"}))},
        {"annotations", {{"readOnlyHint", true}, {"openWorldHint", false}}}};
}

Json list_tool() {
    const Json document = object_schema({{"store", {{"type", "string"}}},
                                         {"doc_id", {{"type", "integer"}}},
                                         {"name", {{"type", "string"}}},
                                         {"tokens", {{"type", "integer"}}},
                                         {"complete", {{"type", "boolean"}}}},
                                        Json::array({"doc_id", "name"}));
    return {
        {"name", "list_documents"},
        {"title", "List documents"},
        {"description", "The documents that are indexed."},
        {"inputSchema",
         object_schema({{"store", text_schema("only this store (default: all)")}}, Json::array())},
        {"outputSchema",
         object_schema({{"documents", list_of(document)}}, Json::array({"documents"}))},
        {"annotations", {{"readOnlyHint", true}, {"openWorldHint", false}}}};
}

Json add_tool(bool local) {
    Json input = {{"name", text_schema("what the document is called, such as notes.md; a document "
                                       "of the same name is replaced")},
                  {"text", text_schema("the document's text (plain text, Markdown or HTML)")},
                  {"store", text_schema("where to (default: the first store)")},
                  {"wait_seconds", integer_schema("wait so long for it to be indexed", 0, 30)}};
    if (local) {
        input["path"] = text_schema(
            "instead of name and text: a file on this machine (text, "
            "Markdown, HTML, PDF, DOCX, EPUB)");
    }
    const Json output = {{"state", {{"type", "string"}}},
                         {"job", {{"type", "integer"}}},
                         {"doc_id", {{"type", "integer"}}},
                         {"name", {{"type", "string"}}}};
    return {{"name", "add_document"},
            {"title", "Add a document"},
            {"description",
             "Reads a document into a store. Long ones are read in the background (some 100,000 "
             "words a minute on a desktop) and can be asked about meanwhile."},
            {"inputSchema", object_schema(std::move(input),
                                          local ? Json::array() : Json::array({"name", "text"}))},
            {"outputSchema", object_schema(output, Json::array({"state", "job", "name"}))},
            {"annotations",
             {{"readOnlyHint", false},
              {"destructiveHint", true},
              {"idempotentHint", true},
              {"openWorldHint", false}}}};
}

Json failed(const Failure& failure) {
    return {{"content", Json::array({{{"type", "text"}, {"text", failure.message}}})},
            {"isError", true}};
}

// Agents read the text, programs the structure.
Json done(const std::string& text, Json structure) {
    return {{"content", Json::array({{{"type", "text"}, {"text", text}}})},
            {"structuredContent", std::move(structure)},
            {"isError", false}};
}

std::string place_text(const Json& place) {
    std::string text = place["name"].get<std::string>();
    if (place.contains("page")) {
        text += ", page " + place["page"].dump();
    } else {
        text += ", lines " + place["line_begin"].dump() + "-" + place["line_end"].dump();
    }
    text += ", bytes " + place["byte_begin"].dump() + "-" + place["byte_end"].dump();
    const std::string heading = place.value("heading", "");
    return heading.empty() ? text : text + ", in " + heading;
}

std::string quotes_text(const Json& places) {
    std::string text;
    for (size_t i = 0; i < places.size(); ++i) {
        const Json& place = places[i];
        const std::string number =
            place.contains("number") ? place["number"].dump() : std::to_string(i + 1);
        text += "[" + number + "] " + place_text(place) + "\n";
        if (place.contains("columns")) text += "columns: " + place.value("columns", "") + "\n";
        text += place["text"].get<std::string>() + "\n\n";
    }
    return text;
}

Failure taken_back() {
    return {503, "cancelled", "the client has gone or took the call back, or the server ends", "",
            0};
}

Json search(Service& service, const Json& arguments, const ToolContext& context) {
    Fields fields(arguments);
    const std::string question = fields.required_text("question");
    SearchOptions options;
    read_search_fields(service, fields, options);
    options.attention = false;
    const std::vector<std::string> names = fields.texts("store");
    if (fields.failure()) return failed(*fields.failure());
    const auto stores = context.access.choose(service.stores(), names);
    if (const auto* failure = std::get_if<Failure>(&stores)) return failed(*failure);
    context.progress(0, 1, "searching");
    const auto found = service.questions().search(std::get<std::vector<size_t>>(stores), question,
                                                  options, context.keep_going);
    if (const auto* failure = std::get_if<Failure>(&found)) return failed(*failure);
    Json json = found_json(service, std::get<Found>(found), {});
    if (service.question_log().on()) {
        service.question_log().write({{"key", context.access.name},
                                      {"via", "mcp search"},
                                      {"question", question},
                                      {"evidence_found", json["evidence_found"]},
                                      {"spans", json["spans"].size()}});
    }
    std::string text = quotes_text(json["spans"]);
    if (!json["evidence_found"].get<bool>()) {
        text = "The documents hold no evidence for this question; the nearest passages are:\n\n" +
               text;
    }
    return done(text, std::move(json));
}

Json ask(Service& service, const Json& arguments, const ToolContext& context) {
    Json body = arguments;
    Fields fields(arguments);
    const std::string question = fields.required_text("question");
    if (fields.failure()) return failed(*fields.failure());
    body["messages"] = Json::array({{{"role", "user"}, {"content", question}}});
    for (const char* field : {"stream", "stream_options", "stop", "n"}) body.erase(field);
    const auto request = read_chat_request(service, context.access, body);
    if (const auto* failure = std::get_if<Failure>(&request)) return failed(*failure);
    const auto asked = service.questions().ask(std::get<ChatRequest>(request).question);
    if (const auto* failure = std::get_if<Failure>(&asked)) return failed(*failure);
    const auto& answering = std::get<std::shared_ptr<Answering>>(asked);
    context.progress(0, 0, "searching");
    double steps = 0;  // pieces of the answer; nobody knows how many there will be
    while (context.keep_going()) {
        const auto event = answering->next(milliseconds(50));
        if (!event) continue;
        if (event->kind == AnswerEvent::Kind::kFailed) return failed(event->failure);
        if (event->kind != AnswerEvent::Kind::kDone) {
            context.progress(++steps, 0, event->found ? "reading the evidence" : "answering");
            continue;
        }
        Json json = {{"answer", event->result.answer},
                     {"quote", found_json(service, *event->found, event->result.numbers)["quote"]},
                     {"withheld", event->result.withheld},
                     {"sentences", apps::sentences_json(event->result)},
                     {"unfounded", apps::unfounded_json(event->result)},
                     {"evidence_found", event->found->result.evidence_found},
                     {"rerank", apps::to_json(event->found->result.rerank)},
                     {"citations", citations_json(service, *event->found, event->result)}};
        if (service.question_log().on()) {
            Json entry = {{"key", context.access.name},
                          {"via", "mcp ask"},
                          {"question", question},
                          {"answer", event->result.answer},
                          {"evidence_found", json["evidence_found"]}};
            service.question_log().write(entry);
        }
        std::string text = event->result.answer;
        if (!json["quote"].is_null()) {
            text += "\n\nThe documents say: \"" + json["quote"]["text"].get<std::string>() +
                    "\" (" + place_text(json["quote"]) + ")";
        }
        if (!json["citations"].empty()) {
            text += "\n\nThe answer rests on:\n\n" + quotes_text(json["citations"]);
        }
        return done(text, std::move(json));
    }
    return failed(taken_back());
}

Json list_all(Service& service, const Json& arguments, const ToolContext& context) {
    Fields fields(arguments);
    const std::vector<std::string> names = fields.texts("store");
    if (fields.failure()) return failed(*fields.failure());
    const auto stores = context.access.choose(service.stores(), names);
    if (const auto* failure = std::get_if<Failure>(&stores)) return failed(*failure);
    Json documents = Json::array();
    std::string text;
    for (const size_t store : std::get<std::vector<size_t>>(stores)) {
        const auto listed = service.stores().documents(store);
        if (const auto* failure = std::get_if<Failure>(&listed)) return failed(*failure);
        for (const DocumentInfo& document : std::get<std::vector<DocumentInfo>>(listed)) {
            documents.push_back(document_json(service, store, document));
            text += documents.back()["name"].get<std::string>() + " (" +
                    std::to_string(document.tokens) + " tokens)\n";
        }
    }
    if (documents.empty()) text = "There are no documents yet; add_document adds one.";
    return done(text, {{"documents", std::move(documents)}});
}

// Has a file read that a local client names, or the text that it sends.
Outcome<ScanStatus> begin_to_add(Service& service, const ToolContext& context, Fields& fields) {
    const auto chosen = context.access.choose_to_write(service.stores(), fields.text("store"));
    if (const auto* failure = std::get_if<Failure>(&chosen)) return *failure;
    const size_t store = std::get<size_t>(chosen);
    const std::string path = context.local ? fields.text("path") : "";
    if (!path.empty()) {
        std::error_code error;
        const auto file = std::filesystem::weakly_canonical(path, error);
        if (error || !std::filesystem::is_regular_file(file, error)) {
            return bad_request("there is no file '" + path + "'", "path");
        }
        if (fields.failure()) return *fields.failure();
        return service.documents().add_file(store, file.filename().string(), file.string());
    }
    const std::string name = fields.required_text("name");
    const std::string text = fields.required_text("text");
    if (fields.failure()) return *fields.failure();
    const std::string problem = problem_of_name(name);
    if (!problem.empty()) return bad_request(problem, "name");
    const auto file = IncomingFile::create(service.stores().uploads_of(store));
    if (!file.ok()) return failure_of(file.error());
    const Status written = (*file)->write(text);
    if (!written.ok()) return failure_of(written.error());
    return service.documents().add_upload(store, name, **file);
}

Json add_document(Service& service, const Json& arguments, const ToolContext& context) {
    Fields fields(arguments);
    const int64_t wait_seconds = fields.integer("wait_seconds", 30, 0, 86400);
    const auto added = begin_to_add(service, context, fields);
    if (fields.failure()) return failed(*fields.failure());
    if (const auto* failure = std::get_if<Failure>(&added)) return failed(*failure);
    std::optional<ScanStatus> status = std::get<ScanStatus>(added);
    const auto until = Clock::now() + std::chrono::seconds(wait_seconds);
    while (!status->ended() && Clock::now() < until && context.keep_going()) {
        const auto newer = service.documents().jobs().wait(status->id, status->version, 100);
        if (!newer) break;
        status = newer;
        context.progress(static_cast<double>(status->progress.done),
                         static_cast<double>(status->progress.total), "reading " + status->name);
    }
    if (context.cancelled()) {
        service.documents().jobs().cancel(status->id);
        return failed(taken_back());
    }
    if (status->state == ScanStatus::State::kFailed) {
        return failed({422, "unreadable", status->error, "", 0});
    }
    Json json = scan_json(*status);
    json["job"] = json["id"];
    json.erase("id");
    std::string text = status->state == ScanStatus::State::kDone
                           ? "'" + status->name + "' is indexed."
                           : "'" + status->name + "' is being read in the background.";
    for (const std::string& note : status->notes) text += "\n" + note;
    return done(text, std::move(json));
}

}  // namespace

Json tool_list(bool local) {
    return Json::array({search_tool(), ask_tool(), list_tool(), add_tool(local)});
}

std::optional<Json> run_tool(Service& service, const std::string& name, const Json& arguments,
                             const ToolContext& context) {
    if (name == "search") return search(service, arguments, context);
    if (name == "ask") return ask(service, arguments, context);
    if (name == "list_documents") return list_all(service, arguments, context);
    if (name == "add_document") return add_document(service, arguments, context);
    return {};
}

}  // namespace s3attn::server

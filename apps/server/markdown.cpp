#include "markdown.h"

#include "render.h"

namespace s3attn::server {
namespace {

// As a block of quotation, so that no line of a document is taken for Markdown around it.
std::string quoted(const std::string& text) {
    std::string all = "> ";
    for (const char c : text) {
        all += c;
        if (c == '\n') all += "> ";
    }
    return all + "\n";
}

std::string one_line(std::string text) {
    for (char& c : text) {
        if (c == '\n' || c == '\r') c = ' ';
    }
    return text;
}

std::string place_of(const Json& json) {
    std::string text = json["name"].get<std::string>();
    if (json.contains("page")) {
        text += ", page " + json["page"].dump();
    } else if (json.contains("line_begin")) {
        text += ", lines " + json["line_begin"].dump() + " to " + json["line_end"].dump();
    }
    return text + ", bytes " + json["byte_begin"].dump() + " to " + json["byte_end"].dump();
}

}  // namespace

std::string markdown_of(const Service& service, const ChatRequest& request, const AnswerEvent& done,
                        const std::string& text) {
    std::string all = "# " + one_line(request.question.text) + "\n\n" + text + "\n";
    const Json found = found_json(service, *done.found, done.result.numbers);
    if (!found["quote"].is_null()) {
        all += "\nThe documents say (" + place_of(found["quote"]) + "):\n\n" +
               quoted(found["quote"]["text"].get<std::string>());
    }
    if (!done.found->result.evidence_found) {
        all += "\nThe documents hold no evidence for this question.\n";
    }
    if (done.result.stopped_at_limit) all += "\nThe answer was cut at the most tokens asked for.\n";
    const Json citations = citations_json(service, *done.found, done.result);
    if (!citations.empty()) all += "\n## The answer rests on\n";
    for (const Json& citation : citations) {
        all += "\n[" + citation["number"].dump() + "] " + place_of(citation) + "\n\n" +
               quoted(citation["text"].get<std::string>());
    }
    return all + "\nAnswered by " + service.questions().readers()[request.question.reader].name +
           " from what was searched for with: " + one_line(done.found->result.question) + "\n";
}

}  // namespace s3attn::server

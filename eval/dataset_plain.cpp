// The plain format: texts of one's own, whose evidence is marked by offsets or quoted.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/files.h"
#include "base/utf8.h"
#include "eval/dataset_formats.h"
#include "eval/json_text.h"

namespace s3attn::eval {
namespace {

constexpr uint64_t kMaxDocumentBytes = 1ull << 30;
constexpr size_t kShown = 80;          // bytes of a piece of evidence in a message
constexpr size_t kShortestAnswer = 3;  // shorter ones stand everywhere

bool on_border(const std::string& text, uint64_t at) {
    return at == text.size() || !utf8_continues(text[at]);
}

bool white(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\v' || c == '\f';
}

// Where `quote` stands in the text from `from` on; runs of white space are alike, as a quote is
// often copied from another layout. Begin and end; nothing where it does not stand.
std::optional<std::pair<size_t, size_t>> find_quote(const std::string& text,
                                                    const std::string& quote, size_t from) {
    for (size_t begin = from; begin < text.size(); ++begin) {
        if (text[begin] != quote[0]) continue;
        size_t at = begin, q = 0;
        while (q < quote.size() && at < text.size()) {
            if (white(quote[q]) && white(text[at])) {
                while (q < quote.size() && white(quote[q])) ++q;
                while (at < text.size() && white(text[at])) ++at;
            } else if (quote[q] == text[at]) {
                ++q, ++at;
            } else {
                break;
            }
        }
        if (q == quote.size()) return std::pair(begin, at);
    }
    return std::nullopt;
}

std::string trimmed(const std::string& text) {
    size_t begin = 0, end = text.size();
    while (begin < end && white(text[begin])) ++begin;
    while (end > begin && white(text[end - 1])) --end;
    return text.substr(begin, end - begin);
}

Status add_quote(const Record& record, std::optional<size_t> document, const std::string& given,
                 std::vector<Block>& documents) {
    const std::string quote = trimmed(given);
    const std::string shown = "evidence \"" + shortened(quote, kShown) + "\"";
    if (quote.empty()) return bad_record(record, "a piece of evidence is an empty quote");
    size_t found = 0;
    for (size_t d = 0; d < documents.size(); ++d) {
        if (document && *document != d) continue;
        const std::string& text = documents[d].text();
        for (auto at = find_quote(text, quote, 0); at && found < 2;
             at = find_quote(text, quote, at->second)) {
            if (found++ == 0) documents[d].gold.emplace_back(at->first, at->second);
        }
    }
    if (found == 0) return bad_record(record, shown + " does not stand in the document");
    if (found > 1) {
        return bad_record(record, shown +
                                      " stands there more than once: quote more of it, or give "
                                      "[begin, end]");
    }
    return {};
}

// What is wrong with a number that is to be an offset; empty: nothing.
std::string number_fault(const Json& number) {
    if (number.is_number_unsigned()) return "";
    if (number.is_number_integer()) return dump_json(number) + " is below 0";
    if (number.is_number()) return dump_json(number) + " is no whole number";
    return shortened(dump_json(number), kShown) + " is no number";
}

Status add_range(const Record& record, const Json& entry, Offsets offsets,
                 std::vector<Block>& documents) {
    const size_t n = entry.size();
    const std::string shown = "evidence " + shortened(dump_json(entry), kShown);
    if ((n != 2 && n != 3) || (n == 2 && documents.size() > 1)) {
        return bad_record(record, shown + (documents.size() > 1 ? " is not [document, begin, end]"
                                                                : " is not [begin, end]"));
    }
    for (const Json& number : entry) {
        const std::string fault = number_fault(number);
        if (!fault.empty()) {
            return bad_record(record, shown + ": " + fault + "; offsets are whole numbers from 0");
        }
    }
    const size_t document = n == 3 ? entry[0].get<size_t>() : 0;
    auto begin = entry[n - 2].get<uint64_t>(), end = entry[n - 1].get<uint64_t>();
    if (document >= documents.size()) {
        return bad_record(record, shown + ": there are " + std::to_string(documents.size()) +
                                      " documents, counted from 0");
    }
    const std::string& text = documents[document].text();
    const bool chars = offsets == Offsets::kChars;
    if (chars) {
        begin = byte_of_code_point(text, begin);
        end = byte_of_code_point(text, end);
    }
    if (begin >= end || end > text.size()) {
        const auto size = static_cast<size_t>(std::count_if(
            text.begin(), text.end(), [chars](char c) { return !chars || !utf8_continues(c); }));
        return bad_record(record, shown + " is no " +
                                      (chars ? "range of characters" : "byte range") +
                                      " of a document of " + std::to_string(size) +
                                      (chars ? " characters" : " bytes"));
    }
    if (!on_border(text, begin) || !on_border(text, end)) {
        return bad_record(record, shown +
                                      " begins or ends inside a character (offsets are bytes of "
                                      "the UTF-8 text; --offsets chars counts characters)");
    }
    documents[document].gold.emplace_back(begin, end);
    return {};
}

// [begin, end], [document, begin, end], "quote", [document, "quote"], or {"quote", "document"}.
Status add_evidence(const Record& record, const Json& entry, Offsets offsets,
                    std::vector<Block>& documents) {
    if (entry.is_string()) {
        return add_quote(record, std::nullopt, entry.get<std::string>(), documents);
    }
    Json number, quote;
    if (entry.is_object()) {
        number = entry.value("document", Json());
        quote = entry.value("quote", Json());
    } else if (entry.is_array() && entry.size() == 2 && entry[1].is_string()) {
        number = entry[0];
        quote = entry[1];
    }
    if (quote.is_string()) {
        std::optional<size_t> document;
        if (!number.is_null()) {
            const std::string fault = number_fault(number);
            if (!fault.empty()) return bad_record(record, "the document of a quote: " + fault);
            document = number.get<size_t>();
            if (*document >= documents.size()) {
                return bad_record(record, "a quote is of document " + dump_json(number) +
                                              "; there are " + std::to_string(documents.size()) +
                                              ", counted from 0");
            }
        }
        return add_quote(record, document, quote.get<std::string>(), documents);
    }
    if (!entry.is_array()) {
        return bad_record(record, "evidence " + shortened(dump_json(entry), kShown) +
                                      " is neither a range [begin, end] nor a quote");
    }
    return add_range(record, entry, offsets, documents);
}

bool holds(std::string_view text, std::string_view answer) {
    const auto same = [](char a, char b) {
        const auto lower = [](char c) {
            return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        };
        return lower(a) == lower(b);
    };
    return std::search(text.begin(), text.end(), answer.begin(), answer.end(), same) != text.end();
}

bool in_evidence(const std::vector<Block>& documents, const std::string& answer) {
    for (const Block& block : documents) {
        for (const auto& [begin, end] : block.gold) {
            if (holds(std::string_view(block.text()).substr(begin, end - begin), answer))
                return true;
        }
    }
    return false;
}

// Whether the answers stand in the documents but outside the evidence, and whether they would stand
// inside it if the offsets counted characters.
void look_for_answers(const Record& record, const Json& evidence, RawQuestion& question) {
    std::vector<std::string> answers;
    for (const std::string& answer : question.answers) {
        if (answer.size() >= kShortestAnswer && answer != "yes" && answer != "Yes") {
            answers.push_back(answer);
        }
    }
    const auto inside = [&](const std::vector<Block>& documents) {
        return std::any_of(answers.begin(), answers.end(), [&](const std::string& answer) {
            return in_evidence(documents, answer);
        });
    };
    const bool there = std::any_of(answers.begin(), answers.end(), [&](const std::string& answer) {
        return std::any_of(question.blocks.begin(), question.blocks.end(),
                           [&](const Block& block) { return holds(block.text(), answer); });
    });
    if (!there || evidence.empty() || inside(question.blocks)) return;
    question.answer_outside = true;
    std::vector<Block> as_chars = question.blocks;
    for (Block& block : as_chars) block.gold.clear();
    for (const Json& entry : evidence) {
        if (!add_evidence(record, entry, Offsets::kChars, as_chars).ok()) return;
    }
    question.inside_as_chars = inside(as_chars);
}

Status add_documents(const Record& record, const std::string& path, DocumentFiles& files,
                     std::vector<Block>& blocks) {
    const Json& json = record.json;
    if (json.contains("document_file")) {
        S3ATTN_TRY(const std::string name, string_field(record, json, "document_file"));
        const auto file = (std::filesystem::path(path).parent_path() / name).string();
        auto& known = files[file];
        if (known == nullptr) {
            auto text = read_file(file, kMaxDocumentBytes);
            if (!text.ok()) return bad_record(record, text.error().message);
            known = std::make_shared<const std::string>(*std::move(text));
        }
        blocks.push_back({"", {}, known});
    } else if (json.contains("documents")) {
        if (!json["documents"].is_array() || json["documents"].empty()) {
            return bad_record(record, "\"documents\" is no list of texts");
        }
        for (const Json& document : json["documents"]) {
            if (!document.is_string()) return bad_record(record, "a document is no string");
            blocks.push_back({document.get<std::string>(), {}});
        }
    } else {
        S3ATTN_TRY(std::string document, string_field(record, json, "document"));
        blocks.push_back({std::move(document), {}});
    }
    return {};
}

Status add_answers(const Record& record, std::vector<std::string>& out) {
    const Json& answers = record.json.value("answers", record.json.value("answer", Json::array()));
    if (answers.is_string()) out.push_back(answers.get<std::string>());
    if (!answers.is_array()) return {};
    for (const Json& answer : answers) {
        if (!answer.is_string()) return bad_record(record, "an answer is no string");
        out.push_back(answer.get<std::string>());
    }
    return {};
}

}  // namespace

Result<RawQuestion> read_plain(const Record& record, const std::string& path, Offsets offsets,
                               DocumentFiles& files) {
    const Json& json = record.json;
    RawQuestion question;
    if (json.contains("id")) {
        question.id =
            json["id"].is_string() ? json["id"].get<std::string>() : dump_json(json["id"]);
    }
    if (json.contains("group") && json["group"].is_string()) {
        question.group = json["group"].get<std::string>();
    }
    S3ATTN_TRY(question.question, string_field(record, json, "question"));
    S3ATTN_CHECK(add_documents(record, path, files, question.blocks));
    const Json& evidence = json.value("evidence", Json());
    if (!evidence.is_array()) {
        return bad_record(record, "no list \"evidence\" of ranges [begin, end] or quotes");
    }
    for (const Json& entry : evidence) {
        S3ATTN_CHECK(add_evidence(record, entry, offsets, question.blocks));
    }
    S3ATTN_CHECK(add_answers(record, question.answers));
    look_for_answers(record, evidence, question);
    return question;
}

}  // namespace s3attn::eval

// Whole documents with marked places: RULER's needles, key-value retrieval, and the plain format
// for texts of one's own.
#include <filesystem>

#include "base/files.h"
#include "eval/dataset_formats.h"
#include "eval/json_text.h"

namespace s3attn::eval {
namespace {

constexpr uint64_t kMaxDocumentBytes = 1ull << 30;

std::string id_of(const Json& record, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        if (!record.contains(name)) continue;
        return record[name].is_string() ? record[name].get<std::string>() : dump_json(record[name]);
    }
    return "";
}

// The sentence or line that holds bytes [begin, end): a needle is one such.
std::pair<uint64_t, uint64_t> sentence_around(const std::string& text, size_t begin, size_t end) {
    const size_t line = begin == 0 ? std::string::npos : text.rfind('\n', begin - 1);
    const size_t stop = begin < 2 ? std::string::npos : text.rfind(". ", begin - 2);
    size_t from = 0;
    if (line != std::string::npos) from = line + 1;
    if (stop != std::string::npos) from = std::max(from, stop + 2);
    return {from, end < text.size() && text[end] == '.' ? end + 1 : end};
}

bool on_border(const std::string& text, uint64_t at) {
    return at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}

Status add_range(const Record& record, const Json& entry, std::vector<Block>& documents) {
    const size_t n = entry.is_array() ? entry.size() : 0;
    const std::string shown = "evidence " + shortened(dump_json(entry), 80);
    if ((n != 2 && n != 3) || (n == 2 && documents.size() > 1)) {
        return bad_record(record, documents.size() > 1
                                      ? "a piece of evidence is not [document, begin, end]"
                                      : "a piece of evidence is not [begin, end]");
    }
    for (const Json& number : entry) {
        if (!number.is_number_unsigned()) {
            return bad_record(record, shown + ": not whole numbers");
        }
    }
    const size_t document = n == 3 ? entry[0].get<size_t>() : 0;
    const auto begin = entry[n - 2].get<uint64_t>(), end = entry[n - 1].get<uint64_t>();
    if (document >= documents.size()) {
        return bad_record(record, shown + ": there are " + std::to_string(documents.size()) +
                                      " documents, counted from 0");
    }
    const std::string& text = documents[document].text;
    if (begin >= end || end > text.size()) {
        return bad_record(record, shown + " is no byte range of a " + "document of " +
                                      std::to_string(text.size()) + " bytes");
    }
    if (!on_border(text, begin) || !on_border(text, end)) {
        return bad_record(record, "evidence " + dump_json(entry) +
                                      " begins or ends inside a character (offsets are bytes of "
                                      "the UTF-8 text)");
    }
    documents[document].gold.emplace_back(begin, end);
    return {};
}

}  // namespace

// "<instruction>\n<haystack>\nWhat is the special magic number for X mentioned in the provided
// text? The special magic number for X mentioned in the provided text is"
Result<RawQuestion> read_ruler(const Record& record) {
    RawQuestion question;
    question.id = id_of(record.json, {"id", "index"});
    S3ATTN_TRY(const std::string input, string_field(record, record.json, "input"));
    const Json& outputs = record.json.value("outputs", Json());
    if (!outputs.is_array() || outputs.empty()) return bad_record(record, "no \"outputs\"");
    const size_t asked = input.rfind("\nWhat ");
    if (asked == std::string::npos) {
        return bad_record(record,
                          "no line of the input begins with the question, \"What ...\"; "
                          "only RULER's needle tasks (niah_*) mark their evidence");
    }
    const size_t mark = input.find('?', asked);
    question.question =
        input.substr(asked + 1, mark == std::string::npos ? std::string::npos : mark - asked);
    size_t first = input.find('\n');
    if (first >= asked || input.substr(0, first).find("hidden within") == std::string::npos) {
        first = std::string::npos;
    }
    Block block;
    const size_t from = first == std::string::npos ? 0 : first + 1;
    block.text = input.substr(from, asked - std::min(asked, from));
    for (const Json& output : outputs) {
        if (!output.is_string()) return bad_record(record, "an output is no string");
        const auto value = output.get<std::string>();
        question.answers.push_back(value);
        const size_t at = block.text.find(value);
        if (at == std::string::npos || value.empty()) {
            return bad_record(record, "the input does not hold the output \"" + value + "\"");
        }
        block.gold.push_back(sentence_around(block.text, at, at + value.size()));
    }
    question.blocks.push_back(std::move(block));
    return question;
}

// The document and the question as the data set's own prompt writes them.
Result<RawQuestion> read_kv(const Record& record) {
    RawQuestion question;
    question.id = id_of(record.json, {"id", "key"});
    S3ATTN_TRY(const std::string key, string_field(record, record.json, "key"));
    const Json& pairs = record.json.value("ordered_kv_records", Json());
    if (!pairs.is_array()) return bad_record(record, "no list \"ordered_kv_records\"");
    Block block;
    for (size_t i = 0; i < pairs.size(); ++i) {
        const Json& pair = pairs[i];
        if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string() || !pair[1].is_string()) {
            return bad_record(record, "a record is not [key, value]");
        }
        block.text += i == 0 ? '{' : ' ';
        const size_t begin = block.text.size();
        block.text += dump_json(pair[0]) + ": " + dump_json(pair[1]);
        if (pair[0] == key) {
            block.gold.emplace_back(begin, block.text.size());
            question.answers.push_back(pair[1].get<std::string>());
        }
        block.text += i + 1 < pairs.size() ? ",\n" : "}";
    }
    if (block.gold.empty()) return bad_record(record, "no record has the key \"" + key + "\"");
    question.question = "Key: \"" + key + "\"\nCorresponding value:";
    question.blocks.push_back(std::move(block));
    return question;
}

Result<RawQuestion> read_plain(const Record& record, const std::string& path) {
    const Json& json = record.json;
    RawQuestion question;
    question.id = id_of(json, {"id"});
    if (json.contains("group") && json["group"].is_string()) {
        question.group = json["group"].get<std::string>();
    }
    S3ATTN_TRY(question.question, string_field(record, json, "question"));
    if (json.contains("document_file")) {
        S3ATTN_TRY(const std::string name, string_field(record, json, "document_file"));
        const auto file = std::filesystem::path(path).parent_path() / name;
        auto text = read_file(file.string(), kMaxDocumentBytes);
        if (!text.ok()) return bad_record(record, text.error().message);
        question.blocks.push_back({*std::move(text), {}});
    } else if (json.contains("documents")) {
        if (!json["documents"].is_array() || json["documents"].empty()) {
            return bad_record(record, "\"documents\" is no list of texts");
        }
        for (const Json& document : json["documents"]) {
            if (!document.is_string()) return bad_record(record, "a document is no string");
            question.blocks.push_back({document.get<std::string>(), {}});
        }
    } else {
        S3ATTN_TRY(std::string document, string_field(record, json, "document"));
        question.blocks.push_back({std::move(document), {}});
    }
    const Json& evidence = json.value("evidence", Json());
    if (!evidence.is_array()) return bad_record(record, "no list \"evidence\" of byte ranges");
    for (const Json& entry : evidence) S3ATTN_CHECK(add_range(record, entry, question.blocks));
    const Json& answers = json.value("answers", json.value("answer", Json::array()));
    if (answers.is_string()) question.answers.push_back(answers.get<std::string>());
    if (answers.is_array()) {
        for (const Json& answer : answers) {
            if (!answer.is_string()) return bad_record(record, "an answer is no string");
            question.answers.push_back(answer.get<std::string>());
        }
    }
    return question;
}

}  // namespace s3attn::eval

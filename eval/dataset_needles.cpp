// Whole documents with marked places: RULER's needles and key-value retrieval.
#include <cctype>
#include <optional>

#include "eval/dataset_formats.h"

namespace s3attn::eval {
namespace {

std::string id_of(const Json& record, std::initializer_list<const char*> names) {
    for (const char* name : names) {
        if (!record.contains(name)) continue;
        return record[name].is_string() ? record[name].get<std::string>() : dump_json(record[name]);
    }
    return "";
}

bool ends_sentence(std::string_view before) {
    for (size_t size = 0; size != before.size();) {
        size = before.size();
        for (const char* closing : {" ", "\"", "'", ")", "]", "\xE2\x80\x9D", "\xE2\x80\x99"}) {
            if (before.ends_with(closing)) before.remove_suffix(std::string_view(closing).size());
        }
    }
    return before.ends_with('.') || before.ends_with('?') || before.ends_with('!');
}

// Where the sentence or line begins that goes on at `at`. RULER puts needles between the sentences
// of essays, which also end in "?", "!" and quotes.
size_t sentence_begin(std::string_view text, size_t at) {
    for (size_t i = at; i > 0; --i) {
        if (text[i - 1] == '\n') return i;
        if (text[i - 1] == ' ' && ends_sentence(text.substr(0, i - 1))) return i;
    }
    return 0;
}

bool in_word(std::string_view text, size_t at) {
    if (at >= text.size()) return false;
    const auto c = static_cast<unsigned char>(text[at]);
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c >= 0x80;
}

// How well bytes [at, end) look like the value that a needle for the question states:
// "One of the special magic numbers for KEY is: VALUE." Words may stand elsewhere, too, and numbers
// inside longer ones.
int needle_rank(std::string_view text, size_t at, size_t end, std::string_view question) {
    if ((at > 0 && in_word(text, at - 1)) || in_word(text, end)) return 0;
    const size_t begin = sentence_begin(text, at);
    const std::string_view head = text.substr(begin, at - begin);
    constexpr std::string_view kFor = " for ", kIs = " is: ";
    if (!head.ends_with(kIs)) return 1;
    const size_t key = head.find(kFor);
    if (key == head.npos || key + kFor.size() + kIs.size() > head.size()) return 2;
    const std::string_view name =
        head.substr(key + kFor.size(), head.size() - kIs.size() - key - kFor.size());
    return question.find(name) == question.npos ? 2 : 3;
}

// The sentence or line of the needle with this value, as bytes of the text.
std::optional<std::pair<uint64_t, uint64_t>> find_needle(const std::string& text,
                                                         const std::string& value,
                                                         std::string_view question) {
    if (value.empty()) return std::nullopt;
    int best = -1;
    size_t found = 0;
    for (size_t at = text.find(value); at != text.npos && best < 3;
         at = text.find(value, at + value.size())) {
        const int rank = needle_rank(text, at, at + value.size(), question);
        if (rank > best) best = rank, found = at;
    }
    if (best < 0) return std::nullopt;
    const size_t end = found + value.size();
    return std::pair<uint64_t, uint64_t>{sentence_begin(text, found),
                                         end < text.size() && text[end] == '.' ? end + 1 : end};
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
    block.own_text = input.substr(from, asked - std::min(asked, from));
    for (const Json& output : outputs) {
        if (!output.is_string()) return bad_record(record, "an output is no string");
        const auto value = output.get<std::string>();
        question.answers.push_back(value);
        const auto needle = find_needle(block.own_text, value, question.question);
        if (!needle) {
            return bad_record(record, "the input does not hold the output \"" + value + "\"");
        }
        block.gold.push_back(*needle);
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
        block.own_text += i == 0 ? '{' : ' ';
        const size_t begin = block.own_text.size();
        block.own_text += dump_json(pair[0]) + ": " + dump_json(pair[1]);
        if (pair[0] == key) {
            block.gold.emplace_back(begin, block.own_text.size());
            question.answers.push_back(pair[1].get<std::string>());
        }
        block.own_text += i + 1 < pairs.size() ? ",\n" : "}";
    }
    if (block.gold.empty()) return bad_record(record, "no record has the key \"" + key + "\"");
    question.question = "Key: \"" + key + "\"\nCorresponding value:";
    question.blocks.push_back(std::move(block));
    return question;
}

}  // namespace s3attn::eval

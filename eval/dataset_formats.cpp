#include "eval/dataset_formats.h"

#include <algorithm>

#include "base/utf8.h"
#include "eval/datasets.h"

namespace s3attn::eval {
namespace {

// By the fields of the first record.
std::string detect(const Json& record) {
    if (record.contains("ordered_kv_records")) return "kv";
    if (record.contains("data") && record["data"].is_array()) return "squad";
    if (record.contains("input") && record.contains("outputs")) return "ruler";
    if (record.contains("evidence") &&
        (record.contains("document") || record.contains("documents") ||
         record.contains("document_file"))) {
        return "plain";
    }
    if (record.contains("supporting_facts")) return "hotpotqa";
    if (record.contains("paragraphs") && record["paragraphs"].is_array() &&
        !record["paragraphs"].empty() && record["paragraphs"][0].is_object() &&
        record["paragraphs"][0].contains("is_supporting")) {
        return "musique";
    }
    if (record.contains("context") && record["context"].is_string() && record.contains("answers")) {
        return "squad";
    }
    return "";
}

Status add_record(const Record& record, const std::string& path, Offsets offsets,
                  RawDataset& dataset) {
    if (dataset.format == "squad" && record.json.contains("data")) {
        S3ATTN_TRY(auto questions, read_squad(record, dataset.loose));
        for (RawQuestion& question : questions) dataset.questions.push_back(std::move(question));
        return {};
    }
    const auto read = [&]() -> Result<RawQuestion> {
        if (dataset.format == "kv") return read_kv(record);
        if (dataset.format == "ruler") return read_ruler(record);
        if (dataset.format == "plain") return read_plain(record, path, offsets, dataset.files);
        if (dataset.format == "musique") return read_musique(record);
        if (dataset.format == "squad") return read_flat_squad(record);
        return read_hotpot(record);
    };
    S3ATTN_TRY(RawQuestion question, read());
    question.place = record.place;
    if (question.question.find_first_not_of(" \t\r\n") == std::string::npos) {
        return bad_record(record, "the question is empty");
    }
    dataset.questions.push_back(std::move(question));
    return {};
}

}  // namespace

const std::vector<std::string>& dataset_formats() {
    static const std::vector<std::string> names{"hotpotqa", "musique", "2wikimultihopqa", "squad",
                                                "ruler",    "kv",      "plain",           "beir"};
    return names;
}

Block paragraph_block(const std::string& title, const std::string& text, bool gold) {
    Block block;
    block.own_text = title.empty() ? text : title + "\n" + text;
    const size_t head = block.own_text.size() - text.size();
    const size_t first = text.find_first_not_of(" \t\r\n\v\f");
    if (gold && first != std::string::npos) {
        block.gold.emplace_back(head + first, head + text.find_last_not_of(" \t\r\n\v\f") + 1);
    }
    return block;
}

size_t byte_of_code_point(std::string_view text, uint64_t offset) {
    size_t i = 0;
    for (; i < text.size(); ++i) {
        if (utf8_continues(text[i])) continue;
        if (offset-- == 0) return i;
    }
    return offset == 0 ? i : std::string::npos;
}

Result<RawDataset> read_raw_dataset(const std::string& path, const std::string& format,
                                    Offsets offsets) {
    const auto& known = dataset_formats();
    if (format != "auto" && std::find(known.begin(), known.end(), format) == known.end()) {
        return make_error(ErrorCode::kInvalidArgument, "there is no format '" + format + "'");
    }
    RawDataset dataset;
    S3ATTN_TRY(const std::vector<Record> records, read_records(path, dataset.hash));
    dataset.format = format == "auto" ? detect(records.front().json) : format;
    if (dataset.format.empty()) {
        return bad_record(records.front(),
                          "none of the known formats (hotpotqa, musique, 2wikimultihopqa, squad, "
                          "ruler, kv, plain); name one with --format, or write lines of "
                          "{\"document\", \"question\", \"evidence\": [[begin, end]]}");
    }
    if (offsets == Offsets::kChars && dataset.format != "plain") {
        return make_error(ErrorCode::kInvalidArgument,
                          "--offsets chars is for plain records, and " + path +
                              " is of the format " + dataset.format + ", which has its own");
    }
    if (dataset.format == "2wikimultihopqa") dataset.format = "hotpotqa";  // the same shape
    dataset.paragraphs =
        dataset.format != "kv" && dataset.format != "ruler" && dataset.format != "plain";
    for (const Record& record : records) S3ATTN_CHECK(add_record(record, path, offsets, dataset));
    if (dataset.questions.empty()) {
        return make_error(ErrorCode::kCorrupt, path + " holds no questions");
    }
    return dataset;
}

}  // namespace s3attn::eval

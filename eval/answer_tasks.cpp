#include "eval/answer_tasks.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <random>

#include "base/files.h"
#include "base/utf8.h"
#include "eval/json_text.h"
#include "eval/records.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;

// Longer questions (a triviaqa input with its passage) are searched for by their end, where the
// question proper stands.
constexpr size_t kQuestionBytes = 4096;
constexpr size_t kTailBytes = 1024;  // of code that is to be continued
constexpr uint64_t kMostJsonBytes = 16 << 20;

// LongBench's template of its multi-hop tasks.
constexpr const char* kPassages =
    "Answer the question based on the given passages. Only give me the answer and do not output "
    "any other words.\n\nThe following are given passages.\n{context}\n\nAnswer the question based "
    "on the given passages. Only give me the answer and do not output any other words.";
constexpr const char* kMayWithhold =
    " If the question cannot be answered based on the information in the passages, write "
    "\"unanswerable\".";
constexpr const char* kQuestion = "\n\nQuestion: {input}\nAnswer:";

bool has_code(std::string_view task) { return task == "lcc" || task == "repobench-p"; }
bool has_examples(std::string_view task) {
    return task == "trec" || task == "triviaqa" || task == "samsum";
}

std::string base_name(const std::string& task) {
    return task.ends_with("_e") ? task.substr(0, task.size() - 2) : task;
}

Result<std::string> find_file(const std::string& directory, const std::string& name,
                              std::initializer_list<const char*> folders) {
    std::error_code ignored;
    for (const char* folder : folders) {
        const fs::path path = fs::path(directory) / folder / name;
        if (fs::is_regular_file(path, ignored)) return path.lexically_normal().string();
    }
    return make_error(ErrorCode::kNotFound, "no " + name + " in or near " + directory +
                                                ": --data names LongBench's folder");
}

// The value under the task's name in one of LongBench's two tables.
Result<Json> table_entry(const std::string& directory, const std::string& name,
                         const std::string& task) {
    S3ATTN_TRY(const std::string path,
               find_file(directory, name, {"", "config", "..", "../config"}));
    S3ATTN_TRY(const std::string bytes, read_file(path, kMostJsonBytes));
    const auto parsed = parse_json(bytes);
    if (!parsed.ok()) return make_error(ErrorCode::kCorrupt, path + ": " + parsed.error().message);
    const Json& table = *parsed;
    if (!table.is_object()) return make_error(ErrorCode::kCorrupt, path + ": no JSON object");
    if (!table.contains(task)) {
        return make_error(ErrorCode::kNotFound, path + ": has no entry \"" + task + "\"");
    }
    return table[task];
}

Result<std::vector<std::string>> strings(const Record& record, const char* name) {
    const Json value = record.json.value(name, Json());
    std::vector<std::string> out;
    if (value.is_null()) return out;
    if (!value.is_array()) return bad_record(record, std::string("\"") + name + "\" is no list");
    for (const Json& entry : value) {
        if (!entry.is_string()) {
            return bad_record(record, std::string("\"") + name + "\" holds something but text");
        }
        out.push_back(entry.get<std::string>());
    }
    return out;
}

std::string trimmed(std::string text) {
    const size_t begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos) return "";
    return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

std::string end_of(const std::string& text, size_t bytes) {
    if (text.size() <= bytes) return text;
    size_t begin = text.size() - bytes;
    while (begin < text.size() && utf8_continues(text[begin])) ++begin;
    return text.substr(begin);
}

// The record's input; for code its last lines; where there is none, the instruction that follows
// the context in the template.
std::string search_question(const AnswerTask& task, const std::string& context,
                            AnswerQuestion& question) {
    question.tail_begin = context.size();
    if (has_code(base_name(task.name))) {
        if (trimmed(question.input).empty()) {
            question.tail_begin = last_lines(context, kTailBytes);
            return trimmed(context.substr(question.tail_begin));
        }
        return trimmed(question.input.substr(last_lines(question.input, kTailBytes)));
    }
    const std::string input = trimmed(question.input);
    if (!input.empty()) return end_of(input, kQuestionBytes);
    const size_t context_mark = task.prompt_template.find("{context}");
    return trimmed(task.prompt_template.substr(context_mark + 9));
}

const char* length_bucket(double length) {
    return length < 4000 ? "0-4k" : length < 8000 ? "4-8k" : "8k+";
}

Result<AnswerQuestion> longbench_question(const Record& record, size_t number,
                                          const AnswerTask& task, std::string& context) {
    AnswerQuestion question;
    S3ATTN_TRY(question.input, string_field(record, record.json, "input"));
    S3ATTN_TRY(context, string_field(record, record.json, "context"));
    S3ATTN_TRY(question.answers, strings(record, "answers"));
    S3ATTN_TRY(question.classes, strings(record, "all_classes"));
    const std::string fault = reference_fault(task.metric, question.answers, question.classes);
    if (!fault.empty()) return bad_record(record, fault);
    question.id = record.json.contains("_id") && record.json["_id"].is_string()
                      ? record.json["_id"].get<std::string>()
                      : std::to_string(number);
    question.group = task.name;
    if (task.name.ends_with("_e")) {
        if (!record.json.contains("length") || !record.json["length"].is_number()) {
            return bad_record(record, "LongBench-E needs a \"length\"");
        }
        question.bucket = length_bucket(record.json["length"].get<double>());
    }
    question.question = search_question(task, context, question);
    return question;
}

}  // namespace

size_t last_lines(std::string_view text, size_t bytes) {
    if (text.size() <= bytes) return 0;
    const size_t earliest = text.size() - bytes;
    // A line begins behind a newline; the one that ends the text begins none.
    const size_t newline = text.find('\n', earliest == 0 ? 0 : earliest - 1);
    if (newline != text.npos && newline + 1 < text.size()) return newline + 1;
    size_t begin = earliest;
    while (begin < text.size() && utf8_continues(text[begin])) ++begin;
    return begin;
}

Status add_longbench_task(const std::string& directory, const std::string& name, AnswerSet& set) {
    const std::optional<Metric> metric = longbench_metric(name);
    if (!metric) {
        std::string known;
        for (const std::string& task : longbench_tasks()) known += " " + task;
        return make_error(ErrorCode::kInvalidArgument,
                          "no task '" + name + "'; known are (with _e for LongBench-E):" + known);
    }
    for (const AnswerTask& task : set.tasks) {
        if (task.name == name) {
            return make_error(ErrorCode::kInvalidArgument, "task '" + name + "' is named twice");
        }
    }
    const std::string base = base_name(name);
    S3ATTN_TRY(const std::string path, find_file(directory, name + ".jsonl", {"", "data", "mini"}));
    S3ATTN_TRY(const Json prompt, table_entry(directory, "dataset2prompt.json", base));
    S3ATTN_TRY(const Json length, table_entry(directory, "dataset2maxlen.json", base));
    if (!prompt.is_string() || !length.is_number_unsigned() || length.get<uint64_t>() == 0 ||
        length.get<uint64_t>() > 65536 ||
        prompt.get<std::string>().find("{context}") == std::string::npos) {
        return make_error(ErrorCode::kCorrupt,
                          "LongBench's template or answer length of " + base + " in " + directory +
                              " is not what it should be: a text with {context}, and a number");
    }
    AnswerTask task;
    task.name = name;
    task.prompt_template = prompt.get<std::string>();
    task.max_tokens = length.get<uint32_t>();
    task.chat = !has_code(base) && !has_examples(base);
    task.one_line = base == "samsum";
    task.line_spans = !task.chat;
    task.longbench = true;
    task.metric = *metric;
    std::string hash;
    S3ATTN_TRY(const std::vector<Record> records, read_records(path, hash));
    std::map<std::string, std::string> ids;  // to the place of the record
    for (size_t i = 0; i < records.size(); ++i) {
        std::string context;
        S3ATTN_TRY(AnswerQuestion question, longbench_question(records[i], i, task, context));
        // Rows are told apart by their ids.
        const auto [first, added] = ids.emplace(question.id, records[i].place);
        if (!added) {
            return bad_record(records[i],
                              "the id \"" + question.id + "\" is that of " + first->second);
        }
        question.task = set.tasks.size();
        question.collection = set.collections.size();
        set.collections.push_back(make_collection({std::move(context)}));
        set.questions.push_back(std::move(question));
    }
    set.tasks.push_back(std::move(task));
    set.path = directory;
    set.hash = set.hash.empty() ? hash : hash_bytes(set.hash + hash);
    return {};
}

Status add_dataset_task(const DatasetOptions& options, uint32_t max_tokens, bool may_withhold,
                        AnswerSet& set) {
    S3ATTN_TRY(Dataset data, load_dataset(options));
    AnswerTask task;
    task.name = fs::path(options.path).stem().string();
    task.prompt_template = std::string(kPassages) + (may_withhold ? kMayWithhold : "") + kQuestion;
    task.max_tokens = max_tokens;
    const size_t offset = set.collections.size();
    for (EvalQuestion& from : data.questions) {
        if (from.answers.empty()) {
            return make_error(
                ErrorCode::kInvalidArgument,
                options.path + ": question '" + from.id + "' has no \"answers\" to compare with");
        }
        AnswerQuestion question;
        question.id = std::move(from.id);
        question.group = std::move(from.group);
        question.task = set.tasks.size();
        question.input = from.question;
        question.question = std::move(from.question);
        question.collection = offset + from.collection;
        question.tail_begin = UINT64_MAX;
        question.answers = std::move(from.answers);
        question.gold = std::move(from.gold);
        question.gold_missing = from.gold_missing;
        set.questions.push_back(std::move(question));
    }
    for (Collection& collection : data.collections)
        set.collections.push_back(std::move(collection));
    set.tasks.push_back(std::move(task));
    set.path = options.path;
    set.hash = data.hash;
    set.notes = std::move(data.notes);
    set.pooled = options.haystack == Haystack::kPooled;
    set.chars = options.offsets == Offsets::kChars;
    return {};
}

void keep_some(AnswerSet& set, size_t limit, uint64_t seed) {
    if (limit == 0) return;
    std::vector<std::vector<size_t>> of_task(set.tasks.size());
    for (size_t i = 0; i < set.questions.size(); ++i) of_task[set.questions[i].task].push_back(i);
    std::vector<size_t> kept;
    std::mt19937_64 engine(seed);
    for (std::vector<size_t>& list : of_task) {
        for (size_t i = 0; seed != 0 && i + 1 < list.size(); ++i) {
            std::swap(list[i], list[i + engine() % (list.size() - i)]);
        }
        list.resize(std::min(limit, list.size()));
        kept.insert(kept.end(), list.begin(), list.end());
    }
    std::sort(kept.begin(), kept.end());
    std::vector<AnswerQuestion> questions;
    for (const size_t i : kept) questions.push_back(std::move(set.questions[i]));
    set.questions = std::move(questions);
}

}  // namespace s3attn::eval

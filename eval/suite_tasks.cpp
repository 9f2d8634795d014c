// RULER, BABILong and InfiniteBench as tasks of `eval answers`, from the files that they publish or
// their generators write.
#include <array>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "eval/answer_tasks.h"
#include "eval/metrics/suites.h"
#include "eval/records.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;

// What each question is asked with where its record brings no prompt of its own.
constexpr const char* kPlainTemplate = "{context}\n\n{input}";
constexpr const char* kRoomTemplate =
    "{context}\n\nThe text above tells, among other things, what some people did. Answer the "
    "question about them in one word or a few.\nQuestion: {input}\nAnswer:";

// Answer lengths as the suites have them.
constexpr std::array<std::pair<std::string_view, uint32_t>, 18> kLengths{
    {{"niah", 128},
     {"vt", 30},
     {"cwe", 120},
     {"fwe", 50},
     {"qa_", 32},
     {"qa", 20},
     {"passkey", 6},
     {"number_string", 12},
     {"kv_retrieval", 50},
     {"longbook_sum_eng", 1200},
     {"longbook_choice", 40},
     {"longbook_qa", 40},
     {"longdialogue", 40},
     {"math_find", 3},
     {"math_calc", 30000},
     {"code_run", 5},
     {"code_debug", 5},
     {"", 64}}};

std::string_view bare_name(std::string_view task) {
    const size_t slash = task.find('/');
    return slash == task.npos ? task : task.substr(slash + 1);
}

uint32_t length_of(std::string_view task) {
    for (const auto& [prefix, tokens] : kLengths) {
        if (task.starts_with(prefix)) return tokens;
    }
    return 64;
}

Result<std::string> file_of(const std::string& path, const std::string& task) {
    std::error_code ignored;
    if (!fs::is_directory(path, ignored)) return path;
    const std::string name(bare_name(task));
    for (const fs::path& each :
         {fs::path(path) / (name + ".jsonl"), fs::path(path) / name / "validation.jsonl",
          fs::path(path) / (name + ".json")}) {
        if (fs::is_regular_file(each, ignored)) return each.string();
    }
    return make_error(ErrorCode::kNotFound,
                      "no " + name + ".jsonl and no " + name + "/validation.jsonl in " + path);
}

std::string id_of(const Json& record, size_t number) {
    for (const char* name : {"index", "id", "_id"}) {
        if (!record.contains(name) || record[name].is_null()) continue;
        return record[name].is_string() ? record[name].get<std::string>() : dump_json(record[name]);
    }
    return std::to_string(number + 1);
}

// Where the part of a RULER input begins that asks: behind the text, in front of the question and
// of what is said around it.
size_t ruler_question(const std::string& input, std::string_view task) {
    if (task.starts_with("qa")) {
        const size_t at = input.rfind("\n\nAnswer the question based on");
        if (at != input.npos && at > 0) return at;
    }
    return input.rfind(task.starts_with("niah") ? "\nWhat " : "\nQuestion:");
}

// "What is ...?" of the part that asks.
std::string asked_in(std::string tail, std::string_view task) {
    const std::string_view mark = task.starts_with("niah") ? "What " : "Question:";
    const size_t at = tail.rfind(mark);
    if (at != tail.npos) tail = tail.substr(at + (mark == "What " ? 0 : mark.size()));
    const size_t answer = tail.find(" Answer:");
    if (answer != tail.npos) tail.resize(answer);
    const size_t mark_end = tail.find('?');
    if (mark_end != tail.npos) tail.resize(mark_end + 1);
    const size_t begin = tail.find_first_not_of(" \n");
    return begin == tail.npos ? std::string() : tail.substr(begin);
}

// The prompt of the full context is the record's own input, to the byte.
Status read_ruler_record(const Record& record, std::string_view task, std::string& context,
                         AnswerQuestion& question) {
    S3ATTN_TRY(const std::string input, string_field(record, record.json, "input"));
    const Json outputs = record.json.value("outputs", Json());
    if (!outputs.is_array() || outputs.empty()) return bad_record(record, "no list \"outputs\"");
    for (const Json& output : outputs) {
        if (!output.is_string()) return bad_record(record, "an output is no text");
        question.answers.push_back(output.get<std::string>());
        if (question.answers.back().find_first_not_of(" \t\r\n") == std::string::npos) {
            return bad_record(record, "\"outputs\" holds a blank text");
        }
    }
    const size_t tail = ruler_question(input, task);
    if (tail == input.npos) {
        return bad_record(
            record, "the input holds no question where RULER's " + std::string(task) + " has it");
    }
    // The instruction stays in every prompt.
    const size_t head = input.find('\n');
    const size_t begin = head < tail ? head + 1 : 0;
    question.prefix = input.substr(0, begin);
    context = input.substr(begin, tail - begin);
    question.input = input.substr(tail);
    const Json answer_prefix = record.json.value("answer_prefix", Json());
    if (answer_prefix.is_string() && !input.ends_with(answer_prefix.get<std::string>())) {
        question.input += answer_prefix.get<std::string>();
    }
    question.question = asked_in(question.input, task);
    question.reference = {{"outputs", outputs}};
    return {};
}

Status read_babilong_record(const Record& record, std::string_view task, std::string& context,
                            AnswerQuestion& question) {
    S3ATTN_TRY(context, string_field(record, record.json, "input"));
    S3ATTN_TRY(question.input, string_field(record, record.json, "question"));
    S3ATTN_TRY(const std::string target, string_field(record, record.json, "target"));
    if (const std::string fault = babilong_fault(task, target); !fault.empty()) {
        return bad_record(record, fault);
    }
    question.question = question.input;
    question.answers = {target};
    question.reference = {{"target", target}, {"question", question.input}};
    return {};
}

// The options as lines, and the letter of the right one behind its text, as the metric wants it.
Status add_options(const Record& record, const Json& answer, AnswerQuestion& question) {
    const Json options = record.json.value("options", Json());
    if (!options.is_array() || options.size() < 2 || options.size() > 4) {
        return bad_record(record, "no two to four \"options\"");
    }
    const Json& right = answer.is_array() && !answer.empty() ? answer[0] : answer;
    std::string letter;
    for (size_t i = 0; i < options.size(); ++i) {
        if (!options[i].is_string()) return bad_record(record, "an option is no text");
        const std::string own(1, static_cast<char>('A' + i));
        question.input += "\n" + own + ". " + options[i].get<std::string>();
        if (options[i] == right && letter.empty()) letter = own;
    }
    if (letter.empty()) return bad_record(record, "the answer is none of the options");
    question.input += "\nAnswer with the letter of the right option alone.";
    question.reference["ground_truth"] = {right, letter};
    return {};
}

Status read_infinite_record(const Record& record, std::string_view task, std::string& context,
                            AnswerQuestion& question) {
    S3ATTN_TRY(context, string_field(record, record.json, "context"));
    const Json input = record.json.value("input", Json());
    if (input.is_string()) question.input = input.get<std::string>();
    if (question.input.find_first_not_of(" \t\r\n") == std::string::npos) {
        question.input = task == "longbook_sum_eng" ? "Sum up the text above."
                         : task == "longdialogue_qa_eng"
                             ? "Which character's name does $$MASK$$ stand for? Say the name alone."
                             : "What follows from the text above?";
    }
    question.question = question.input;
    if (!record.json.contains("answer")) return bad_record(record, "no \"answer\"");
    const Json& answer = record.json["answer"];
    question.reference = {{"ground_truth", answer}};
    const bool choice = task == "longbook_choice_eng" || task == "code_debug";
    if (choice) S3ATTN_CHECK(add_options(record, answer, question));
    // What the metric cannot read would score every answer 0.
    const auto readable = infinite_score(task, "", question.reference["ground_truth"]);
    if (!readable.ok()) return bad_record(record, readable.error().message);
    const Json& shown = answer.is_array() && !answer.empty() ? answer[0] : answer;
    question.answers = {shown.is_string() ? shown.get<std::string>() : dump_json(shown)};
    return {};
}

}  // namespace

Status add_suite_task(const std::string& path, const std::string& task, AnswerSet& set) {
    const std::string name(bare_name(task));
    S3ATTN_TRY(const std::string file, file_of(path, task));
    std::string hash;
    S3ATTN_TRY(const std::vector<Record> records, read_records(file, hash));
    const bool babilong = is_babilong_task(name) && records.front().json.contains("target");
    const bool infinite = !babilong && is_infinite_task(name);
    AnswerTask own;
    own.name = task;
    own.suite = task;
    own.max_tokens = length_of(name);
    own.prompt_template = babilong ? kRoomTemplate : infinite ? kPlainTemplate : "{context}{input}";
    own.chat = babilong || infinite;  // a RULER input ends with the beginning of its answer
    std::map<std::string, std::string> ids;
    for (size_t i = 0; i < records.size(); ++i) {
        const Record& record = records[i];
        AnswerQuestion question;
        question.id = id_of(record.json, i);
        const auto [first, added] = ids.emplace(question.id, record.place);
        if (!added) {
            return bad_record(record, "the id \"" + question.id + "\" is that of " + first->second);
        }
        std::string context;
        S3ATTN_CHECK(babilong   ? read_babilong_record(record, name, context, question)
                     : infinite ? read_infinite_record(record, name, context, question)
                                : read_ruler_record(record, name, context, question));
        question.group = task;
        question.task = set.tasks.size();
        question.tail_begin = context.size();
        question.collection = set.collections.size();
        set.collections.push_back(make_collection({std::move(context)}));
        set.questions.push_back(std::move(question));
    }
    set.tasks.push_back(std::move(own));
    set.path = path;
    set.hash = set.hash.empty() ? hash : hash_bytes(set.hash + hash);
    return {};
}

}  // namespace s3attn::eval

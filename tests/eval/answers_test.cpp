// Tasks, prompts and figures of `eval answers`, without a model.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "eval/answer_prompt.h"
#include "eval/answer_summary.h"
#include "eval/answer_tasks.h"
#include "model/fake_model.h"
#include "temporary_files.h"

namespace s3attn::eval {
namespace {

constexpr const char* kPrompts =
    R"({"trec": "Examples.\n{context}\n{input}", "gov_report": "Report:\n{context}\n\nSum up.",
        "lcc": "Code\n{context}Next:\n", "qasper": "{context} Q: {input}"})";
constexpr const char* kLengths = R"({"trec": 64, "gov_report": 512, "lcc": 64, "qasper": 128})";

std::string record(const std::string& input, const std::string& context,
                   const std::string& more = "") {
    static int number = 0;
    const std::string id = "id" + std::to_string(number++);
    return Json{{"input", input}, {"context", context}, {"answers", {"x"}}, {"_id", id}}
               .dump()
               .insert(1, more) +
           "\n";
}

TEST(LongBench, ReadsTasksWithTheirTemplatesAndRules) {
    const TemporaryFiles files;
    files.write("dataset2prompt.json", kPrompts);
    files.write("dataset2maxlen.json", kLengths);
    std::filesystem::create_directory(files / "mini");
    files.write("mini/trec.jsonl", record("Type?", "a {input} b", R"("all_classes":["x"],)"));
    files.write("mini/gov_report.jsonl", record("", "text"));
    files.write("mini/lcc.jsonl", record("", "int a;\n" + std::string(2000, 'x') + "\nint b;\n"));
    files.write("mini/qasper_e.jsonl", record("Why?", "t", R"("length":4000,)") +
                                           record("Why?", "t", R"("length":3999,)") +
                                           record("Why?", "t", R"("length":8000,)"));
    AnswerSet set;
    for (const char* task : {"trec", "gov_report", "lcc", "qasper_e"}) {
        const Status added = add_longbench_task(files / "", task, set);
        ASSERT_TRUE(added.ok()) << added.error().message;
    }
    ASSERT_EQ(set.questions.size(), 6u);
    EXPECT_FALSE(set.tasks[0].chat);  // examples: no chat template
    EXPECT_TRUE(set.tasks[1].chat);
    EXPECT_FALSE(set.tasks[2].chat);
    EXPECT_EQ(set.tasks[1].max_tokens, 512u);
    EXPECT_EQ(set.questions[0].question, "Type?");
    EXPECT_EQ(set.questions[1].question, "Sum up.");  // no question: the instruction
    EXPECT_EQ(set.questions[2].question, "int b;");   // code: its last lines
    EXPECT_EQ(set.questions[2].tail_begin, 7u + 2001u);
    EXPECT_EQ(set.questions[3].bucket, "4-8k");
    EXPECT_EQ(set.questions[4].bucket, "0-4k");
    EXPECT_EQ(set.questions[5].bucket, "8k+");

    AnswerSet from_mini;  // the tables lie in the parent
    EXPECT_TRUE(add_longbench_task(files / "mini", "trec", from_mini).ok());
    const auto unknown = add_longbench_task(files / "", "dureader", set);
    ASSERT_FALSE(unknown.ok());
    EXPECT_NE(unknown.error().message.find("narrativeqa"), std::string::npos);
    EXPECT_EQ(add_longbench_task(files / "", "musique", set).error().code, ErrorCode::kNotFound);
    files.write("mini/trec.jsonl", record("Type?", "a"));  // without classes
    EXPECT_NE(add_longbench_task(files / "", "trec", set).error().message.find("twice"),
              std::string::npos);
    AnswerSet damaged;
    const auto bad = add_longbench_task(files / "", "trec", damaged);
    ASSERT_FALSE(bad.ok());
    EXPECT_NE(bad.error().message.find("trec.jsonl, line 1"), std::string::npos);
}

TEST(LongBench, TheRealTemplatesAndSamples) {
    const std::string folder = S3ATTN_SHARED_DATA "/longbench";
    if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no evaluation data at " << folder;
    AnswerSet set;
    for (const std::string& task : longbench_tasks()) {
        const Status added = add_longbench_task(folder, task, set);
        ASSERT_TRUE(added.ok()) << added.error().message;
    }
    EXPECT_EQ(set.questions.size(), 187u);
    for (const AnswerQuestion& question : set.questions) {
        EXPECT_FALSE(question.question.empty()) << question.group << " " << question.id;
        EXPECT_LE(question.question.size(), 4096u);
    }
    keep_some(set, 2, 7);
    EXPECT_EQ(set.questions.size(), 32u);
}

RC_GTEST_PROP(Tasks, LastLinesAreWholeLinesThatFit, ()) {
    std::string text;
    const auto lines = *rc::gen::inRange(1, 8);
    for (int i = 0; i < lines; ++i) {
        text += std::string(static_cast<size_t>(*rc::gen::inRange(0, 12)), 'x') + "\n";
    }
    const auto bytes = static_cast<size_t>(*rc::gen::inRange(1, 60));
    const size_t begin = last_lines(text, bytes);
    RC_ASSERT(text.size() - begin <= bytes || begin == 0);
    // The slow twin: the first line begin from which the rest fits.
    for (size_t at = 0; at < text.size(); ++at) {
        if ((at == 0 || text[at - 1] == '\n') && text.size() - at <= bytes) {
            RC_ASSERT(begin == at);
            break;
        }
    }
}

TEST(Prompt, TemplatesAreFilledInOnePass) {
    EXPECT_EQ(fill_template("a {context} b {input}.", "{input}{", "{context}"),
              "a {input}{ b {context}.");
}

TEST(Prompt, PassagesComeInTheDocumentsOrder) {
    const Collection collection{"id", {"one\n\ntwo three four", "second"}};
    EXPECT_EQ(passages_text(collection, {{1, 0, 6}, {0, 9, 14}, {0, 0, 3}}, false),
              "one\n\nthree\n\nsecond");
    EXPECT_EQ(passages_text(collection, {{0, 5, 8}, {0, 0, 3}}, true), "one\n\ntwo");  // the gap
    EXPECT_EQ(passages_text(collection, {{0, 0, 3}, {0, 9, 14}}, true), "one\nthree");
    EXPECT_EQ(passages_text(collection, {{0, 5, 10}, {0, 8, 14}}, false), "two three");  // overlap
    EXPECT_EQ(passages_text(collection, {}, false), "");
}

TEST(Prompt, LosesItsMiddleAndKeepsBothEnds) {
    const auto tokenizer = make_fake_tokenizer();
    const CountPrompt count = [&](const ReaderPrompt& prompt) -> Result<uint32_t> {
        S3ATTN_TRY(const uint32_t n, tokenizer->count(prompt.text));
        return n + (prompt.chat ? 6 : 0);
    };
    std::string text;
    for (int i = 0; i < 100; ++i) text += (i ? " w" : "w") + std::to_string(i);
    const auto whole = fit_prompt(text, true, 106, *tokenizer, count);
    ASSERT_TRUE(whole.ok());
    EXPECT_FALSE(whole->truncated);
    EXPECT_EQ(whole->prompt.text, text);
    for (const bool chat : {false, true}) {
        const auto cut = fit_prompt(text, chat, 26, *tokenizer, count);
        ASSERT_TRUE(cut.ok());
        EXPECT_TRUE(cut->truncated);
        EXPECT_LE(cut->tokens, 26u);
        EXPECT_GE(cut->tokens, 20u);
        EXPECT_EQ(cut->whole_tokens, chat ? 106u : 100u);
        EXPECT_TRUE(cut->prompt.text.starts_with("w0 w1 w2"));
        EXPECT_TRUE(cut->prompt.text.ends_with("w97 w98 w99"));
    }
    EXPECT_FALSE(fit_prompt(text, true, 7, *tokenizer, count).ok());
}

TEST(Prompt, WithheldAnswersAreTold) {
    EXPECT_TRUE(declines("Unanswerable."));
    EXPECT_TRUE(declines("The passages do not mention it."));
    EXPECT_TRUE(declines(" \n"));
    EXPECT_FALSE(declines("Paris"));
    EXPECT_TRUE(contains_answer("It was the Eiffel Tower!", {"x", "eiffel tower"}));
    EXPECT_FALSE(contains_answer("It was the Eiffel", {"eiffel tower", "the"}));
}

Json row(const char* task, const char* id, const char* method, double score, Json budget,
         const char* bucket = "") {
    Json out{{"id", id},         {"task", task},     {"group", task},
             {"method", method}, {"budget", budget}, {"metrics", {{"score", score}}}};
    if (*bucket) out["bucket"] = bucket;
    return out;
}

const Json* find(const Json& list, const std::string& group, const std::string& method) {
    for (const Json& entry : list) {
        if (entry["group"] == group && entry["method"] == method) return &entry;
    }
    return nullptr;
}

TEST(Summary, AveragesTasksNotQuestions) {
    const std::vector<Json> rows{
        row("a", "1", "full", 1, nullptr),   row("a", "1", "hybrid", 0.5, 64),
        row("b", "1", "full", 0, nullptr),   row("b", "2", "full", 0, nullptr),
        row("b", "3", "full", 0.6, nullptr), row("b", "1", "hybrid", 0.3, 64)};
    const AnswerSummary all = summarize_answers(rows, "full", 1);
    const Json* full = find(all.summary, kAllTasks, "full");
    ASSERT_NE(full, nullptr);
    EXPECT_DOUBLE_EQ((*full)["mean"], (1 + 0.2) / 2);
    EXPECT_EQ((*full)["n"], 4);
    EXPECT_TRUE((*full)["low"].is_null());  // too few questions for an interval
    EXPECT_DOUBLE_EQ((*find(all.summary, "b", "full"))["mean"], 0.2);
    // Paired over what both answered: a/1 and b/1.
    const Json* paired = find(all.paired, kAllTasks, "hybrid");
    ASSERT_NE(paired, nullptr);
    EXPECT_DOUBLE_EQ((*paired)["difference"], (0.5 + 0.3) / 2 - 0.5);
    EXPECT_DOUBLE_EQ((*paired)["ratio"], 0.4 / 0.5);
    EXPECT_EQ((*paired)["n"], 2);
    EXPECT_EQ(find(all.paired, kAllTasks, "full"), nullptr);
    EXPECT_EQ(summarize_answers(rows, "full", 1).summary, all.summary);  // the same seed
}

TEST(Summary, FiveQuestionsHaveAnInterval) {
    std::vector<Json> rows;
    for (int i = 0; i < 5; ++i)
        rows.push_back(row("a", std::to_string(i).c_str(), "full", i % 2, nullptr));
    const Json five = summarize_answers(rows, "", 1).summary[0];
    EXPECT_LT(five["low"].get<double>(), five["mean"].get<double>());
    EXPECT_GT(five["high"].get<double>(), five["mean"].get<double>());
    rows.pop_back();
    EXPECT_TRUE(summarize_answers(rows, "", 1).summary[0]["high"].is_null());
}

TEST(Summary, LongBenchEByLength) {
    const std::vector<Json> rows{row("a_e", "1", "full", 1, nullptr, "0-4k"),
                                 row("a_e", "2", "full", 0, nullptr, "8k+")};
    const AnswerSummary all = summarize_answers(rows, "full", 1);
    EXPECT_DOUBLE_EQ((*find(all.summary, "a_e 0-4k", "full"))["mean"], 1);
    EXPECT_DOUBLE_EQ((*find(all.summary, "a_e 8k+", "full"))["mean"], 0);
    EXPECT_DOUBLE_EQ((*find(all.summary, "a_e", "full"))["mean"], 0.5);
    EXPECT_EQ(find(all.summary, kAllTasks, "full"), nullptr);  // one task is no average
}

}  // namespace
}  // namespace s3attn::eval

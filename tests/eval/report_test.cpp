// The report: hostile text stays text, runs are joined, tables and plots show what records hold.
#include "eval/report.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "eval/report_figures.h"
#include "eval/report_plot.h"
#include "temporary_files.h"

namespace s3attn::eval {
namespace {

constexpr const char* kAttack = "</blockquote><script>alert('x\"')</script>\x01&";

Json answer_row(const std::string& task, const std::string& method, double score) {
    return {{"id", kAttack},
            {"task", task},
            {"group", task},
            {"question", kAttack},
            {"answers", {kAttack}},
            {"method", method},
            {"budget", method == "full" ? Json() : Json(64)},
            {"answer", kAttack},
            {"truncated", method == "full"},
            {"metrics", {{"score", score}}},
            {"gold", {{{"document", 0}, {"begin", 10}, {"end", 14}, {"text", "gold"}}}},
            {"evidence",
             {{{"rank", 1},
               {"document", 0},
               {"begin", 8},
               {"end", 16},
               {"text", "a<gold>b"},
               {"score", 1.5},
               {"gold", true}}}}};
}

Json run_document(const std::string& task, double full, double hybrid) {
    Json document{{"format", "s3attn-eval"},
                  {"version", 1},
                  {"task", "answers"},
                  {"options", {{"tasks", {task}}, {"methods", {"full", kAttack}}}},
                  {"data", {{"path", kAttack}, {"xxh3", "00"}, {"questions", 1}}},
                  {"model", {{"name", kAttack}, {"hash", "h"}}},
                  {"seed", 1},
                  {"baseline", "full"},
                  {"seconds", 2.0}};
    document["methods"] = Json::array();
    for (const char* name : {"full", "hybrid"}) {
        document["methods"].push_back(
            {{"name", name},
             {"label", kAttack},
             {"budget", std::string(name) == "full" ? Json() : Json(64)},
             {"questions", 1},
             {"index_bytes", 1000},
             {"index_bytes_per_token", 10},
             {"stages", {{"retrieve", 0.5}, {"prefill", 1.0}, {"decode", 0.5}}}});
    }
    document["summary"] = Json::array({{{"group", task},
                                        {"method", "full"},
                                        {"metric", "score"},
                                        {"budget", nullptr},
                                        {"mean", full},
                                        {"low", full - .1},
                                        {"high", full + .1},
                                        {"n", 1}}});
    document["paired"] = Json::array();
    document["rows"] = {answer_row(task, "full", full), answer_row(task, "hybrid", hybrid)};
    return document;
}

TEST(Report, EscapesEverything) {
    const std::string page = html_report({{{kAttack}, run_document(kAttack, .5, .25)}}, {});
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_EQ(page.find("alert('x"), std::string::npos);
    EXPECT_EQ(page.find('\x01'), std::string::npos);
    EXPECT_NE(page.find("&lt;script&gt;alert(&#39;x&quot;&#39;)"), std::string::npos);
    for (const char* outside : {"http://", "https://", "src=", "url("}) {
        EXPECT_EQ(page.find(outside), std::string::npos) << outside;
    }
    // Bytes 10 to 14 of the document are bytes 2 to 6 of the passage.
    EXPECT_NE(page.find("a&lt;<mark>gold</mark>&gt;b"), std::string::npos);
    EXPECT_NE(page.find("<svg class=\"plot\""), std::string::npos);
    EXPECT_EQ(escape_html("\t\n<&>\"'\x7f"), "\t\n&lt;&amp;&gt;&quot;&#39;\xEF\xBF\xBD");
}

TEST(Report, JoinsRunsOverDisjointTasks) {
    const ReportRun a{{"a"}, run_document("one", .4, .5)}, b{{"b"}, run_document("two", .8, .4)};
    const std::vector<ReportRun> joined = join_runs({a, b});
    ASSERT_EQ(joined.size(), 1u);
    EXPECT_EQ(joined[0].directories, (std::vector<std::string>{"a", "b"}));
    const Json& document = joined[0].document;
    EXPECT_EQ(document["data"]["questions"], 2);
    EXPECT_EQ(document["methods"][0]["stages"]["prefill"], 2.0);
    EXPECT_EQ(document["methods"][1]["index_bytes_per_token"], 10.0);
    bool found = false;
    for (const Figure& figure : figures_of(document)) {
        if (figure.group == "all tasks" && figure.method == "full") {
            EXPECT_DOUBLE_EQ(figure.mean, .6);
            found = true;
        }
    }
    EXPECT_TRUE(found);
    const std::string tables = markdown_report(joined);
    EXPECT_NE(tables.find("75.0 %"), std::string::npos) << tables;  // (.5 + .4) / (.4 + .8)

    EXPECT_EQ(join_runs({a, a}).size(), 2u) << "the same task twice";
    ReportRun other = b;
    other.document["model"]["hash"] = "another";
    EXPECT_EQ(join_runs({a, other}).size(), 2u);
    other = b;
    other.document["options"]["methods"] = {"full"};
    EXPECT_EQ(join_runs({a, other}).size(), 2u);
}

TEST(Report, ReadsRecordsAndSaysWhatIsWrong) {
    const TemporaryFiles files;
    EXPECT_EQ(read_run(files / "none").error().code, ErrorCode::kNotFound);
    files.write("rows.jsonl", "");
    EXPECT_NE(read_run(files / "").error().message.find("not finished"), std::string::npos);
    files.write("run.json", "{\"format\": \"s3attn-eval\", \"version\": 99}");
    EXPECT_EQ(read_run(files / "").error().code, ErrorCode::kUnsupported);
    files.write("run.json", "[1");
    EXPECT_EQ(read_run(files / "").error().code, ErrorCode::kCorrupt);
    files.write("run.json",
                R"({"format": "s3attn-eval", "version": 1, "methods": [], "rows": []})");
    EXPECT_NE(read_run(files / "").error().message.find("summary"), std::string::npos);
    files.write("run.json", run_document("one", .5, .5).dump());
    EXPECT_TRUE(read_run(files / "").ok());
}

// Whatever types a record has in its fields, the page is made.
TEST(Report, SurvivesRecordsOfOtherShapes) {
    Json document = run_document("one", .5, .5);
    document["summary"] = {1, "x", Json::object(), {{"mean", "text"}}};
    document["methods"] = {7, {{"name", 3}, {"stages", {{"scan", "long"}}}}};
    document["rows"] = {Json::object(), 5, {{"id", 12}, {"evidence", {3, Json::object()}}}};
    document["machine"] = "none";
    document["counts"] = {4};
    EXPECT_FALSE(html_report({{{"x"}, document}}, {}).empty());
    EXPECT_FALSE(markdown_report({{{"x"}, document}}).empty());
}

TEST(Plot, PutsPointsWhereTheyBelong) {
    Plot plot{
        "t<", "x", "y", true, {{"a<b", {{0, .1, .1, .1}, {10, .5, .4, .6}, {1000, 1, 1, 1}}}}};
    const std::string svg = svg_plot(plot);
    EXPECT_NE(svg.find("a&lt;b"), std::string::npos);
    EXPECT_EQ(svg.find("nan"), std::string::npos);
    EXPECT_NE(svg.find(">none<"), std::string::npos);  // no logarithm of 0
    EXPECT_EQ(svg_plot({"t", "x", "y", false, {{"a", {}}}}), "");
    plot.series = {{"a", {{5, .5, .5, .5}}}};  // a single point: no empty axis
    EXPECT_EQ(svg_plot(plot).find("nan"), std::string::npos);
    EXPECT_EQ(svg_plot(plot).find("inf"), std::string::npos);
}

TEST(Figures, NamesAndNumbers) {
    int64_t budget = 0;
    EXPECT_EQ(metric_family("ev1024", budget), "ev");
    EXPECT_EQ(budget, 1024);
    EXPECT_EQ(metric_family("r10", budget), "r10");
    EXPECT_EQ(budget, -1);
    EXPECT_EQ(metric_family("f1", budget), "f1");
    EXPECT_EQ(method_at("hybrid", 1024), "hybrid, 1,024 tokens");
    EXPECT_EQ(short_number(.1234), ".123");
    EXPECT_EQ(short_number(-.1234), "-.123");
    EXPECT_EQ(short_number(-.0001), "0");
    EXPECT_EQ(short_number(12.34), "12.3");
}

// Somebody edited the record, or a disk did: an error or a page, never a crash.
TEST(Report, FieldsOfAnotherKind) {
    TemporaryFiles files;
    std::filesystem::create_directory(files / "run");
    for (const Json& other : {Json(), Json(-1), Json("t"), Json(true), Json::array(),
                              Json::array({1}), Json::object()}) {
        for (const char* name : {"rows", "methods", "summary", "data"}) {
            for (const char* field :
                 {"", "truncated", "metrics", "budget", "stages", "id", "gold"}) {
                Json document = run_document("a", 1, 0);
                Json& place = document[name];
                Json& entry = place.is_array() && !place.empty() ? place[0] : place;
                (*field == '\0' ? entry : entry[field]) = other;
                files.write("run/run.json", document.dump());
                const auto run = read_run(files / "run");
                if (!run.ok()) continue;
                EXPECT_FALSE(html_report(join_runs({*run}), ReportOptions{}).empty());
            }
        }
    }
}

}  // namespace
}  // namespace s3attn::eval

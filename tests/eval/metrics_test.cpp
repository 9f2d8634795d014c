// LongBench's metrics: worked examples, slow twins, and LongBench's own figures.
#include "eval/metrics/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "eval/metrics/python_text.h"
#include "eval/metrics/rouge_l.h"
#include "eval/metrics/sequence_matcher.h"

namespace s3attn::eval {
namespace {

using Words = std::vector<std::u32string>;

TEST(PythonText, SplitsAtWhiteSpaceAsPythonDoes) {
    EXPECT_EQ(python_split(code_points(" a\tb\u00a0c\u2003d\x1c"
                                       "e\u200bf ")),
              (Words{U"a", U"b", U"c", U"d", U"e\u200bf"}));  // U+200B is no space in Python
    EXPECT_EQ(python_split_at(U".a..b", U'.'), (Words{U"", U"a", U"", U"b"}));
    EXPECT_EQ(python_lower("ΑΣ İ"), U"ας i\u0307");
    EXPECT_EQ(digit_runs(U"7, x12\u0663 3.5"), (Words{U"7", U"12\u0663", U"3", U"5"}));
}

TEST(QaF1, NormalisesAsSquadDoes) {
    EXPECT_EQ(normalized_words("The  Cat, an animal: it's A-OK. Theatre"),
              (Words{U"cat", U"animal", U"its", U"aok", U"theatre"}));
    EXPECT_EQ(normalized_words("l’a dit"), (Words{U"l’", U"dit"}));  // a word boundary, no space
    EXPECT_DOUBLE_EQ(qa_f1("the Eiffel tower.", "Eiffel Tower"), 1);
    EXPECT_DOUBLE_EQ(qa_f1("a b b c", "b b d"), 2 * (2. / 3) * (2. / 3) / (4. / 3));
    EXPECT_EQ(qa_f1("", "x"), 0);
    EXPECT_EQ(qa_f1("the", "a"), 0);  // nothing is left of either
}

TEST(RougeL, CountsDistinctWordsOfTheUnion) {
    // reference sentence "w1 w2 w3 w4 w5" against two candidates: the union holds w1 w2 w3 w5
    const double p = 4. / 8, r = 4. / 5;  // eight distinct words predicted
    EXPECT_NEAR(rouge_l("w1 w2 w6 w7 w8.w1 w3 w8 w9 w5", "w1 w2 w3 w4 w5"),
                2 * p * r / (p + r + 1e-8), 1e-15);
    EXPECT_EQ(rouge_l("", "a"), 0);
    EXPECT_EQ(rouge_l("...", "a"), 0);
    EXPECT_NEAR(rouge_l("a a a", "a"), 1, 1e-7);  // sets, not counts
}

TEST(RougeL, TiesShortenThePrediction) {
    // "a b" against "b a": both subsequences have length 1; the package finds "b"... of the
    // reference's end after dropping the prediction's last word.
    EXPECT_EQ(common_subsequence({U"a", U"b"}, {U"b", U"a"}), Words{U"b"});
    EXPECT_EQ(common_subsequence({U"b", U"a"}, {U"a", U"b"}), Words{U"a"});
}

// The slow twin: every subset of the reference's words, longest first.
size_t longest_by_trial(const Words& a, const Words& b) {
    size_t best = 0;
    for (size_t subset = 0; subset < (size_t{1} << a.size()); ++subset) {
        size_t at = 0, size = 0;
        bool fits = true;
        for (size_t i = 0; i < a.size() && fits; ++i) {
            if ((subset >> i & 1) == 0) continue;
            while (at < b.size() && b[at] != a[i]) ++at;
            fits = at < b.size();
            ++at, ++size;
        }
        if (fits) best = std::max(best, size);
    }
    return best;
}

RC_GTEST_PROP(RougeL, FindsALongestCommonSubsequence, ()) {
    const auto words = [] {
        Words out;
        const auto n = *rc::gen::inRange(0, 9);
        for (int i = 0; i < n; ++i)
            out.push_back(std::u32string(1, U'a' + *rc::gen::inRange(0, 4)));
        return out;
    };
    const Words a = words(), b = words();
    const Words common = common_subsequence(a, b);
    RC_ASSERT(common.size() == longest_by_trial(a, b));
    for (const Words* text : {&a, &b}) {
        auto at = text->begin();
        for (const auto& word : common) {
            at = std::find(at, text->end(), word);
            RC_ASSERT(at != text->end());
            ++at;
        }
    }
}

// difflib's definition, word by word, with every start tried.
size_t matched_by_trial(std::u32string_view a, std::u32string_view b,
                        const std::set<char32_t>& popular) {
    size_t best_i = 0, best_j = 0, best = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        for (size_t j = 0; j < b.size(); ++j) {
            size_t n = 0;
            while (i + n < a.size() && j + n < b.size() && a[i + n] == b[j + n] &&
                   !popular.contains(a[i + n])) {
                ++n;
            }
            if (n > best) best_i = i, best_j = j, best = n;
        }
    }
    while (best_i > 0 && best_j > 0 && a[best_i - 1] == b[best_j - 1]) --best_i, --best_j, ++best;
    while (best_i + best < a.size() && best_j + best < b.size() &&
           a[best_i + best] == b[best_j + best]) {
        ++best;
    }
    if (best == 0) return 0;
    return best + matched_by_trial(a.substr(0, best_i), b.substr(0, best_j), popular) +
           matched_by_trial(a.substr(best_i + best), b.substr(best_j + best), popular);
}

RC_GTEST_PROP(SequenceMatcher, MatchesAsDifflibDefines, ()) {
    const auto text = [](int most) {
        std::u32string out;
        const auto n = *rc::gen::inRange(0, most);
        const auto letters = *rc::gen::inRange(1, 60);
        for (int i = 0; i < n; ++i) out.push_back(U'0' + *rc::gen::inRange(0, letters));
        return out;
    };
    const std::u32string a = text(60), b = text(*rc::gen::element(60, 320));
    std::set<char32_t> popular;
    if (b.size() >= 200) {
        for (const char32_t c : b) {
            if (static_cast<size_t>(std::count(b.begin(), b.end(), c)) > b.size() / 100 + 1) {
                popular.insert(c);
            }
        }
    }
    const double expected = a.empty() && b.empty()
                                ? 1
                                : 2. * static_cast<double>(matched_by_trial(a, b, popular)) /
                                      static_cast<double>(a.size() + b.size());
    RC_ASSERT(sequence_ratio(a, b) == expected);
}

TEST(CodeSimilarity, TakesTheFirstLineOfCode) {
    EXPECT_EQ(code_similarity("\n\n# no\n// no\n`no`\nint x;\nmore", "int x;"), 1);
    EXPECT_EQ(code_similarity("# only a comment", "int x;"), 0);
    EXPECT_EQ(code_similarity("abcd", "bcde"), 0.75);
    EXPECT_EQ(fuzz_ratio(U"", U""), 100);
    EXPECT_EQ(fuzz_ratio(U"abcdefgh", U"a"), 22);  // 22.2
    // 100 * 0.125 = 12.5 goes to the even 12
    EXPECT_EQ(fuzz_ratio(U"abcdefghijklmno", U"a"), 12);
}

TEST(Classification, DividesByTheClassesNamed) {
    const std::vector<std::string> classes{"Food", "Other location", "location", "Date"};
    EXPECT_EQ(classification("Food", "Food", classes), 1);
    EXPECT_EQ(classification("Food or Date", "Food", classes), 0.5);
    EXPECT_EQ(classification("Other location", "Other location", classes), 1);  // part of its name
    EXPECT_EQ(classification("Date", "Food", classes), 0);
    // "a" and "b" are both parts of "ab": removing "a" skips "b", as the original does
    EXPECT_EQ(classification("ab", "ab", {"a", "b", "ab"}), 0.5);
}

TEST(Numbers, AreSharesOfAllNumbersInTheAnswer) {
    EXPECT_EQ(retrieval("Paragraph 15, not 3", "Paragraph 15"), 0.5);
    EXPECT_EQ(retrieval("none", "Paragraph 15"), 0);
    EXPECT_EQ(count("1\n2\n12", "12"), 1. / 3);
    EXPECT_EQ(count("012", "12"), 0);  // compared as text
}

TEST(Scores, FewShotTasksAreJudgedByTheFirstLine) {
    EXPECT_EQ(longbench_score("triviaqa", "\n\nParis\nPassage: London", {"London", "Paris"}, {}),
              1);
    EXPECT_LT(longbench_score("hotpotqa", "Paris\nPassage: London", {"Paris"}, {}), 1);
    EXPECT_EQ(longbench_score("trec_e", "Food\nDate", {"Food"}, {"Food", "Date"}), 1);
    EXPECT_EQ(longbench_metric("dureader"), std::nullopt);
    EXPECT_EQ(longbench_percent(0.125, 10), "1.25");
    EXPECT_EQ(longbench_percent(0, 0), "0.00");
}

// LongBench's own figures over all rows of an 8B model's answers.
TEST(Parity, EqualsLongBenchOnEveryTask) {
    const std::filesystem::path folder =
        std::filesystem::path(S3ATTN_SHARED_DATA) / "longbench" / "metric_fixture";
    std::ifstream result_file(folder / "result.json");
    if (!result_file) GTEST_SKIP() << "no evaluation data at " << folder;
    const auto expected = nlohmann::json::parse(result_file);
    for (const std::string& task : longbench_tasks()) {
        std::ifstream file(folder / (task + ".jsonl"));
        ASSERT_TRUE(file) << task;
        double sum = 0;
        size_t n = 0;
        for (std::string line; std::getline(file, line);) {
            const auto row = nlohmann::json::parse(line);
            std::vector<std::string> classes;
            if (row["all_classes"].is_array()) classes = row["all_classes"];
            sum += longbench_score(task, row["pred"].get<std::string>(),
                                   row["answers"].get<std::vector<std::string>>(), classes);
            ++n;
        }
        char printed[32];
        std::snprintf(printed, sizeof printed, "%.2f", expected[task].get<double>());
        EXPECT_EQ(longbench_percent(sum, n), printed) << task << ", n = " << n;
    }
}

}  // namespace
}  // namespace s3attn::eval

// SearchOptions::filter: what is found, and how good it is, is that of a store that holds the
// documents that pass, and no others.
#include <gmock/gmock.h>

#include <random>

#include "engine_fixture.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

using testing::HasSubstr;

class FilterTest : public EngineTest {
  protected:
    // A few paragraphs below a heading, with a front matter; some in German, whose words have
    // other stems than English ones.
    std::string random_document() {
        static const std::vector<std::string> kWords[] = {
            {"lamp", "harbour", "winter", "mill", "river", "built", "burned", "oil", "floods",
             "running"},
            {"Häuser", "Brücken", "Winter", "Mühle", "gebaut", "brannte", "wurden", "Fluss", "Öl",
             "die"}};
        const auto& words = kWords[random_() % 3 == 0];
        const auto word = [&] { return words[random_() % words.size()]; };
        std::string text = "---\ntags: " + std::string(random_() % 2 ? "sea" : "land") +
                           "\ndate: 20" + std::to_string(10 + random_() % 10) + "-01-01\n---\n";
        for (size_t n = 1 + random_() % 3; n > 0; --n) {
            text += "# " + word() + " " + word() + "\n\n";
            for (size_t w = 20 + random_() % 60; w > 0; --w) text += word() + (w % 9 ? " " : ". ");
            text += "\n\n";
        }
        return text;
    }
    Store store_of(const std::string& name, const std::vector<std::string>& files) {
        Store store = opened(directory_ / name, Store::Access::kCreate);
        EXPECT_TRUE(engine().index(store, files, {}, sink_, cancel_).ok());
        return store;
    }
    static void expect_same(const SearchResult& a, const SearchResult& b) {
        ASSERT_EQ(a.spans.size(), b.spans.size());
        for (size_t i = 0; i < a.spans.size(); ++i) {
            EXPECT_EQ(a.spans[i].path, b.spans[i].path);
            EXPECT_EQ(a.spans[i].byte_begin, b.spans[i].byte_begin);
            EXPECT_EQ(a.spans[i].heading, b.spans[i].heading);
            EXPECT_DOUBLE_EQ(a.spans[i].score, b.spans[i].score);
            for (const char* voice : {"s3", "bm25"}) {
                EXPECT_DOUBLE_EQ(a.spans[i].score_of(voice), b.spans[i].score_of(voice)) << voice;
            }
        }
        EXPECT_EQ(a.evidence_found, b.evidence_found);
        EXPECT_DOUBLE_EQ(a.evidence_score, b.evidence_score);
        EXPECT_DOUBLE_EQ(a.evidence_floor, b.evidence_floor);
        EXPECT_EQ(a.quote.text, b.quote.text);
        EXPECT_DOUBLE_EQ(a.quote.score, b.quote.score);
    }
    std::mt19937 random_{20211};
};

TEST_F(FilterTest, IsAStoreOfThoseDocumentsAlone) {
    for (int round = 0; round < 6; ++round) {
        std::vector<std::string> files;
        for (int f = 0; f < 12; ++f) {
            files.push_back(file("r" + std::to_string(round) + "d" + std::to_string(f) + ".md",
                                 random_document()));
        }
        const Store all = store_of("all" + std::to_string(round), files);
        SearchOptions options;
        options.quote = true;
        options.budget_tokens = 4000;
        std::vector<std::string> chosen;
        for (const std::string& path : files) {
            if (random_() % 3 == 0) continue;
            chosen.push_back(path);
            options.filter.in.push_back(path);
        }
        const Store alone = store_of("alone" + std::to_string(round), chosen);
        SearchOptions unfiltered = options;
        unfiltered.filter = {};
        for (const char* method : {"bm25", "s3", "hybrid", "rrf(s3,bm25)"}) {
            options.method = unfiltered.method = method;
            for (const char* question : {"Who built the mill by the river in winter?",
                                         "Welche Brücken wurden gebaut?", "harbour lamp oil Öl"}) {
                SCOPED_TRACE(std::string(method) + ": " + question);
                const auto found = engine().search(all, question, options);
                ASSERT_TRUE(found.ok()) << found.error().message;
                EXPECT_EQ(found->documents_searched, chosen.size());
                EXPECT_EQ(found->documents_in_store, files.size());
                const auto expected = engine().search(alone, question, unfiltered);
                ASSERT_TRUE(expected.ok()) << expected.error().message;
                EXPECT_FALSE(expected->spans.empty());
                expect_same(*found, *expected);
            }
        }
    }
}

TEST_F(FilterTest, EveryPartOfIt) {
    const std::string a = file(
        "a.md", "---\ndate: 2020-05-06\nauthor: Ada\n---\n# Light\n\n" + std::string(kLighthouse));
    const std::string b = file("b.txt", kMill);
    index({a, b});
    const auto only = [&](const DocumentFilter& filter) {
        SearchOptions options;
        options.filter = filter;
        const auto found = engine().search(store(), "lamp or mill", options);
        EXPECT_TRUE(found.ok()) << found.error().message;
        std::string path;
        for (const Span& span : found->spans) {
            EXPECT_TRUE(path.empty() || path == span.path);
            path = span.path;
        }
        return path;
    };
    EXPECT_EQ(only({{"*.md"}}), a);
    EXPECT_EQ(only({{}, {"text"}}), b);
    EXPECT_EQ(only({{}, {}, "", "2020-06"}), a);
    EXPECT_EQ(only({{}, {}, "2020-06"}), b) << "by the file's date";
    EXPECT_EQ(only({{}, {}, "", "", {"author=ada"}}), a);
    SearchOptions options;
    options.filter.types = {"pdf"};
    const auto none = engine().search(store(), "lamp", options);
    ASSERT_FALSE(none.ok());
    EXPECT_EQ(none.error().reason, reason::kFilterEmpty);
    EXPECT_THAT(none.error().message, HasSubstr("leaves none of the 2 documents"));
    options.filter = {{"[a"}};
    EXPECT_EQ(engine().search(store(), "lamp", options).error().reason, reason::kFilterWrong);
}

}  // namespace
}  // namespace s3attn

// Which documents a filter takes, and what it says where it can take none.
#include "retrieve/document_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "s3attn/reason.h"

namespace s3attn {
namespace {

using testing::HasSubstr;

DocumentInfo document(const std::string& path, const std::string& format = "text",
                      const std::string& date = {},
                      const std::map<std::string, std::string>& properties = {}) {
    DocumentInfo info;
    info.path = path;
    info.format = format;
    info.date = date;
    info.properties = properties;
    return info;
}

bool passes(const DocumentFilter& filter, const DocumentInfo& info) {
    const auto matcher = DocumentMatcher::make(filter);
    EXPECT_TRUE(matcher.ok()) << matcher.error().message;
    return matcher.ok() && matcher->passes(info);
}

TEST(DocumentFilter, Globs) {
    const std::pair<const char*, std::vector<const char*>> in[] = {
        {"*.md", {"a.md", "notes/a.md", "/srv/u/notes/b/c.md"}},
        {"notes", {"notes/a.md", "/srv/u/notes/b/c.md", "notes"}},
        {"notes/", {"notes/a.md", "x/notes/b/c.md"}},
        {"notes/*", {"notes/a.md", "/u/notes/a"}},
        {"notes/**", {"notes/a.md", "notes/b/c.md"}},
        {"notes/**/c.md", {"notes/c.md", "notes/b/c.md", "notes/b/d/c.md"}},
        {"/srv/u", {"/srv/u/notes/a.md"}},
        {"./notes/a.md", {"notes/a.md"}},
        {"20[12]?/", {"2015/a", "x/2024/b/c"}},
        {"report (1).pdf", {"report (1).pdf"}},
    };
    for (const auto& [glob, paths] : in) {
        for (const char* path : paths)
            EXPECT_TRUE(passes({{glob}}, document(path))) << glob << path;
    }
    const std::pair<const char*, const char*> out[] = {
        {"*.md", "a.mdx"},        {"*.md", "a.md/b.txt"},
        {"notes", "notes2/a.md"}, {"notes/*", "notes/b/c.md"},
        {"/srv/u", "srv/u/a"},  {"/u", "/srv/u/a.md"},
        {"a.md", "A.md"},         {"notes/a", "notes/b/a"},
    };
    for (const auto& [glob, path] : out) EXPECT_FALSE(passes({{glob}}, document(path))) << glob;
    EXPECT_TRUE(passes({{"*.pdf", "*.md"}}, document("a.md"))) << "one of them is enough";
    DocumentInfo shown_short = document("a.md");
    shown_short.source = "/srv/u/notes/a.md";
    EXPECT_TRUE(passes({{"/srv/u"}}, shown_short));
}

TEST(DocumentFilter, TypesAreFormatsOrEndings) {
    EXPECT_TRUE(passes({{}, {"markdown"}}, document("a", "markdown")));
    EXPECT_TRUE(passes({{}, {"MD"}}, document("a", "markdown")));
    EXPECT_TRUE(passes({{}, {".txt"}}, document("a", "text")));
    EXPECT_TRUE(passes({{}, {"py"}}, document("a", "code")));
    EXPECT_TRUE(passes({{}, {"pdf", "eml"}}, document("a", "mail")));
    EXPECT_FALSE(passes({{}, {"pdf"}}, document("a", "text")));
}

TEST(DocumentFilter, DatesFromTheFirstMomentOfWhatIsSaid) {
    const auto dated = [](const char* date) { return document("a", "text", date); };
    DocumentFilter filter;
    filter.after = "2021-05-03";
    EXPECT_TRUE(passes(filter, dated("2021-05-03")));
    EXPECT_TRUE(passes(filter, dated("2021-05-03T23:00:00")));
    EXPECT_FALSE(passes(filter, dated("2021-05-02T23:00:00")));
    EXPECT_FALSE(passes(filter, dated("")));
    filter.before = "2022";
    EXPECT_TRUE(passes(filter, dated("2021-12-31")));
    EXPECT_FALSE(passes(filter, dated("2022-01-01")));
    filter.before = "2021-06";
    EXPECT_TRUE(passes(filter, dated("2021-05-31")));
    EXPECT_FALSE(passes(filter, dated("2021-06-01T00:00:00")));
    filter.before = "3 June 2021";
    EXPECT_TRUE(passes(filter, dated("2021-06-02")));
}

TEST(DocumentFilter, ConditionsAreValuesOrListsOfThem) {
    const DocumentInfo info =
        document("a", "text", "", {{"author", "Ada Solberg"}, {"tags", "sea, Light, 1871"}});
    const auto where = [&](const char* condition) {
        DocumentFilter filter;
        filter.where = {condition};
        return passes(filter, info);
    };
    EXPECT_TRUE(where("author=ada solberg"));
    EXPECT_TRUE(where("Author = Ada*"));
    EXPECT_FALSE(where("author=Ada"));
    EXPECT_TRUE(where("tags=light"));
    EXPECT_TRUE(where("tags=1871"));
    EXPECT_FALSE(where("tags=lights"));
    EXPECT_FALSE(where("status=final"));
    DocumentFilter both;
    both.where = {"tags=sea", "author=nobody"};
    EXPECT_FALSE(passes(both, info)) << "all must hold";
}

TEST(DocumentFilter, WhatCanMeanNothingIsNamed) {
    const std::pair<DocumentFilter, const char*> cases[] = {
        {{{""}}, "empty"},
        {{{"/"}}, "no file"},
        {{{"notes/[ab"}}, "'['"},
        {{{"a\\"}}, "'\\'"},
        {{{}, {"spreadsheet"}}, "'spreadsheet' is no type of document; there are: text, markdown"},
        {{{}, {}, "soon"}, "'soon' is no date for after"},
        {{{}, {}, "2021-13-01"}, "'2021-13-01' is no date"},
        {{{}, {}, "", "31.31.2021"}, "is no date for before"},
        {{{}, {}, "", "", {"author"}}, "write key=value"},
        {{{}, {}, "", "", {"=Ada"}}, "write key=value"},
    };
    for (const auto& [filter, text] : cases) {
        const Status status = check_filter(filter);
        ASSERT_FALSE(status.ok()) << text;
        EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
        EXPECT_EQ(status.error().reason, reason::kFilterWrong);
        EXPECT_THAT(status.error().message, HasSubstr(text));
    }
}

TEST(DocumentFilter, NothingLeftSaysWhatThereIs) {
    const std::vector<DocumentInfo> documents = {
        document("a.md", "markdown", "2020-01-02", {{"author", "Ada"}}),
        document("b.txt", "text", "2021-03-04T05:06:07")};
    const auto message = [&](const DocumentFilter& filter) {
        return DocumentMatcher::make(filter)->nothing_left(documents).message;
    };
    EXPECT_THAT(message({{"*.pdf"}}),
                HasSubstr("none of the 2 documents: no path matches '*.pdf'"));
    EXPECT_THAT(message({{}, {"pdf"}}), HasSubstr("type pdf, there are: markdown, text"));
    EXPECT_THAT(message({{}, {}, "2022"}), HasSubstr("from 2020-01-02 to 2021-03-04"));
    EXPECT_THAT(message({{}, {}, "", "", {"status=x"}}),
                HasSubstr("none has a property 'status', there are: author"));
    EXPECT_THAT(message({{}, {}, "", "", {"author=Bob"}}), HasSubstr("none has author=Bob"));
    EXPECT_THAT(message({{"*.md"}, {"text"}}), HasSubstr("none all"));
}

}  // namespace
}  // namespace s3attn

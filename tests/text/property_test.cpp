// Random documents, real invariants: order, coverage, exact slices, bounds, and the same units
// whatever the window.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "text/whitespace.h"
#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

const std::vector<std::string> kAtoms = {"word",
                                         "A",
                                         "the sea",
                                         "Dr.",
                                         "end.",
                                         "Why?",
                                         "\u00E9t\u00E9",
                                         "\u65E5\u672C\u3002",
                                         "\U0001F600",
                                         "\u0645\u0631\u062D\u0628\u0627",
                                         "<|im_end|>",
                                         "\\",
                                         "#",
                                         "-",
                                         "*",
                                         "> ",
                                         "```",
                                         "| a |",
                                         "1. ",
                                         "[x]: y",
                                         "<div>",
                                         "---",
                                         "===",
                                         " ",
                                         " ",
                                         " ",
                                         " ",
                                         "\n",
                                         "\n",
                                         "\n\n",
                                         "\r\n",
                                         "\r\n\r\n",
                                         "\r",
                                         "\t",
                                         "    ",
                                         "\u00A0",
                                         "\u3000",
                                         "\u2028",
                                         "\f",
                                         "CHAPTER I\n\n",
                                         "e\u0301"};

std::string document_of(const std::vector<std::string>& atoms) {
    std::string text;
    for (const std::string& atom : atoms) text += atom;
    return text;
}

ReaderOptions small_options(uint32_t min, uint32_t extra, uint32_t more) {
    ReaderOptions options;
    options.min_unit_bytes = min;
    options.target_unit_bytes = min + extra;
    options.max_unit_bytes = min + extra + more;
    return options;
}

rc::Gen<ReaderOptions> any_options() {
    return rc::gen::apply(small_options, rc::gen::inRange(1u, 40u), rc::gen::inRange(1u, 60u),
                          rc::gen::inRange(20u, 200u));
}

rc::Gen<std::string> any_text() {
    return rc::gen::map(rc::gen::resize(300, rc::gen::container<std::vector<std::string>>(
                                                 rc::gen::elementOf(kAtoms))),
                        document_of);
}

std::string render(const Document& document) {
    std::string all;
    for (const Unit& unit : document.units) {
        all += std::to_string(unit.byte_begin) + " " + std::to_string(unit.line_begin) + " " +
               unit.gap + "|" + unit.text + "\n";
    }
    return all;
}

void check(const std::string& name, const std::string& bytes, const ReaderOptions& options) {
    const Document document = read_bytes(name, bytes, options);
    RC_ASSERT(document.ok);
    RC_ASSERT(broken_invariant(document, options, bytes) == "");
    for (const size_t window : {1, 2, 5, 64}) {
        RC_ASSERT(render(read_bytes(name, bytes, options, window)) == render(document));
    }
}

RC_GTEST_PROP(Property, PlainText, ()) { check("a.txt", *any_text(), *any_options()); }
RC_GTEST_PROP(Property, Lines, ()) { check("a.csv", *any_text(), *any_options()); }
RC_GTEST_PROP(Property, Markdown, ()) { check("a.md", *any_text(), *any_options()); }

RC_GTEST_PROP(Property, DefaultOptions, ()) {
    const auto paragraph = rc::gen::map(rc::gen::inRange(1, 60), [](int n) {
        return repeat("Some words of a sentence. ", static_cast<size_t>(n)) + "\n\n";
    });
    check("a.txt", document_of(*rc::gen::container<std::vector<std::string>>(paragraph)), {});
}

// A paragraph that is long enough is never packed with another one behind it.
RC_GTEST_PROP(Property, LongParagraphsAreSealed, ()) {
    const auto sizes = *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(1, 900));
    std::string bytes;
    for (const size_t size : sizes) bytes += repeat("a b. ", size / 5 + 1) + "\n\n";
    const Document document = read_bytes("a.txt", bytes);
    RC_ASSERT(document.ok);
    for (const Unit& unit : document.units) {
        size_t begin = 0;
        while (begin < unit.text.size()) {
            const size_t end = std::min(unit.text.find("\n\n", begin), unit.text.size());
            if (end < unit.text.size())
                RC_ASSERT(text::trim(unit.text.substr(begin, end - begin)).size() < 200u);
            begin = end + 2;
        }
    }
}

RC_GTEST_PROP(Property, ByteSoupIsReadOrRefused, ()) {
    const auto soup =
        *rc::gen::resize(2000, rc::gen::container<std::string>(rc::gen::arbitrary<char>()));
    const ReaderOptions options = *any_options();
    for (const char* name : {"a.txt", "a.md", "a.html", "a.pdf2"}) {
        const Document document = read_bytes(name, soup, options);
        if (!document.ok) {
            RC_ASSERT(!document.error.message.empty());
            continue;
        }
        // Conversion may lengthen a text: sizes are bounded in decoded bytes all the same.
        RC_ASSERT(broken_invariant(document, options) == "");
    }
}

RC_GTEST_PROP(Property, DamagedUtf8KeepsEveryOffset, ()) {
    std::string bytes = repeat("\u00E9\u65E5 caf\u00E9 ", 40) + *any_text();
    const auto places = *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, 400));
    for (const size_t place : places) {
        if (place < bytes.size() && place % 40 == 0) bytes[place] = '\xFF';
    }
    const Document document = read_bytes("a.txt", bytes);
    RC_ASSERT(document.ok);
    for (const Unit& unit : document.units) {
        const std::string slice = bytes.substr(unit.byte_begin, unit.byte_end - unit.byte_begin);
        if (document.header.encoding != "UTF-8") continue;
        RC_ASSERT(slice.size() == unit.text.size());
        for (size_t i = 0; i < slice.size(); ++i) {
            RC_ASSERT(unit.text[i] == slice[i] || unit.text[i] == '?');
        }
    }
}

}  // namespace
}  // namespace s3attn::text_test

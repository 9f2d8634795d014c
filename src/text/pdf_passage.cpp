// boxes_of_passage: a passage's letters are looked for among the page's, a run at a time, since
// what was read may differ from what stands there in hyphens, headers and raised figures.
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>

#include "text/pdf_page.h"

namespace s3attn::text {
namespace {

constexpr size_t kRun = 12;  // letters that must agree

// Letters, digits and marks in one form, and which word each is of.
struct Letters {
    std::u32string text;
    std::vector<uint32_t> word;
};

void add_letters(std::string_view utf8, uint32_t word, Letters& letters) {
    UErrorCode status = U_ZERO_ERROR;
    const icu::Normalizer2* const form = icu::Normalizer2::getNFKCCasefoldInstance(status);
    icu::UnicodeString text = icu::UnicodeString::fromUTF8(icu::StringPiece(
        utf8.data(), static_cast<int32_t>(std::min<size_t>(utf8.size(), 1 << 20))));
    if (U_SUCCESS(status)) text = form->normalize(text, status);
    for (int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
        const UChar32 c = text.char32At(at);
        if ((U_GET_GC_MASK(c) & (U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK)) == 0) continue;
        letters.text += static_cast<char32_t>(c);
        letters.word.push_back(word);
    }
}

std::u32string_view run_at(const std::u32string& text, size_t at, size_t length) {
    return std::u32string_view(text).substr(at, length);
}

struct Window {
    size_t begin = 0, end = 0, runs = 0;
};

// Of the places of the page where runs of the passage begin, the stretch no longer than the passage
// (and a header in between) that has most: the same words may stand elsewhere on the page too.
Window densest(const std::vector<size_t>& places, size_t passage) {
    const size_t most = passage + passage / 4 + kRun;
    Window best;
    for (size_t first = 0, last = 0; first < places.size(); ++first) {
        while (last < places.size() && places[last] - places[first] <= most) ++last;
        if (last - first > best.runs) best = {places[first], places[last - 1], last - first};
    }
    return best;
}

PdfBox joined(const PdfBox& a, const PdfBox& b) {
    return {std::min(a.left, b.left), std::min(a.top, b.top), std::max(a.right, b.right),
            std::max(a.bottom, b.bottom)};
}

}  // namespace

std::vector<PdfBox> boxes_of_passage(const PdfPage& page, std::string_view passage) {
    Letters wanted, there;
    add_letters(passage, 0, wanted);
    uint32_t words = 0;
    for (const PdfLine& line : page.lines) {
        for (const PdfWord& word : line.words) add_letters(word.text, words++, there);
    }
    const size_t run = std::min(kRun, wanted.text.size());
    if (run == 0 || there.text.size() < run) return {};
    std::unordered_map<std::u32string_view, int> runs;
    for (size_t at = 0; at + run <= wanted.text.size(); ++at) ++runs[run_at(wanted.text, at, run)];
    std::vector<size_t> places;
    for (size_t at = 0; at + run <= there.text.size(); ++at) {
        if (runs.count(run_at(there.text, at, run)) > 0) places.push_back(at);
    }
    const Window window = densest(places, wanted.text.size());
    std::vector<bool> marked(words);
    for (const size_t at : places) {
        if (window.runs == 0 || at < window.begin || at > window.end) continue;
        for (size_t i = at; i < at + run; ++i) marked[there.word[i]] = true;
    }
    std::vector<PdfBox> boxes;
    uint32_t number = 0;
    for (const PdfLine& line : page.lines) {
        bool follows = false;
        for (const PdfWord& word : line.words) {
            const bool is_marked = marked[number++];
            if (is_marked && follows) {
                boxes.back() = joined(boxes.back(), word.box);
            } else if (is_marked) {
                boxes.push_back(word.box);
            }
            follows = is_marked;
        }
    }
    return boxes;
}

}  // namespace s3attn::text

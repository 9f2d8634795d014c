// text_of_line: the words of one line, with what their places say about them.
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <string_view>

#include "text/pdf_text.h"
#include "text/script_marks.h"

namespace s3attn::text {
namespace {

// The distance between two boxes that stand side by side, in the direction in which they do (text
// may be turned, or run from right to left); below 0 where they overlap.
float distance(const PdfBox& a, const PdfBox& b) {
    return std::max({b.left - a.right, a.left - b.right, b.top - a.bottom, a.top - b.bottom});
}

bool all_digits(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || c == ',' || c == '-'; }) &&
           text.front() >= '0' && text.front() <= '9';
}

// Control characters have no place in a text; they come from fonts with a wrong map.
void append_printable(std::string& line, std::string_view word) {
    for (const char c : word) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            line += "\xEF\xBF\xBD";
        } else {
            line += c;
        }
    }
}

enum class Rise { kNone, kRaised, kLowered };

// Of `word` against the one in front of it, in a smaller size.
Rise rise_of(const PdfBox& base, const PdfBox& word) {
    const float height = base.height();
    if (word.height() > 0.85f * height) return Rise::kNone;
    if (word.bottom < base.bottom - 0.2f * height) return Rise::kRaised;
    return word.bottom > base.bottom + 0.03f * height ? Rise::kLowered : Rise::kNone;
}

}  // namespace

std::string text_of_line(const PdfLine& line) {
    std::string text;
    ScriptMarks marks(text);
    const PdfWord* base = nullptr;  // the last word of ordinary height
    const PdfWord* previous = nullptr;
    for (const PdfWord& word : line.words) {
        if (previous != nullptr) {
            const float gap = distance(previous->box, word.box);
            const float height = std::max(base->box.height(), word.box.height());
            const Rise rise = rise_of(base->box, word.box);
            if (rise != Rise::kNone && gap < 0.25f * height && all_digits(word.text)) {
                marks.open(rise == Rise::kLowered ? ScriptMarks::Kind::kSubscript
                                                  : ScriptMarks::Kind::kSuperscript);
                text += word.text;
                marks.close();
                previous = &word;
                continue;
            }
            if (gap > 0.08f * std::min(base->box.height(), word.box.height())) text += ' ';
        }
        marks.before(word.text);
        append_printable(text, word.text);
        base = previous = &word;
    }
    return text;
}

}  // namespace s3attn::text

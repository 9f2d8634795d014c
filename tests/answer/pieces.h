// Texts fed to a stream filter in pieces.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <string_view>
#include <vector>

#include "s3attn/types.h"

namespace s3attn {

// Everything a filter lets through of `text`, fed in pieces of the given lengths (the last piece
// takes the rest; lengths of 0 feed empty pieces).
template <typename Filter>
std::string filter_in_pieces(Filter& filter, std::string_view text,
                             const std::vector<size_t>& lengths) {
    std::string out;
    for (const size_t length : lengths) {
        const size_t taken = std::min(length, text.size());
        out += filter.feed(text.substr(0, taken));
        text.remove_prefix(taken);
    }
    out += filter.feed(text);
    return out + filter.finish();
}

inline rc::Gen<std::vector<size_t>> piece_lengths() {
    return rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, 7));
}

// A text of these parts in any order and number: what is rare in random bytes is common here.
inline rc::Gen<std::string> text_of(std::vector<std::string> parts) {
    return rc::gen::map(
        rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::move(parts))),
        [](const std::vector<std::string>& chosen) {
            std::string text;
            for (const std::string& part : chosen) text += part;
            return text;
        });
}

inline Span make_span(uint64_t byte_begin, const std::string& text) {
    Span span;
    span.doc_id = DocumentId(1);
    span.path = "facts.txt";
    span.byte_begin = byte_begin;
    span.byte_end = byte_begin + text.size();
    span.line_begin = span.line_end = static_cast<uint32_t>(byte_begin / 100 + 1);
    span.text = text;
    return span;
}

}  // namespace s3attn

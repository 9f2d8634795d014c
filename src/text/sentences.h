// Sentence boundaries (ICU, plus an abbreviation list, since ICU cuts after "Dr. ").
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

namespace s3attn {

// Byte ranges [begin, end) of the sentences of valid UTF-8 text, trimmed of surrounding
// whitespace, in order, without overlap.
std::vector<std::pair<size_t, size_t>> split_sentences(std::string_view text);

}  // namespace s3attn

// Content words of a text: case-folded, stemmed, without stop words. What "shares a word with"
// means in evidence.h and answer.h (the lexical index has its own tokenizer inside SQLite).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace s3attn {

// Stems in text order, repeats kept. Words are runs of letters, digits and marks; ideographs and
// kana are words of their own; "'s" is dropped. English stop words and English stems; words of
// other languages pass through whole or nearly so.
std::vector<std::string> content_words(std::string_view text);

// The distinct ones, sorted.
std::vector<std::string> content_word_set(std::string_view text);

}  // namespace s3attn

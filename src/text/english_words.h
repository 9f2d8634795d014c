// Whether a word stands in the English dictionary of the system (hunspell-en-us). Only hyphens at
// line ends are decided by it.
#pragma once

#include <string>

namespace s3attn::text {

enum class KnownWord { kYes, kNo, kNoDictionary };
KnownWord is_english_word(const std::string& word);

}  // namespace s3attn::text

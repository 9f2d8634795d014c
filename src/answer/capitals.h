// Capital letters, by which names are told from other words.
#pragma once

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <string_view>

namespace s3attn {

inline bool begins_with_capital(std::string_view word) {
    if (word.empty()) return false;
    size_t i = 0;
    UChar32 c = 0;
    U8_NEXT(word.data(), i, word.size(), c);
    return c > 0 && (u_isupper(c) || u_istitle(c));
}

}  // namespace s3attn

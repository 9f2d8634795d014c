// What LongBench's metrics take from Python's str: code points, lower(), split(), and \d+ of re.
// Text is UTF-8 outside and UTF-32 inside; bytes that are no UTF-8 count as U+FFFD.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace s3attn::eval {

std::u32string code_points(std::string_view utf8);

// str.lower(): the full mapping, "İ" becomes two code points, a final sigma is told apart.
std::u32string python_lower(std::string_view utf8);

// str.isspace() of one code point.
bool python_space(char32_t c);
// \w of re: letters, numbers of any kind, and the underscore; no combining marks.
bool python_word(char32_t c);

// str.split(): runs of white space divide, nothing is empty.
std::vector<std::u32string> python_split(std::u32string_view text);
// str.split(c): every c divides, parts may be empty.
std::vector<std::u32string> python_split_at(std::u32string_view text, char32_t c);

// re.findall(r"\d+", text)
std::vector<std::u32string> digit_runs(std::u32string_view text);

}  // namespace s3attn::eval

// JSON from files that anybody may have written or damaged.
#pragma once

#include <string>
#include <string_view>

#include "eval/run_record.h"
#include "s3attn/result.h"

namespace s3attn::eval {

// nlohmann copies and prints a value by recursion, so that a text of brackets alone would use up
// the stack. No record of ours or of a data set comes near this depth.
inline constexpr int kMaxJsonDepth = 64;

// kCorrupt says where in the text and why, in one short line: "not JSON at line 3, column 10: ...";
// without the line where the text has but one.
Result<Json> parse_json(std::string_view text);

// Its Error::reason where the text only ends too soon: the first line of an object that goes on
// over the next ones.
inline constexpr char kEndsTooSoon[] = "json.ends_too_soon";

// At most `bytes` bytes of a text, cut between two characters; what was cut is told by "...".
std::string shortened(std::string text, size_t bytes);

}  // namespace s3attn::eval

// The drill-down of a report: every question with its gold evidence, and what each method retrieved
// and answered, the gold parts of it marked.
#pragma once

#include <string>

#include "eval/run_record.h"

namespace s3attn::eval {

// At most `most` questions (0: all), those first on which the methods differ most in `metric`.
std::string html_questions(const Json& rows, const std::string& metric, size_t most);

}  // namespace s3attn::eval

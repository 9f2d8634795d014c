// Questions that a model writes itself, as training queries beside the sentences of the inverse
// cloze.
#pragma once

#include <functional>
#include <string>

#include "s3attn/result.h"

namespace s3attn {

// A question that the paragraph answers, on one line; empty when the model wrote none.
using QuestionWriter = std::function<Result<std::string>(const std::string& paragraph)>;

// What the model is asked.
std::string question_prompt(const std::string& paragraph);
// The first question in a model's reply: from the begin of its line to the question mark, without
// marks of a list. Empty when there is none, or when it has fewer than four words.
std::string question_in(const std::string& reply);

}  // namespace s3attn

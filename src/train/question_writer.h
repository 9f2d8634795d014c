// Questions that a model writes itself, as training queries beside the sentences of the inverse
// cloze.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

struct QuestionTask {
    std::string paragraph;
    bool in_english = false;  // else in the paragraph's language
};
// A question that each paragraph answers, on one line; empty where the model wrote none.
using QuestionWriter =
    std::function<Result<std::vector<std::string>>(std::span<const QuestionTask> tasks)>;

// Paragraphs with what is asked about them: each in its own language, but every third one that is
// not English in English, so that a question finds text in another language.
std::vector<QuestionTask> question_tasks(std::span<const std::string> paragraphs);

// What the model is asked.
std::string question_prompt(const QuestionTask& task);
// The first question in a model's reply: from the begin of its line to the question mark, without
// marks of a list. Empty when there is none, or when it has fewer than four words.
std::string question_in(const std::string& reply);
}  // namespace s3attn

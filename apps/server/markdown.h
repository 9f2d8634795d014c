// An answer with its evidence as Markdown, to be kept or passed on.
#pragma once

#include <string>

#include "chat.h"

namespace s3attn::server {

// Question, quote, answer, and every passage the answer rests on with its place and text.
std::string markdown_of(const Service& service, const ChatRequest& request, const AnswerEvent& done,
                        const std::string& text);

}  // namespace s3attn::server

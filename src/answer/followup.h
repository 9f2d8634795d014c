// What to search for when a question belongs to a conversation.
#pragma once

#include <string>
#include <vector>

#include "s3attn/types.h"

namespace s3attn {

// A question that points back ("When did he leave?", "And then?", "Why?") is searched for together
// with the user's question before it; any other stands for itself. English words decide.
std::string retrieval_question(const std::vector<ChatTurn>& history, const std::string& question);

}  // namespace s3attn

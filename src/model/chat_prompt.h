// Turns messages into prompt tokens through the model's chat template, with message texts as
// data: the template is applied to marks in their place, and only the template's own words are
// looked through for control tokens. A document that contains "<|im_end|>" cannot end a turn.
#pragma once

#include <llama.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/language_model.h"
#include "model/llama_tokenizer.h"
#include "model/reader.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

class ChatPrompt {
  public:
    // Both must outlive the object.
    ChatPrompt(const llama_model* model, const LlamaTokenizer* tokenizer,
               ChatTemplate wanted = ChatTemplate::kAuto);

    // What is used; not what was wanted where the model does not have it.
    ChatTemplate kind() const { return kind_; }

    // What is used instead of the model's own template, in words; empty where that is used or
    // another one was asked for.
    std::string_view stand_in() const;

    Result<std::vector<int32_t>> tokens(std::span<const ChatTurn> messages) const;

    // Text that ends an answer although no token does; empty for models with a chat template.
    const std::string& stop_text() const { return stop_text_; }

  private:
    // Template text, or the message of this index.
    struct Part {
        std::string text;
        int64_t message = -1;
    };
    Result<std::vector<Part>> parts(std::span<const ChatTurn> messages) const;
    static std::vector<Part> plain_parts(std::span<const ChatTurn> messages);
    std::vector<Part> template_parts(std::span<const ChatTurn> messages) const;
    Status append_run(std::string& run, std::vector<int32_t>& ids) const;
    // Longest control token whose text starts at the front; LLAMA_TOKEN_NULL if none.
    llama_token control_at(std::string_view text, size_t& length) const;

    const llama_vocab* vocab_;
    const LlamaTokenizer* tokenizer_;
    std::string template_;  // empty: plain "User: ... Assistant:"
    ChatTemplate kind_ = ChatTemplate::kPlain;
    std::string stop_text_;
    bool chosen_ = false;  // by the caller
    std::unordered_map<std::string, llama_token> controls_;
    size_t longest_control_ = 0;
};

}  // namespace s3attn

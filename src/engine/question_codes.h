// A question as the index is asked: the model's queries for its tokens, as weights of features.
// Weights of a long question are made a block of tokens at a time, so that memory is bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/codes.h"
#include "model/language_model.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

inline constexpr uint32_t kMaxQuestionTokens = 2048;
inline constexpr uint32_t kQuestionBlock = 256;  // tokens whose weights are held at once

// kInvalidArgument for a question of more than kMaxQuestionTokens.
Result<Tokens> question_tokens(const Tokenizer& tokenizer, const std::string& question);

class QuestionCodes {
  public:
    // A question longer than a chunk is read in several independent windows. With `before`, it is
    // read behind these tokens, in one window that must hold both. The adapter must outlive the
    // codes.
    static Result<QuestionCodes> make(Scanner& scanner, const Adapter& adapter,
                                      const Tokens& tokens, Scoring scoring,
                                      const CancelToken* cancel = nullptr,
                                      std::span<const int32_t> before = {});

    uint32_t n_tokens() const { return n_; }
    uint32_t n_blocks() const { return (n_ + kQuestionBlock - 1) / kQuestionBlock; }
    // Codes of tokens kQuestionBlock * b and following; token_share is of the whole question.
    QueryCodes block(uint32_t b) const;

  private:
    const Adapter* adapter_ = nullptr;
    Scoring scoring_ = Scoring::kAttention;
    uint32_t n_ = 0;
    std::vector<std::vector<float>> rows_;   // [head][token][d_head], as captured
    std::vector<std::vector<float>> share_;  // [head][token]; with several blocks only
};

}  // namespace s3attn

// A language model opened for measuring answers: greedy continuations of plain or chat prompts,
// and how likely the model finds a given continuation. (Answers for people: Generator.)
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/language_model.h"
#include "model/llama_model.h"
#include "s3attn/result.h"

namespace s3attn {

// The whole prompt. Special-token text in it stays text.
struct ReaderPrompt {
    std::string text;
    bool chat = true;  // as the user's message through the model's chat template; false: as it is
};

struct AnsweringOptions {
    uint32_t max_tokens = 64;
    // The answer ends before the first newline; its first token is neither a newline nor the end
    // (LongBench's rule for samsum).
    bool one_line = false;
};

struct ReaderAnswer {
    std::string text;  // valid UTF-8
    uint32_t prompt_tokens = 0, answer_tokens = 0;
    bool stopped_at_limit = false;
    double prefill_seconds = 0, decode_seconds = 0;
};

struct Likelihood {
    uint32_t tokens = 0;
    double log_likelihood = 0;  // natural logarithm, summed over the tokens
};

// Not thread-safe. Keeps the last prompt's cache: a call whose prompt begins like the last one
// computes only what differs; answer() alone always starts afresh, so that its times compare.
class Reader {
  public:
    virtual ~Reader() = default;
    virtual const ModelInfo& info() const = 0;
    virtual const Tokenizer& tokenizer() const = 0;
    virtual uint32_t context_tokens() const = 0;  // window in use

    // Tokens that the prompt takes, template and BOS included.
    virtual Result<uint32_t> count(const ReaderPrompt& prompt) const = 0;
    // Greedy. kInvalidArgument when the prompt and one token do not fit the window.
    virtual Result<ReaderAnswer> answer(const ReaderPrompt& prompt,
                                        const AnsweringOptions& options) = 0;
    // Of `continuation` behind the prompt, tokenized on its own. Only its first `max_tokens`
    // tokens count (0: as many as the window holds).
    virtual Result<Likelihood> likelihood(const ReaderPrompt& prompt, std::string_view continuation,
                                          uint32_t max_tokens) = 0;
    // Log-probability of every token of the vocabulary to come next.
    virtual Result<std::vector<float>> next_token(const ReaderPrompt& prompt) = 0;
    // Gives the cache's memory back; the next call makes a new one.
    virtual void release() = 0;
};

Result<std::unique_ptr<Reader>> open_llama_reader(const GeneratorOptions& options);

}  // namespace s3attn

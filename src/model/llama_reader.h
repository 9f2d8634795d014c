// A decoder-only GGUF behind the Reader interface: one set of weights, one context, two uses
// (llama_chat.cpp answers people, llama_reader.cpp is measured).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/chat_prompt.h"
#include "model/llama_support.h"
#include "model/llama_tokenizer.h"
#include "model/reader.h"

namespace s3attn {

class LlamaReader final : public LocalReader {
  public:
    LlamaReader(LocalReaderOptions options, ReaderInfo info, llama_model_ptr model,
                std::unique_ptr<LlamaTokenizer> tokenizer);

    const ReaderInfo& info() const override { return info_; }
    const Tokenizer& tokenizer() const override { return *tokenizer_; }
    void release() override;

    Result<uint32_t> count(std::string_view text) const override { return tokenizer_->count(text); }
    Result<uint32_t> count_chat(std::span<const ChatTurn> messages) const override;
    Result<uint32_t> count_prompt(const ReaderPrompt& prompt) const override;
    Result<GenerateResult> chat(std::span<const ChatTurn> messages, const GenerateOptions& options,
                                const std::function<bool(std::string_view)>& on_piece) override;
    Result<ReaderAnswer> answer(const ReaderPrompt& prompt,
                                const AnsweringOptions& options) override;
    Result<Likelihood> likelihood(const ReaderPrompt& prompt, std::string_view continuation,
                                  uint32_t max_tokens) override;
    Result<std::vector<float>> next_token(const ReaderPrompt& prompt) override;

  private:
    // Tokens of one pass, and positions whose logits are kept at once.
    struct Shape {
        uint32_t batch = 0, outputs = 0;
        bool operator==(const Shape&) const = default;
    };
    Shape chat_shape() const;

    // An exception of llama.cpp becomes an error; after any failure the cache is given up.
    template <class T, class F>
    Result<T> guarded(const F& run);
    Result<std::vector<int32_t>> tokens_of(const ReaderPrompt& prompt) const;
    Result<GenerateResult> run_chat(std::span<const ChatTurn> messages,
                                    const GenerateOptions& options,
                                    const std::function<bool(std::string_view)>& on_piece);
    Result<ReaderAnswer> run_answer(const ReaderPrompt& prompt, const AnsweringOptions& options);
    Result<Likelihood> run_likelihood(const ReaderPrompt& prompt, std::string_view continuation,
                                      uint32_t max_tokens);
    // A context of at least `tokens`; with `anew` of the size that a fresh reader would make.
    Status ensure_context(uint64_t tokens, const Shape& shape, bool anew = false);
    // Afterwards the cache holds exactly `ids`, and logits(-1) are those behind the last of them.
    Status prefill(const std::vector<int32_t>& ids, const CancelToken* cancel = nullptr);
    Status check_fits(size_t prompt_tokens) const;
    // Appends ids; logits for each of them, or only for the last. kCancelled in the midst of it.
    Status decode(std::span<const int32_t> ids, bool all_logits,
                  const CancelToken* cancel = nullptr);
    std::span<const float> logits(int32_t i) const {
        return {llama_get_logits_ith(context_.get(), i),
                static_cast<size_t>(llama_vocab_n_tokens(vocab_))};
    }
    int32_t likeliest(bool first_of_line) const;

    LocalReaderOptions options_;  // with the window that is used
    ReaderInfo info_;
    llama_model_ptr model_;
    std::unique_ptr<LlamaTokenizer> tokenizer_;
    ChatPrompt prompt_;
    const llama_vocab* vocab_;
    llama_context_ptr context_;
    Shape shape_;                  // of context_
    std::vector<int32_t> cached_;  // tokens whose keys the context holds
};

template <class T, class F>
Result<T> LlamaReader::guarded(const F& run) {
    try {
        auto result = run();
        if (!result.ok()) cached_.clear();
        return result;
    } catch (const std::exception& e) {
        cached_.clear();
        return make_error(ErrorCode::kInternal,
                          "while reading with " + options_.model_path + ": " + e.what());
    }
}

}  // namespace s3attn

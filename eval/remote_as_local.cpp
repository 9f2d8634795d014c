#include "eval/remote_as_local.h"

#include <utility>

#include "model/llama_model.h"
#include "remote/remote_reader.h"

namespace s3attn::eval {
namespace {

class RemoteAsLocal final : public LocalReader {
  public:
    RemoteAsLocal(std::unique_ptr<Reader> reader, std::shared_ptr<const Tokenizer> tokenizer)
        : reader_(std::move(reader)), tokenizer_(std::move(tokenizer)) {}

    const ReaderInfo& info() const override { return reader_->info(); }
    const Tokenizer& tokenizer() const override { return *tokenizer_; }
    Result<uint32_t> count(std::string_view text) const override { return reader_->count(text); }
    Result<uint32_t> count_chat(std::span<const ChatTurn> messages) const override {
        return reader_->count_chat(messages);
    }
    // With the margin: prompts are cut to fit by this count.
    Result<uint32_t> count_prompt(const ReaderPrompt& prompt) const override {
        const ChatTurn message{"user", prompt.text};
        S3ATTN_TRY(const uint32_t tokens, reader_->count_chat({&message, 1}));
        return static_cast<uint32_t>(tokens * (1 + info().count_margin));
    }
    Result<GenerateResult> chat(std::span<const ChatTurn> messages, const GenerateOptions& options,
                                const std::function<bool(std::string_view)>& on_piece) override {
        return reader_->chat(messages, options, on_piece);
    }
    Result<ReaderAnswer> answer(const ReaderPrompt& prompt,
                                const AnsweringOptions& options) override {
        ReaderAnswer answer;
        const ChatTurn message{"user", prompt.text};
        GenerateOptions generate;
        generate.max_tokens = options.max_tokens;
        S3ATTN_TRY(const GenerateResult result,
                   reader_->chat({&message, 1}, generate, [&](std::string_view piece) {
                       answer.text += piece;
                       const size_t end =
                           options.one_line ? answer.text.find('\n') : std::string::npos;
                       if (end == std::string::npos) return true;
                       answer.text.resize(end);
                       return false;
                   }));
        answer.prompt_tokens = result.prompt_tokens;
        answer.answer_tokens = result.generated_tokens;
        answer.stopped_at_limit = result.stopped_at_limit();
        answer.prefill_seconds = result.first_token_ms / 1e3;
        answer.decode_seconds = (result.total_ms - result.first_token_ms) / 1e3;
        return answer;
    }
    Result<std::vector<float>> next_token(const ReaderPrompt&) override {
        return make_error(ErrorCode::kUnsupported, "the reader '" + info().name +
                                                       "' is behind a server and has no weights "
                                                       "here: pass --no-likelihood");
    }
    void release() override {}

  private:
    std::unique_ptr<Reader> reader_;
    std::shared_ptr<const Tokenizer> tokenizer_;
};

}  // namespace

Result<std::unique_ptr<LocalReader>> open_remote_as_local(const EngineOptions& engine) {
    S3ATTN_TRY(std::shared_ptr<const Tokenizer> tokenizer, open_llama_tokenizer(engine.model));
    RemoteOptions remote = engine.remote;
    if (engine.reader_context > 0) remote.window_tokens = engine.reader_context;
    const auto count = [tokenizer](std::string_view text) { return tokenizer->count(text); };
    S3ATTN_TRY(auto reader, open_remote_reader(engine.reader, remote, count, nullptr));
    return std::unique_ptr<LocalReader>(
        std::make_unique<RemoteAsLocal>(std::move(reader), tokenizer));
}

}  // namespace s3attn::eval

// Answers for people: chat() through the model's template, sampled, streamed in whole characters.
#include <algorithm>

#include "base/timing.h"
#include "base/utf8.h"
#include "model/llama_reader.h"

namespace s3attn {
namespace {

constexpr uint32_t kPrefillBatch = 512, kDevicePrefillBatch = 2048;

// Holds back what may still change: the begin of a character, or of the stop text.
class AnswerStream {
  public:
    AnswerStream(const std::string& stop_text, const std::function<bool(std::string_view)>& sink)
        : stop_text_(stop_text), sink_(sink) {}

    // False: the answer is over (stop text seen, or the receiver wants no more).
    bool push(std::string_view piece) {
        pending_ += piece;
        if (!stop_text_.empty()) {
            const size_t stop = pending_.find(stop_text_);
            if (stop != std::string::npos) {
                pending_.resize(stop);
                flush(pending_.size());
                stopped_ = true;
                return false;
            }
        }
        const size_t whole = utf8_whole_prefix(pending_);
        return flush(std::min(whole, pending_.size() - stop_overlap()));
    }

    // At the end; half a character is dropped.
    void finish() { flush(utf8_whole_prefix(pending_)); }
    bool stopped() const { return stopped_; }  // by the stop text

  private:
    size_t stop_overlap() const {
        for (size_t n = std::min(stop_text_.size(), pending_.size()); n > 0; --n) {
            if (pending_.ends_with(std::string_view(stop_text_).substr(0, n))) return n;
        }
        return 0;
    }
    bool flush(size_t bytes) {
        if (bytes == 0) return true;
        const std::string piece = with_valid_utf8(std::string_view(pending_).substr(0, bytes));
        pending_.erase(0, bytes);
        return sink_(piece);
    }

    const std::string& stop_text_;
    const std::function<bool(std::string_view)>& sink_;
    std::string pending_;
    bool stopped_ = false;
};

llama_sampler_ptr make_sampler(const GenerateOptions& options) {
    llama_sampler_ptr chain(llama_sampler_chain_init(llama_sampler_chain_default_params()));
    if (!(options.temperature > 0.0f)) {
        llama_sampler_chain_add(chain.get(), llama_sampler_init_greedy());
        return chain;
    }
    llama_sampler_chain_add(chain.get(), llama_sampler_init_top_k(40));
    llama_sampler_chain_add(chain.get(), llama_sampler_init_top_p(0.95f, 1));
    llama_sampler_chain_add(chain.get(), llama_sampler_init_min_p(0.05f, 1));
    llama_sampler_chain_add(chain.get(), llama_sampler_init_temp(options.temperature));
    llama_sampler_chain_add(chain.get(), llama_sampler_init_dist(options.seed));
    return chain;
}

}  // namespace

LlamaReader::Shape LlamaReader::chat_shape() const {
    return {options_.device == Device::kCuda ? kDevicePrefillBatch : kPrefillBatch, 1};
}

Result<uint32_t> LlamaReader::count_chat(std::span<const ChatTurn> messages) const {
    S3ATTN_TRY(const std::vector<int32_t> ids, prompt_.tokens(messages));
    return static_cast<uint32_t>(ids.size());
}

Result<GenerateResult> LlamaReader::chat(std::span<const ChatTurn> messages,
                                         const GenerateOptions& options,
                                         const std::function<bool(std::string_view)>& on_piece) {
    return guarded<GenerateResult>([&] { return run_chat(messages, options, on_piece); });
}

Result<GenerateResult> LlamaReader::run_chat(
    std::span<const ChatTurn> messages, const GenerateOptions& options,
    const std::function<bool(std::string_view)>& on_piece) {
    const Stopwatch watch;
    if (options.max_tokens == 0) {
        return make_error(ErrorCode::kInvalidArgument, "an answer needs at least one token");
    }
    S3ATTN_TRY(const std::vector<int32_t> ids, prompt_.tokens(messages));
    S3ATTN_CHECK(check_fits(ids.size()));
    GenerateResult result;
    if (!prompt_.stand_in().empty()) result.notes.emplace_back(prompt_.stand_in());
    result.prompt_tokens = static_cast<uint32_t>(ids.size());
    const uint32_t room = std::min(options.max_tokens, info_.window_tokens - result.prompt_tokens);
    cached_.clear();
    S3ATTN_CHECK(ensure_context(result.prompt_tokens + room, chat_shape()));
    S3ATTN_CHECK(prefill(ids, options.cancel));

    const llama_sampler_ptr sampler = make_sampler(options);
    AnswerStream stream(prompt_.stop_text(), on_piece);
    const auto cancelled = [&] { return options.cancel != nullptr && options.cancel->cancelled(); };
    for (;;) {
        const int32_t id = llama_sampler_sample(sampler.get(), context_.get(), -1);
        if (result.generated_tokens == 0) result.first_token_ms = watch.milliseconds();
        if (llama_vocab_is_eog(vocab_, id)) break;
        ++result.generated_tokens;
        if (!stream.push(tokenizer_->piece(id))) {
            if (!stream.stopped()) result.finish = FinishReason::kCancelled;
            result.total_ms = watch.milliseconds();
            return result;
        }
        if (result.generated_tokens == room) {
            result.finish = FinishReason::kLength;
            break;
        }
        Status decoded;
        if (!cancelled()) decoded = decode({&id, 1}, false, options.cancel);
        if (!decoded.ok() && decoded.error().code != ErrorCode::kCancelled) return decoded.error();
        if (cancelled()) {
            result.finish = FinishReason::kCancelled;
            result.total_ms = watch.milliseconds();
            return result;
        }
    }
    stream.finish();
    result.total_ms = watch.milliseconds();
    return result;
}

}  // namespace s3attn

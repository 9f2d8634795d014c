#include <algorithm>
#include <exception>

#include "base/files.h"
#include "base/timing.h"
#include "model/answering_model.h"
#include "model/chat_prompt.h"
#include "model/utf8.h"

namespace s3attn {
namespace {

constexpr uint32_t kPrefillBatch = 512, kDevicePrefillBatch = 2048;
constexpr uint32_t kSmallestContext = 1024;

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
                return false;
            }
        }
        const size_t whole = utf8_whole_prefix(pending_);
        return flush(std::min(whole, pending_.size() - stop_overlap()));
    }

    // At the end; half a character is dropped.
    void finish() { flush(utf8_whole_prefix(pending_)); }

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

class LlamaGenerator final : public Generator {
  public:
    explicit LlamaGenerator(AnsweringModel opened)
        : options_(std::move(opened.options)),
          info_(std::move(opened.info)),
          model_(std::move(opened.weights)),
          tokenizer_(std::move(opened.tokenizer)),
          prompt_(model_.get(), tokenizer_.get()) {}

    const ModelInfo& info() const override { return info_; }
    const Tokenizer& tokenizer() const override { return *tokenizer_; }
    uint32_t context_tokens() const override { return options_.context_tokens; }

    Result<uint32_t> count_chat(std::span<const ChatMessage> messages) const override {
        S3ATTN_TRY(const std::vector<int32_t> ids, prompt_.tokens(messages));
        return static_cast<uint32_t>(ids.size());
    }

    Result<GenerateResult> chat(std::span<const ChatMessage> messages,
                                const GenerateOptions& options,
                                const std::function<bool(std::string_view)>& on_piece) override {
        try {
            return run_chat(messages, options, on_piece);
        } catch (const std::exception& e) {
            return make_error(ErrorCode::kInternal, std::string("while answering with ") +
                                                        options_.model_path + ": " + e.what());
        }
    }

  private:
    Result<GenerateResult> run_chat(std::span<const ChatMessage> messages,
                                    const GenerateOptions& options,
                                    const std::function<bool(std::string_view)>& on_piece);
    Status ensure_context(uint32_t tokens);
    Status decode(std::span<int32_t> ids, const CancelToken* cancel);
    uint32_t prefill_batch() const {
        return options_.device == Device::kCuda ? kDevicePrefillBatch : kPrefillBatch;
    }

    GeneratorOptions options_;
    ModelInfo info_;
    llama_model_ptr model_;
    std::unique_ptr<LlamaTokenizer> tokenizer_;
    ChatPrompt prompt_;
    llama_context_ptr context_;
};

// The cache of a full window can be larger than the model: it grows with the prompts.
Status LlamaGenerator::ensure_context(uint32_t tokens) {
    if (context_ && llama_n_ctx(context_.get()) >= tokens) return {};
    uint64_t size = kSmallestContext;
    while (size < tokens) size *= 2;
    context_.reset();
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(std::min<uint64_t>(size, options_.context_tokens));
    params.n_batch = prefill_batch();
    params.n_ubatch = params.n_batch;
    params.n_outputs_max = 1;
    params.n_threads = static_cast<int32_t>(thread_count(options_.threads));
    params.n_threads_batch = params.n_threads;
    params.no_perf = true;
    take_llama_errors();
    context_.reset(llama_init_from_model(model_.get(), params));
    if (!context_) {
        return make_error(ErrorCode::kUnsupported,
                          "llama.cpp cannot make a context of " + std::to_string(params.n_ctx) +
                              " tokens for " + options_.model_path + ": " + take_llama_errors() +
                              ". Try a smaller window.");
    }
    return {};
}

Status LlamaGenerator::decode(std::span<int32_t> ids, const CancelToken* cancel) {
    take_llama_errors();
    const auto stop = [](void* token) {
        return token != nullptr && static_cast<const CancelToken*>(token)->cancelled();
    };
    llama_set_abort_callback(context_.get(), stop, const_cast<CancelToken*>(cancel));
    const int32_t status = llama_decode(
        context_.get(), llama_batch_get_one(ids.data(), static_cast<int32_t>(ids.size())));
    llama_set_abort_callback(context_.get(), nullptr, nullptr);
    if (status == 0) return {};
    if (status == 2) return make_error(ErrorCode::kCancelled, "the answer was cancelled");
    return make_error(ErrorCode::kInternal,
                      "llama.cpp could not compute " + std::to_string(ids.size()) + " tokens of " +
                          options_.model_path + " (status " + std::to_string(status) +
                          "): " + take_llama_errors());
}

Result<GenerateResult> LlamaGenerator::run_chat(
    std::span<const ChatMessage> messages, const GenerateOptions& options,
    const std::function<bool(std::string_view)>& on_piece) {
    const Stopwatch watch;
    if (options.max_tokens == 0) {
        return make_error(ErrorCode::kInvalidArgument, "an answer needs at least one token");
    }
    S3ATTN_TRY(std::vector<int32_t> ids, prompt_.tokens(messages));
    if (ids.size() + 1 > options_.context_tokens) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the prompt has " + std::to_string(ids.size()) +
                              " tokens; the window of " + info_.name + " in use holds " +
                              std::to_string(options_.context_tokens) +
                              ", the answer included. Use a smaller budget or a larger window.");
    }
    GenerateResult result;
    result.prompt_tokens = static_cast<uint32_t>(ids.size());
    const uint32_t room =
        std::min(options.max_tokens, options_.context_tokens - result.prompt_tokens);
    S3ATTN_CHECK(ensure_context(result.prompt_tokens + room));
    llama_memory_clear(llama_get_memory(context_.get()), false);
    for (size_t at = 0; at < ids.size(); at += prefill_batch()) {
        const size_t n = std::min<size_t>(prefill_batch(), ids.size() - at);
        S3ATTN_CHECK(decode(std::span(ids).subspan(at, n), options.cancel));
    }

    const llama_vocab* vocab = llama_model_get_vocab(model_.get());
    const llama_sampler_ptr sampler = make_sampler(options);
    AnswerStream stream(prompt_.stop_text(), on_piece);
    for (bool open = true; open;) {
        int32_t id = llama_sampler_sample(sampler.get(), context_.get(), -1);
        if (result.generated_tokens == 0) result.first_token_ms = watch.milliseconds();
        if (llama_vocab_is_eog(vocab, id)) break;
        ++result.generated_tokens;
        open = stream.push(tokenizer_->piece(id));
        if (open && result.generated_tokens == room) {
            result.stopped_at_limit = true;
            open = false;
        }
        if (open && options.cancel != nullptr && options.cancel->cancelled()) open = false;
        if (open) {
            const Status decoded = decode({&id, 1}, options.cancel);
            open = decoded.ok();
            if (!open && decoded.error().code != ErrorCode::kCancelled) return decoded.error();
        }
        if (!open && !result.stopped_at_limit) {
            result.total_ms = watch.milliseconds();
            return result;  // stop text or the receiver: nothing more is wanted
        }
    }
    stream.finish();
    result.total_ms = watch.milliseconds();
    return result;
}

}  // namespace

Result<std::unique_ptr<Generator>> open_llama_generator(const GeneratorOptions& options) {
    S3ATTN_TRY(AnsweringModel opened, open_answering_model(options));
    return std::unique_ptr<Generator>(std::make_unique<LlamaGenerator>(std::move(opened)));
}

}  // namespace s3attn

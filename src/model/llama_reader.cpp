#include <algorithm>
#include <cmath>
#include <exception>

#include "base/files.h"
#include "base/timing.h"
#include "model/answering_model.h"
#include "model/chat_prompt.h"
#include "model/reader.h"
#include "model/utf8.h"

namespace s3attn {
namespace {

constexpr uint32_t kBatch = 512;
constexpr uint32_t kScoreBatch = 32;  // positions whose logits are kept at once
constexpr uint32_t kRoomToScore = 64;
constexpr uint32_t kSmallestPrompt = 1024;

double log_sum_exp(std::span<const float> logits) {
    const float top = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x - top));
    return top + std::log(sum);
}

class LlamaReader final : public Reader {
  public:
    explicit LlamaReader(AnsweringModel opened)
        : options_(std::move(opened.options)),
          info_(std::move(opened.info)),
          model_(std::move(opened.weights)),
          tokenizer_(std::move(opened.tokenizer)),
          chat_(model_.get(), tokenizer_.get()),
          vocab_(llama_model_get_vocab(model_.get())) {}

    const ModelInfo& info() const override { return info_; }
    const Tokenizer& tokenizer() const override { return *tokenizer_; }
    uint32_t context_tokens() const override { return options_.context_tokens; }
    void release() override {
        context_.reset();
        cached_.clear();
    }

    Result<uint32_t> count(const ReaderPrompt& prompt) const override {
        S3ATTN_TRY(const std::vector<int32_t> ids, tokens_of(prompt));
        return static_cast<uint32_t>(ids.size());
    }
    Result<ReaderAnswer> answer(const ReaderPrompt& prompt,
                                const AnsweringOptions& options) override {
        return guarded<ReaderAnswer>([&] { return run_answer(prompt, options); });
    }
    Result<Likelihood> likelihood(const ReaderPrompt& prompt, std::string_view continuation,
                                  uint32_t max_tokens) override {
        return guarded<Likelihood>(
            [&] { return run_likelihood(prompt, continuation, max_tokens); });
    }
    Result<std::vector<float>> next_token(const ReaderPrompt& prompt) override {
        return guarded<std::vector<float>>([&]() -> Result<std::vector<float>> {
            S3ATTN_TRY(const std::vector<int32_t> ids, tokens_of(prompt));
            S3ATTN_CHECK(prefill(ids, 1));
            const std::span<const float> row = logits(-1);
            const double norm = log_sum_exp(row);
            std::vector<float> out(row.size());
            std::transform(row.begin(), row.end(), out.begin(),
                           [norm](float x) { return static_cast<float>(x - norm); });
            return out;
        });
    }

  private:
    template <class T, class F>
    Result<T> guarded(const F& run) {
        try {
            auto result = run();
            if (!result.ok()) cached_.clear();
            return result;
        } catch (const std::exception& e) {
            cached_.clear();
            return make_error(ErrorCode::kInternal, std::string("while reading with ") +
                                                        options_.model_path + ": " + e.what());
        }
    }
    Result<std::vector<int32_t>> tokens_of(const ReaderPrompt& prompt) const;
    Result<ReaderAnswer> run_answer(const ReaderPrompt& prompt, const AnsweringOptions& options);
    Result<Likelihood> run_likelihood(const ReaderPrompt& prompt, std::string_view continuation,
                                      uint32_t max_tokens);
    // A context of at least `tokens`; with `anew` of the size that a fresh reader would make.
    Status ensure_context(uint64_t tokens, bool anew = false);
    // Afterwards the cache holds exactly `ids`, and logits(-1) are those behind the last of them.
    Status prefill(const std::vector<int32_t>& ids, uint32_t room);
    // Appends ids; logits for each of them, or only for the last.
    Status decode(std::span<const int32_t> ids, bool all_logits);
    std::span<const float> logits(int32_t i) const {
        return {llama_get_logits_ith(context_.get(), i),
                static_cast<size_t>(llama_vocab_n_tokens(vocab_))};
    }
    int32_t likeliest(bool first_of_line) const;

    GeneratorOptions options_;
    ModelInfo info_;
    llama_model_ptr model_;
    std::unique_ptr<LlamaTokenizer> tokenizer_;
    ChatPrompt chat_;
    const llama_vocab* vocab_;
    llama_context_ptr context_;
    std::vector<int32_t> cached_;  // tokens whose keys the context holds
};

Result<std::vector<int32_t>> LlamaReader::tokens_of(const ReaderPrompt& prompt) const {
    if (prompt.chat) {
        const ChatMessage message{"user", prompt.text};
        return chat_.tokens({&message, 1});
    }
    S3ATTN_TRY(Tokens tokens, tokenizer_->tokenize(prompt.text));
    const llama_token bos = llama_vocab_bos(vocab_);
    if (llama_vocab_get_add_bos(vocab_) && bos != LLAMA_TOKEN_NULL) {
        tokens.ids.insert(tokens.ids.begin(), bos);
    }
    if (tokens.ids.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "the prompt is empty");
    }
    return std::move(tokens.ids);
}

// Grows with the prompts: the cache of a full window can be larger than the model.
Status LlamaReader::ensure_context(uint64_t tokens, bool anew) {
    uint64_t size = kSmallestPrompt;
    while (size < tokens) size *= 2;
    size = std::min<uint64_t>(size, options_.context_tokens);
    const uint64_t have = context_ ? llama_n_ctx(context_.get()) : 0;
    // llama.cpp may round the size up; only a context twice too large is worth making anew.
    if (have >= tokens && (!anew || have < 2 * size)) return {};
    context_.reset();
    cached_.clear();
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(size);
    params.n_batch = kBatch;
    params.n_ubatch = kBatch;
    params.n_outputs_max = kScoreBatch;
    params.n_threads = static_cast<int32_t>(thread_count(options_.threads));
    params.n_threads_batch = params.n_threads;
    params.no_perf = true;
    take_llama_errors();
    context_.reset(llama_init_from_model(model_.get(), params));
    if (context_) return {};
    return make_error(ErrorCode::kUnsupported,
                      "llama.cpp cannot make a context of " + std::to_string(params.n_ctx) +
                          " tokens for " + options_.model_path + ": " + take_llama_errors() +
                          ". Try a smaller --reader-context.");
}

Status LlamaReader::decode(std::span<const int32_t> ids, bool all_logits) {
    llama_batch batch = llama_batch_init(static_cast<int32_t>(ids.size()), 0, 1);
    batch.n_tokens = static_cast<int32_t>(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
        batch.token[i] = ids[i];
        batch.pos[i] = static_cast<llama_pos>(cached_.size() + i);
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = all_logits || i + 1 == ids.size() ? 1 : 0;
    }
    take_llama_errors();
    const int32_t status = llama_decode(context_.get(), batch);
    llama_batch_free(batch);
    if (status == 0) {
        cached_.insert(cached_.end(), ids.begin(), ids.end());
        return {};
    }
    return make_error(ErrorCode::kInternal,
                      "llama.cpp could not compute " + std::to_string(ids.size()) + " tokens of " +
                          options_.model_path + " (status " + std::to_string(status) +
                          "): " + take_llama_errors());
}

Status LlamaReader::prefill(const std::vector<int32_t>& ids, uint32_t room) {
    if (ids.size() + 1 > options_.context_tokens) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the prompt has " + std::to_string(ids.size()) +
                              " tokens; the window of " + info_.name + " in use holds " +
                              std::to_string(options_.context_tokens) + ", the answer included");
    }
    S3ATTN_CHECK(ensure_context(ids.size() + room));
    // The last token is always computed anew: its logits are wanted.
    size_t keep = 0;
    while (keep < cached_.size() && keep + 1 < ids.size() && cached_[keep] == ids[keep]) ++keep;
    llama_memory_t memory = llama_get_memory(context_.get());
    if (!llama_memory_seq_rm(memory, 0, static_cast<llama_pos>(keep), -1)) keep = 0;
    if (keep == 0) llama_memory_clear(memory, false);
    cached_.resize(keep);
    while (cached_.size() < ids.size()) {
        const size_t n = std::min<size_t>(kBatch, ids.size() - cached_.size());
        S3ATTN_CHECK(decode(std::span(ids).subspan(cached_.size(), n), false));
    }
    return {};
}

int32_t LlamaReader::likeliest(bool first_of_line) const {
    const std::span<const float> row = logits(-1);
    int32_t best = -1;
    for (int32_t id = 0; id < static_cast<int32_t>(row.size()); ++id) {
        if (best >= 0 && row[static_cast<size_t>(id)] <= row[static_cast<size_t>(best)]) continue;
        if (first_of_line && (llama_vocab_is_eog(vocab_, id) ||
                              tokenizer_->piece(id).find('\n') != std::string_view::npos)) {
            continue;
        }
        best = id;
    }
    return best;
}

Result<ReaderAnswer> LlamaReader::run_answer(const ReaderPrompt& prompt,
                                             const AnsweringOptions& options) {
    S3ATTN_TRY(const std::vector<int32_t> ids, tokens_of(prompt));
    const uint64_t window = options_.context_tokens;
    const auto room = static_cast<uint32_t>(
        std::min<uint64_t>(options.max_tokens, window > ids.size() ? window - ids.size() : 0));
    cached_.clear();
    // Memory is this prompt's alone, also after a longer one; likelihood() may follow.
    S3ATTN_CHECK(ensure_context(
        std::min<uint64_t>(ids.size() + std::max(room, kRoomToScore), window), true));
    const Stopwatch prefill_watch;
    S3ATTN_CHECK(prefill(ids, room));
    ReaderAnswer answer;
    answer.prompt_tokens = static_cast<uint32_t>(ids.size());
    answer.prefill_seconds = prefill_watch.seconds();
    const Stopwatch decode_watch;
    const std::string stop = options.one_line ? "\n" : prompt.chat ? chat_.stop_text() : "";
    for (bool open = room > 0; open;) {
        const int32_t id = likeliest(options.one_line && answer.answer_tokens == 0);
        if (llama_vocab_is_eog(vocab_, id)) break;
        answer.text += tokenizer_->piece(id);
        ++answer.answer_tokens;
        const size_t end = stop.empty() ? std::string::npos : answer.text.find(stop);
        if (end != std::string::npos) {
            answer.text.resize(end);
            break;
        }
        answer.stopped_at_limit = answer.answer_tokens == room;
        open = !answer.stopped_at_limit;
        if (open) S3ATTN_CHECK(decode({&id, 1}, false));
    }
    answer.text.resize(utf8_whole_prefix(answer.text));
    answer.text = with_valid_utf8(answer.text);
    answer.decode_seconds = decode_watch.seconds();
    return answer;
}

Result<Likelihood> LlamaReader::run_likelihood(const ReaderPrompt& prompt,
                                               std::string_view continuation, uint32_t max_tokens) {
    S3ATTN_TRY(const std::vector<int32_t> ids, tokens_of(prompt));
    S3ATTN_TRY(Tokens tokens, tokenizer_->tokenize(continuation));
    const size_t window = options_.context_tokens;
    const size_t room = window > ids.size() ? window - ids.size() : 0;
    size_t n = std::min(tokens.ids.size(), room);
    if (max_tokens > 0) n = std::min<size_t>(n, max_tokens);
    Likelihood result;
    if (n == 0) return result;
    const std::span<const int32_t> wanted(tokens.ids.data(), n);
    S3ATTN_CHECK(prefill(ids, static_cast<uint32_t>(n)));
    const auto add = [&](std::span<const float> row, int32_t id) {
        result.log_likelihood += row[static_cast<size_t>(id)] - log_sum_exp(row);
        ++result.tokens;
    };
    add(logits(-1), wanted[0]);
    for (size_t at = 0; at + 1 < n;) {
        const size_t step = std::min<size_t>(kScoreBatch, n - 1 - at);
        S3ATTN_CHECK(decode(wanted.subspan(at, step), true));
        for (size_t i = 0; i < step; ++i) {
            add(logits(static_cast<int32_t>(i)), wanted[at + i + 1]);
        }
        at += step;
    }
    return result;
}

}  // namespace

Result<std::unique_ptr<Reader>> open_llama_reader(const GeneratorOptions& options) {
    S3ATTN_TRY(AnsweringModel opened, open_answering_model(options));
    return std::unique_ptr<Reader>(std::make_unique<LlamaReader>(std::move(opened)));
}

}  // namespace s3attn

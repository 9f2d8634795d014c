// Opening a reader, its context and its cache; greedy continuations and likelihoods of prompts.
#include "model/llama_reader.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/files.h"
#include "base/timing.h"
#include "base/utf8.h"
#include "model/gguf_header.h"
#include "model/llama_layers.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

constexpr uint32_t kPromptBatch = 512;
constexpr uint32_t kScoreBatch = 32;  // positions whose logits are kept at once
constexpr uint32_t kRoomToScore = 64;
constexpr uint32_t kSmallestContext = 1024;
constexpr uint32_t kDefaultWindow = 8192;

double log_sum_exp(std::span<const float> logits) {
    const float top = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (const float x : logits) sum += std::exp(static_cast<double>(x - top));
    return top + std::log(sum);
}

Result<uint32_t> window_of(const LocalReaderOptions& options, uint32_t trained) {
    if (options.context_tokens == 0) {
        return trained == 0 ? kDefaultWindow : std::min(kDefaultWindow, trained);
    }
    if (trained == 0 || options.context_tokens <= trained) return options.context_tokens;
    return make_error(ErrorCode::kInvalidArgument,
                      "a window of " + std::to_string(options.context_tokens) +
                          " tokens is more than " + options.model_path + " was trained for (" +
                          std::to_string(trained) + ").");
}

}  // namespace

Result<std::unique_ptr<LocalReader>> open_llama_reader(const LocalReaderOptions& options,
                                                       const CancelToken* cancel) {
    const std::string& path = options.model_path;
    S3ATTN_TRY(const GgufHeader header, GgufHeader::open(path));
    S3ATTN_TRY(const ModelInfo model, model_info_from_header(header));
    LocalReaderOptions own = options;
    S3ATTN_TRY(own.context_tokens, window_of(options, model.n_ctx_train));
    S3ATTN_TRY(llama_model_ptr weights, load_llama_model(path, options.device, cancel));
    if (llama_model_has_encoder(weights.get()) || !llama_model_has_decoder(weights.get())) {
        return make_error(ErrorCode::kUnsupported,
                          path + " (architecture " + model.architecture +
                              ") cannot answer: choose a decoder-only language model.");
    }
    S3ATTN_TRY(auto tokenizer, LlamaTokenizer::make(llama_model_get_vocab(weights.get()), path));
    ReaderInfo info{model.name, "gguf", own.context_tokens,
                    0,          true,   llama_model_n_params(weights.get())};
    return std::unique_ptr<LocalReader>(std::make_unique<LlamaReader>(
        std::move(own), std::move(info), std::move(weights), std::move(tokenizer)));
}

LlamaReader::LlamaReader(LocalReaderOptions options, ReaderInfo info, llama_model_ptr model,
                         std::unique_ptr<LlamaTokenizer> tokenizer)
    : options_(std::move(options)),
      info_(std::move(info)),
      model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      prompt_(model_.get(), tokenizer_.get(), options_.chat_template),
      vocab_(llama_model_get_vocab(model_.get())) {}

void LlamaReader::release() {
    context_.reset();
    cached_.clear();
}

Result<uint32_t> LlamaReader::count_prompt(const ReaderPrompt& prompt) const {
    S3ATTN_TRY(const std::vector<int32_t> ids, tokens_of(prompt));
    return static_cast<uint32_t>(ids.size());
}

Result<ReaderAnswer> LlamaReader::answer(const ReaderPrompt& prompt,
                                         const AnsweringOptions& options) {
    return guarded<ReaderAnswer>([&] { return run_answer(prompt, options); });
}

Result<Likelihood> LlamaReader::likelihood(const ReaderPrompt& prompt,
                                           std::string_view continuation, uint32_t max_tokens) {
    return guarded<Likelihood>([&] { return run_likelihood(prompt, continuation, max_tokens); });
}

Result<std::vector<float>> LlamaReader::next_token(const ReaderPrompt& prompt) {
    return guarded<std::vector<float>>([&]() -> Result<std::vector<float>> {
        S3ATTN_TRY(const std::vector<int32_t> ids, tokens_of(prompt));
        S3ATTN_CHECK(check_fits(ids.size()));
        S3ATTN_CHECK(ensure_context(ids.size() + 1, {kPromptBatch, kScoreBatch}));
        S3ATTN_CHECK(prefill(ids));
        const std::span<const float> row = logits(-1);
        const double norm = log_sum_exp(row);
        std::vector<float> out(row.size());
        std::transform(row.begin(), row.end(), out.begin(),
                       [norm](float x) { return static_cast<float>(x - norm); });
        return out;
    });
}

Result<std::vector<int32_t>> LlamaReader::tokens_of(const ReaderPrompt& prompt) const {
    if (prompt.chat) {
        const ChatTurn message{"user", prompt.text};
        return prompt_.tokens({&message, 1});
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
Status LlamaReader::ensure_context(uint64_t tokens, const Shape& shape, bool anew) {
    uint64_t size = kSmallestContext;
    while (size < tokens) size *= 2;
    size = std::min<uint64_t>(size, options_.context_tokens);
    const uint64_t have = context_ && shape == shape_ ? llama_n_ctx(context_.get()) : 0;
    // llama.cpp may round the size up; only a context twice too large is worth making anew.
    if (have >= tokens && (!anew || have < 2 * size)) return {};
    context_.reset();
    cached_.clear();
    llama_context_params params = llama_context_default_params();
    params.n_ctx = static_cast<uint32_t>(size);
    params.n_batch = shape.batch;
    params.n_ubatch = shape.batch;
    params.n_outputs_max = shape.outputs;
    params.n_threads = static_cast<int32_t>(thread_count(options_.threads));
    params.n_threads_batch = params.n_threads;
    params.no_perf = true;
    take_llama_errors();
    context_.reset(llama_init_from_model(model_.get(), params));
    shape_ = shape;
    if (context_) return {};
    return make_error(ErrorCode::kUnsupported, reason::kWindowSmall, "reader_context",
                      "llama.cpp cannot make a context of " + std::to_string(params.n_ctx) +
                          " tokens for " + options_.model_path + ": " + llama_reason());
}

Status LlamaReader::decode(std::span<const int32_t> ids, bool all_logits,
                           const CancelToken* cancel) {
    LlamaBatch batch(ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
        batch.push(ids[i], cached_.size() + i, 0, all_logits || i + 1 == ids.size());
    }
    S3ATTN_CHECK(run_llama(context_.get(), batch.get(), options_.model_path, cancel));
    cached_.insert(cached_.end(), ids.begin(), ids.end());
    return {};
}

Status LlamaReader::check_fits(size_t prompt_tokens) const {
    if (prompt_tokens < info_.window_tokens) return {};
    return make_error(ErrorCode::kInvalidArgument,
                      "the prompt has " + std::to_string(prompt_tokens) +
                          " tokens; the window of " + info_.name + " in use holds " +
                          std::to_string(info_.window_tokens) +
                          ", the answer included. Use a smaller budget or a larger window.");
}

Status LlamaReader::prefill(const std::vector<int32_t>& ids, const CancelToken* cancel) {
    // The last token is always computed anew: its logits are wanted.
    size_t keep = 0;
    while (keep < cached_.size() && keep + 1 < ids.size() && cached_[keep] == ids[keep]) ++keep;
    llama_memory_t memory = llama_get_memory(context_.get());
    if (!llama_memory_seq_rm(memory, 0, static_cast<llama_pos>(keep), -1)) keep = 0;
    if (keep == 0) llama_memory_clear(memory, false);
    cached_.resize(keep);
    while (cached_.size() < ids.size()) {
        const size_t n = std::min<size_t>(shape_.batch, ids.size() - cached_.size());
        S3ATTN_CHECK(decode(std::span(ids).subspan(cached_.size(), n), false, cancel));
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
    S3ATTN_CHECK(check_fits(ids.size()));
    const uint64_t window = info_.window_tokens;
    const auto room =
        static_cast<uint32_t>(std::min<uint64_t>(options.max_tokens, window - ids.size()));
    cached_.clear();
    // Memory is this prompt's alone, also after a longer one; likelihood() may follow.
    S3ATTN_CHECK(
        ensure_context(std::min<uint64_t>(ids.size() + std::max(room, kRoomToScore), window),
                       {kPromptBatch, kScoreBatch}, true));
    const Stopwatch prefill_watch;
    S3ATTN_CHECK(prefill(ids));
    ReaderAnswer answer;
    answer.prompt_tokens = static_cast<uint32_t>(ids.size());
    answer.prefill_seconds = prefill_watch.seconds();
    const Stopwatch decode_watch;
    const std::string stop = options.one_line ? "\n" : prompt.chat ? prompt_.stop_text() : "";
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
    const size_t window = info_.window_tokens;
    const size_t room = window > ids.size() ? window - ids.size() : 0;
    size_t n = std::min(tokens.ids.size(), room);
    if (max_tokens > 0) n = std::min<size_t>(n, max_tokens);
    Likelihood result;
    if (n == 0) return result;
    const std::span<const int32_t> wanted(tokens.ids.data(), n);
    S3ATTN_CHECK(ensure_context(ids.size() + n, {kPromptBatch, kScoreBatch}));
    S3ATTN_CHECK(prefill(ids));
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

}  // namespace s3attn

#include <algorithm>
#include <cmath>
#include <exception>

#include "base/files.h"
#include "model/embedder.h"
#include "model/gguf_header.h"
#include "model/llama_support.h"

namespace s3attn {
namespace {

// Tokens of one forward pass: attention is quadratic in them, whichever sequence they belong to.
constexpr uint32_t kBatchTokens = 512;
constexpr uint32_t kBatchTexts = 16;

class LlamaEmbedder final : public Embedder {
  public:
    LlamaEmbedder(const EmbedderOptions& options, llama_model_ptr model)
        : options_(options), model_(std::move(model)) {}
    ~LlamaEmbedder() override {
        if (batch_.token != nullptr) llama_batch_free(batch_);
    }

    Status start();
    uint32_t dimension() const override { return dimension_; }
    Result<std::vector<std::vector<float>>> embed(std::span<const std::string> texts) override;

  private:
    Result<std::vector<llama_token>> tokenize(const std::string& text) const;
    Status run_batch(size_t first, std::vector<std::vector<float>>& out);
    Error failed(const std::string& what) const;

    EmbedderOptions options_;
    llama_model_ptr model_;
    llama_context_ptr context_;
    llama_batch batch_{};
    uint32_t dimension_ = 0, capacity_ = 0, in_batch_ = 0;  // in_batch_: texts
};

Error LlamaEmbedder::failed(const std::string& what) const {
    return make_error(ErrorCode::kInternal,
                      options_.model_path + ": " + what + " (" + llama_reason() + ")");
}

Status LlamaEmbedder::start() {
    const auto trained = static_cast<uint32_t>(std::max(1, llama_model_n_ctx_train(model_.get())));
    options_.max_tokens = std::clamp(options_.max_tokens, 3u, std::max(3u, trained));
    capacity_ = std::max(kBatchTokens, options_.max_tokens);
    llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = capacity_;
    params.n_seq_max = kBatchTexts;
    params.embeddings = true;
    const auto threads = static_cast<int32_t>(thread_count(options_.threads));
    params.n_threads = params.n_threads_batch = threads;
    context_.reset(llama_init_from_model(model_.get(), params));
    if (!context_) return failed("no context could be made");
    const auto pooling = llama_pooling_type(context_.get());
    if (pooling == LLAMA_POOLING_TYPE_NONE || pooling == LLAMA_POOLING_TYPE_RANK) {
        return make_error(
            ErrorCode::kUnsupported,
            options_.model_path + " makes no sentence embeddings: give an embedding model");
    }
    dimension_ = static_cast<uint32_t>(llama_model_n_embd(model_.get()));
    batch_ = llama_batch_init(static_cast<int32_t>(capacity_), 0, 1);
    return {};
}

Result<std::vector<llama_token>> LlamaEmbedder::tokenize(const std::string& text) const {
    // More bytes than this cannot change the first max_tokens tokens of ordinary text; WordPiece
    // takes whole words, so the rest of the text need not be looked at.
    const size_t bytes = std::min(text.size(), size_t{options_.max_tokens} * 64);
    std::vector<llama_token> tokens(bytes + 16);
    const int32_t n = llama_tokenize(llama_model_get_vocab(model_.get()), text.data(),
                                     static_cast<int32_t>(bytes), tokens.data(),
                                     static_cast<int32_t>(tokens.size()), true, false);
    if (n <= 0) return failed("a text could not be tokenized");
    tokens.resize(static_cast<size_t>(n));
    if (tokens.size() > options_.max_tokens) {
        tokens[options_.max_tokens - 1] = tokens.back();  // the separator ends it as before
        tokens.resize(options_.max_tokens);
    }
    return tokens;
}

Status LlamaEmbedder::run_batch(size_t first, std::vector<std::vector<float>>& out) {
    if (in_batch_ == 0) return {};
    try {
        if (llama_encode(context_.get(), batch_) != 0) return failed("embedding failed");
    } catch (const std::exception& error) {
        return failed(error.what());
    }
    for (uint32_t s = 0; s < in_batch_; ++s) {
        const float* row = llama_get_embeddings_seq(context_.get(), static_cast<int32_t>(s));
        if (row == nullptr) return failed("a text got no embedding");
        double sum = 0;
        for (uint32_t i = 0; i < dimension_; ++i) sum += double{row[i]} * double{row[i]};
        const double norm = std::sqrt(sum);
        std::vector<float>& vector = out[first + s];
        vector.resize(dimension_);
        for (uint32_t i = 0; i < dimension_; ++i) {
            vector[i] = norm > 0 ? static_cast<float>(row[i] / norm) : 0.0f;
        }
    }
    batch_.n_tokens = 0;
    in_batch_ = 0;
    return {};
}

Result<std::vector<std::vector<float>>> LlamaEmbedder::embed(std::span<const std::string> texts) {
    std::vector<std::vector<float>> out(texts.size());
    batch_.n_tokens = 0;
    in_batch_ = 0;
    size_t first = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
        S3ATTN_TRY(const auto tokens, tokenize(texts[i]));
        const auto used = static_cast<size_t>(batch_.n_tokens);
        if (in_batch_ == kBatchTexts || used + tokens.size() > capacity_) {
            S3ATTN_CHECK(run_batch(first, out));
            first = i;
        }
        for (size_t t = 0; t < tokens.size(); ++t) {
            const int32_t at = batch_.n_tokens++;
            batch_.token[at] = tokens[t];
            batch_.pos[at] = static_cast<llama_pos>(t);
            batch_.n_seq_id[at] = 1;
            batch_.seq_id[at][0] = static_cast<llama_seq_id>(in_batch_);
            batch_.logits[at] = 1;
        }
        ++in_batch_;
    }
    S3ATTN_CHECK(run_batch(first, out));
    return out;
}

}  // namespace

Result<std::unique_ptr<Embedder>> open_llama_embedder(const EmbedderOptions& options) {
    S3ATTN_TRY(const GgufHeader header, GgufHeader::open(options.model_path));
    (void)header;  // a damaged file is told as one before llama.cpp sees it
    S3ATTN_TRY(llama_model_ptr model, load_llama_model(options.model_path));
    auto embedder = std::make_unique<LlamaEmbedder>(options, std::move(model));
    S3ATTN_CHECK(embedder->start());
    return std::unique_ptr<Embedder>(std::move(embedder));
}

}  // namespace s3attn

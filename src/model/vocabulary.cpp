#include "model/gguf_header.h"
#include "model/llama_model.h"
#include "model/llama_support.h"
#include "model/llama_tokenizer.h"

namespace s3attn {
namespace {

class Vocabulary final : public Tokenizer {
  public:
    Vocabulary(llama_model_ptr model, std::unique_ptr<LlamaTokenizer> tokenizer)
        : model_(std::move(model)), tokenizer_(std::move(tokenizer)) {}
    Result<Tokens> tokenize(std::string_view text) const override {
        return tokenizer_->tokenize(text);
    }
    Result<uint32_t> count(std::string_view text) const override { return tokenizer_->count(text); }

  private:
    llama_model_ptr model_;  // owns the vocabulary
    std::unique_ptr<LlamaTokenizer> tokenizer_;
};

}  // namespace

Result<std::unique_ptr<Tokenizer>> open_llama_tokenizer(const std::string& model_path) {
    // A damaged file is named by our own reader of headers, before llama.cpp sees it.
    S3ATTN_TRY(const GgufHeader header, GgufHeader::open(model_path));
    S3ATTN_TRY(const ModelInfo info, model_info_from_header(header));
    S3ATTN_TRY(llama_model_ptr model, load_llama_vocabulary(model_path));
    S3ATTN_TRY(auto tokenizer, LlamaTokenizer::make(llama_model_get_vocab(model.get()), info.name));
    return std::unique_ptr<Tokenizer>(
        std::make_unique<Vocabulary>(std::move(model), std::move(tokenizer)));
}

}  // namespace s3attn

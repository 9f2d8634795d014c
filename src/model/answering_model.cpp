#include "model/answering_model.h"

#include <algorithm>

#include "model/gguf_header.h"

namespace s3attn {
namespace {

constexpr uint32_t kDefaultWindow = 8192;

}  // namespace

Result<AnsweringModel> open_answering_model(const GeneratorOptions& options) {
    AnsweringModel opened;
    opened.options = options;
    uint32_t& window = opened.options.context_tokens;
    const std::string& path = options.model_path;
    S3ATTN_TRY(const GgufHeader header, GgufHeader::open(path));
    S3ATTN_TRY(opened.info, model_info_from_header(header));
    S3ATTN_TRY(opened.info.file_hash, model_file_hash(path));
    const uint32_t trained = opened.info.n_ctx_train;
    if (window == 0) {
        window = trained == 0 ? kDefaultWindow : std::min(kDefaultWindow, trained);
    } else if (trained != 0 && window > trained) {
        return make_error(ErrorCode::kInvalidArgument,
                          "a window of " + std::to_string(window) + " tokens is more than " + path +
                              " was trained for (" + std::to_string(trained) + ").");
    }
    S3ATTN_TRY(opened.weights, load_llama_model(path, options.device));
    if (llama_model_has_encoder(opened.weights.get()) ||
        !llama_model_has_decoder(opened.weights.get())) {
        return make_error(ErrorCode::kUnsupported,
                          path + " (architecture " + opened.info.architecture +
                              ") cannot answer: choose a decoder-only language model.");
    }
    S3ATTN_TRY(opened.tokenizer,
               LlamaTokenizer::make(llama_model_get_vocab(opened.weights.get()), path));
    return opened;
}

}  // namespace s3attn

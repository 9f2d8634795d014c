#include "model/llama_layers.h"

#include <exception>
#include <utility>

#include "model/llama_support.h"
#include "model/model_identity.h"

namespace s3attn {

LlamaBatch::LlamaBatch(size_t capacity)
    : batch_(llama_batch_init(static_cast<int32_t>(capacity), 0, 1)) {}

void LlamaBatch::push(llama_token token, size_t position, llama_seq_id sequence, bool output) {
    const int32_t i = batch_.n_tokens++;
    batch_.token[i] = token;
    batch_.pos[i] = static_cast<llama_pos>(position);
    batch_.n_seq_id[i] = 1;
    batch_.seq_id[i][0] = sequence;
    batch_.logits[i] = output ? 1 : 0;
}

Result<OpenedLayers> open_layers(const std::string& path, int64_t deepest) {
    S3ATTN_TRY(GgufHeader header, GgufHeader::open(path));
    S3ATTN_TRY(ModelInfo info, model_info_from_header(header));
    if (deepest >= static_cast<int64_t>(info.n_layer)) {
        return make_error(ErrorCode::kInvalidArgument,
                          path + " has " + std::to_string(info.n_layer) + " layers; layer " +
                              std::to_string(deepest) + " does not exist.");
    }
    const uint32_t layers = deepest < 0 ? info.n_layer : static_cast<uint32_t>(deepest) + 1;
    S3ATTN_CHECK(check_has_keys(header, layers));
    S3ATTN_TRY(info.file_hash, model_file_hash(path));
    S3ATTN_TRY(info.identity, model_identity(header));
    return OpenedLayers{std::move(header), std::move(info), layers};
}

Result<LlamaDecoder> load_decoder(const std::string& path, const std::string& original,
                                  Device device, const CancelToken* cancel) {
    LlamaDecoder decoder;
    S3ATTN_TRY(decoder.model, load_llama_model(path, device, cancel));
    if (llama_model_has_encoder(decoder.model.get())) {
        return make_error(ErrorCode::kUnsupported,
                          original + " has an encoder; choose a decoder-only model.");
    }
    const llama_vocab* vocab = llama_model_get_vocab(decoder.model.get());
    S3ATTN_TRY(decoder.tokenizer, LlamaTokenizer::make(vocab, original));
    if (llama_vocab_get_add_bos(vocab) && llama_vocab_bos(vocab) != LLAMA_TOKEN_NULL) {
        decoder.bos = llama_vocab_bos(vocab);
    }
    return decoder;
}

llama_context_ptr make_llama_context(llama_model* model, const llama_context_params& params) {
    take_llama_errors();
    llama_context_ptr context;
    try {
        context.reset(llama_init_from_model(model, params));
    } catch (const std::exception&) {
        return nullptr;
    }
    if (context && llama_n_ubatch(context.get()) < params.n_ubatch) context.reset();
    return context;
}

Status run_llama(llama_context* context, const llama_batch& batch, const std::string& who,
                 const CancelToken* cancel) {
    const auto stop = [](void* token) {
        return token != nullptr && static_cast<const CancelToken*>(token)->cancelled();
    };
    llama_set_abort_callback(context, stop, const_cast<CancelToken*>(cancel));
    take_llama_errors();
    int32_t status = -1;
    std::string why;
    try {
        status = llama_decode(context, batch);
    } catch (const std::exception& e) {
        why = e.what();
    }
    llama_set_abort_callback(context, nullptr, nullptr);
    if (status == 0) return {};
    if (status == 2) return make_error(ErrorCode::kCancelled, "interrupted");
    if (why.empty()) why = llama_reason();
    return make_error(ErrorCode::kInternal,
                      "llama.cpp could not compute " + std::to_string(batch.n_tokens) +
                          " tokens of " + who + " (status " + std::to_string(status) + "): " + why);
}

Status check_tokens(std::span<const int32_t> tokens, const llama_model* model) {
    const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    for (const int32_t token : tokens) {
        if (token >= 0 && token < n_vocab) continue;
        return make_error(ErrorCode::kInvalidArgument, "token " + std::to_string(token) +
                                                           " is outside the vocabulary of " +
                                                           std::to_string(n_vocab) + " tokens");
    }
    return {};
}

Status check_layers(std::span<const uint32_t> layers, uint32_t open, const std::string& who) {
    for (size_t i = 0; i < layers.size(); ++i) {
        if (i > 0 && layers[i] <= layers[i - 1]) {
            return make_error(ErrorCode::kInvalidArgument, "layers must ascend");
        }
        if (layers[i] >= open) {
            return make_error(ErrorCode::kInvalidArgument,
                              "layer " + std::to_string(layers[i]) + " is not open: " + who +
                                  " was opened with layers 0 to " + std::to_string(open - 1));
        }
    }
    return {};
}

}  // namespace s3attn

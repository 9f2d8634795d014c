// What every reader starts from: weights, header and tokenizer of a model that can answer.
#pragma once

#include <memory>

#include "model/llama_model.h"
#include "model/llama_support.h"
#include "model/llama_tokenizer.h"

namespace s3attn {

struct AnsweringModel {
    GeneratorOptions options;  // with the window that will be used
    ModelInfo info;
    llama_model_ptr weights;
    std::unique_ptr<LlamaTokenizer> tokenizer;
};

// kInvalidArgument for a window larger than the model was trained for, kUnsupported for one that is
// no decoder-only language model.
Result<AnsweringModel> open_answering_model(const GeneratorOptions& options);

}  // namespace s3attn

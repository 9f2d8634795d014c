// Which model a GGUF file holds, however it was quantised.
#pragma once

#include <string>

#include "model/gguf_header.h"
#include "s3attn/result.h"

namespace s3attn {

// XXH3-128 over what quantisers leave alone: the values of the norms' weights and of the biases,
// which stay F32; the shapes of all layers' tensors; the tokenizer's pieces and merges. Another
// training of the same shape (an instruct model and its base) has other norms and so another
// identity. Tokenizer fields that converters disagree about (padding, whether a BOS is wanted) and
// the output layer, which some leave out where it equals the embedding, do not count. Empty for a
// file without norms. kIo when the file cannot be read.
Result<std::string> model_identity(const GgufHeader& header);

}  // namespace s3attn

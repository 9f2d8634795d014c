// A reader behind a server in the place of one with weights: it answers, and cannot say how likely
// a text is.
#pragma once

#include <memory>

#include "model/reader.h"
#include "s3attn/engine.h"

namespace s3attn::eval {

// Tokens are counted by engine.model's tokenizer.
Result<std::unique_ptr<LocalReader>> open_remote_as_local(const EngineOptions& engine);

}  // namespace s3attn::eval

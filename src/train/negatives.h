// Hard negatives of the inverse cloze: paragraphs that a training question should be told from.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "s3attn/result.h"
#include "s3attn/trainer.h"
#include "train/corpus.h"

namespace s3attn {

// Per pair, indices of other pairs whose paragraphs are its hard negatives, at most 8, nearest
// first; empty for kRandom and where there are none.
Result<std::vector<std::vector<uint32_t>>> hard_negatives(
    const Corpus& corpus, std::span<const ClozePair> pairs, Negatives kind,
    const std::function<void(uint64_t done, uint64_t total)>& on_question,
    const CancelToken& cancel);

}  // namespace s3attn

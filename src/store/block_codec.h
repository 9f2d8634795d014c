// Postings of one slot and block to bytes and back (docs/formats/segment.md, "Block of one slot").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "s3attn/result.h"
#include "store/segment.h"

namespace s3attn {

struct Posting {
    uint16_t position = 0;  // within the block
    uint16_t feature = 0;
    uint8_t activation = 0;  // never 0
};

// Appends blocks to a string. Keeps its buffers between calls.
class BlockEncoder {
  public:
    // Postings come with ascending positions, all below n_tokens, per feature, and features below
    // `latents`. False when a feature occurs twice at one position (nothing is appended then).
    bool encode(std::span<const Posting> postings, uint32_t latents, uint32_t n_tokens,
                std::string& out);

  private:
    bool group(std::span<const Posting> postings, uint32_t latents);
    // Of the grouped postings.
    uint32_t list_begin(uint32_t feature) const { return feature == 0 ? 0 : end_[feature - 1]; }
    uint32_t list_size(uint32_t feature) const { return end_[feature] - list_begin(feature); }

    std::vector<uint32_t> end_;  // [latents] end of each feature's list
    std::vector<uint16_t> position_;
    std::vector<uint8_t> activation_;
};

// Bytes that may be read beyond a block's end (their values do not matter).
inline constexpr size_t kDecodeSlack = 32;

// What a reader knows of a block before it decodes it.
struct EncodedBlock {
    const uint8_t* data = nullptr;
    size_t length = 0;  // > 0
    uint32_t latents = 0;
    uint32_t n_tokens = 0;    // 1 .. kBlockTokens
    uint32_t n_postings = 0;  // the lists must add up to it
};

// Both fill `scratch` (whose arrays have room to spare) and return nullptr, or what is wrong.
// Whatever the bytes are, nothing outside [data, data + length + kDecodeSlack) is read, and on
// success every position is below n_tokens.

// All lists. With `check`, also what any writer guarantees: positions ascend, activations lie in
// the list's range and reach both its ends, unused bits are 0.
const char* decode_block(const EncodedBlock& block, bool check, BlockScratch& scratch);
// Only the lists of `features` (ascending, distinct, below latents): scratch.feature_begin has
// features.size() + 1 entries.
const char* decode_features(const EncodedBlock& block, std::span<const uint32_t> features,
                            BlockScratch& scratch);

}  // namespace s3attn

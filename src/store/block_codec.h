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
    uint8_t activation = 0;
};

// Appends the block to `out`. Postings come with ascending positions per feature and features
// below `latents`. Keeps its buffers between calls.
class BlockEncoder {
  public:
    // False when a feature occurs twice at one position (nothing is appended then).
    bool encode(std::span<const Posting> postings, uint32_t latents, std::string& out);

  private:
    std::vector<uint32_t> begin_;
    std::vector<uint16_t> position_;
    std::vector<uint8_t> activation_;
};

// Bytes that may be read beyond a block's end (their values do not matter).
inline constexpr size_t kDecodeSlack = 32;

// Decodes into the first n_postings entries of `scratch` (its position has room to spare); returns
// nullptr, or what is wrong. With `check`, also what any writer guarantees: positions ascend, no
// activation is 0. Whatever the bytes are, nothing outside [data, data + length + kDecodeSlack) is
// read, and on success every position is < n_tokens.
const char* decode_block(const uint8_t* data, size_t length, uint32_t latents, uint32_t n_tokens,
                         uint32_t n_postings, bool check, BlockScratch& scratch);

}  // namespace s3attn

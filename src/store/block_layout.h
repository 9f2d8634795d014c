// Where the lists of an encoded block stand (docs/formats/segment.md, "Block of one slot").
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "store/block_codec.h"

namespace s3attn::block_layout {

// Widths of one list's parts.
struct ListShape {
    uint32_t n = 0;                 // postings, > 0
    uint32_t activation_width = 0;  // w: 0 .. 8
    uint32_t low_width = 0;         // r: 0 .. 14
    uint32_t high_bits = 0;

    uint64_t bits() const {
        return static_cast<uint64_t>(n) * (activation_width + low_width) + high_bits;
    }
    uint64_t bytes() const { return (bits() + 7) / 8; }
};

// n <= n_tokens.
inline ListShape list_shape(uint32_t n, uint32_t n_tokens, uint32_t least, uint32_t greatest) {
    auto r = static_cast<uint32_t>(std::bit_width(n_tokens) - std::bit_width(n));
    if ((n << r) > n_tokens) --r;
    return {n, static_cast<uint32_t>(std::bit_width(greatest - least)), r,
            n + ((n_tokens - 1) >> r)};
}

struct List {
    const uint8_t* data = nullptr;
    ListShape shape;
    uint8_t least = 0, greatest = 0;
};

// Finds every list of a block: places[f].n is 0 where feature f has none. Returns nullptr or what
// is wrong; on success the lists fill the block's end exactly and hold n_postings together.
const char* find_lists(const EncodedBlock& block, std::vector<ListPlace>& places);

inline List list_at(const EncodedBlock& block, const ListPlace& place) {
    return {block.data + place.offset,
            list_shape(place.n, block.n_tokens, place.least, place.greatest), place.least,
            place.greatest};
}

}  // namespace s3attn::block_layout

// Where the lists of an encoded block stand (docs/formats/segment.md, "Block of one slot").
#pragma once

#include <bit>
#include <cstdint>

#include "store/block_codec.h"
#include "store/segment_format.h"

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

// Calls on_list(feature, List) for each list in feature order and checks that the parts fill the
// block exactly. on_list returns nullptr or what is wrong. Whatever the bytes are, a list lies
// inside the block and the sizes of all add up to at most n_postings.
template <class OnList>
const char* for_each_list(const EncodedBlock& block, const OnList& on_list) {
    using segment_format::kNoCount;
    using segment_format::load;
    constexpr const char* kShort = "is too short for its counts";
    const uint8_t* const counts = block.data;
    const uint8_t* const end = block.data + block.length;
    if (block.length < block.latents) return kShort;
    // The bytes may change while they are read, if somebody writes to the file: all that follows
    // from these two counts is checked against the block's end again.
    uint64_t n_long = 0, n_lists = 0;
    for (uint32_t f = 0; f < block.latents; ++f) {
        n_long += counts[f] == kNoCount;
        n_lists += counts[f] != 0;
    }
    if (block.length < block.latents + 2 * n_long + 2 * n_lists) return kShort;
    const uint8_t* long_count = counts + block.latents;
    const uint8_t* range = long_count + 2 * n_long;
    const uint8_t* list = range + 2 * n_lists;
    const uint8_t* const first_range = range;
    const uint8_t* const first_list = list;
    uint64_t total = 0;
    for (uint32_t f = 0; f < block.latents; ++f) {
        uint32_t n = counts[f];
        if (n == 0) continue;
        if (range == first_list) return "changed while it was read";
        if (n == kNoCount) {
            if (long_count == first_range) return "changed while it was read";
            n = load<uint16_t>(long_count);
            long_count += 2;
            if (n < kNoCount) return "has a count out of range";
        }
        const uint8_t least = range[0], greatest = range[1];
        range += 2;
        if (n > block.n_tokens) return "has a count out of range";
        if (least == 0 || greatest < least) return "has activations out of range";
        const ListShape shape = list_shape(n, block.n_tokens, least, greatest);
        const uint64_t bytes = shape.bytes();
        total += n;
        if (total > block.n_postings) return "has counts that do not add up";
        if (bytes > static_cast<uint64_t>(end - list)) return "is too short for its lists";
        if (const char* problem = on_list(f, List{list, shape, least, greatest})) return problem;
        list += bytes;
    }
    if (total != block.n_postings) return "has counts that do not add up";
    return list == end ? nullptr : "has a length that its counts do not give";
}

}  // namespace s3attn::block_layout

#include "store/block_layout.h"

#include <array>

#include "store/segment_format.h"

namespace s3attn::block_layout {
namespace {

using segment_format::kNoCount;
using segment_format::load;

constexpr const char* kShort = "is too short for its counts";
constexpr const char* kChanged = "changed while it was read";

// Bits of a list of n postings besides its activations, for every count byte.
std::array<uint32_t, kNoCount> position_bits(uint32_t n_tokens) {
    std::array<uint32_t, kNoCount> bits{};
    for (uint32_t n = 1; n < kNoCount && n <= n_tokens; ++n) {
        const ListShape shape = list_shape(n, n_tokens, 1, 1);
        bits[n] = n * shape.low_width + shape.high_bits;
    }
    return bits;
}

constexpr auto kWidths = [] {  // of a difference of activations
    std::array<uint8_t, 256> widths{};
    for (uint32_t i = 0; i < 256; ++i) widths[i] = static_cast<uint8_t>(std::bit_width(i));
    return widths;
}();

struct Parts {
    const uint8_t* long_count = nullptr;
    const uint8_t* range = nullptr;
    const uint8_t* list = nullptr;
};

const char* find_parts(const EncodedBlock& block, Parts& parts) {
    if (block.length < block.latents) return kShort;
    uint64_t n_long = 0, n_lists = 0;
    for (uint32_t f = 0; f < block.latents; ++f) {
        n_long += block.data[f] == kNoCount;
        n_lists += block.data[f] != 0;
    }
    parts.long_count = block.data + block.latents;
    parts.range = parts.long_count + 2 * n_long;
    parts.list = parts.range + 2 * n_lists;
    return block.length < block.latents + 2 * n_long + 2 * n_lists ? kShort : nullptr;
}

}  // namespace

// Whether features have lists is as good as random, so the loop does not branch on it. The bytes
// may change while they are read, if somebody writes to the file: every read is bounded anew, and
// what is checked is what was stored.
const char* find_lists(const EncodedBlock& block, std::vector<ListPlace>& places) {
    Parts parts;
    if (const char* problem = find_parts(block, parts)) return problem;
    const std::array<uint32_t, kNoCount> bits = position_bits(block.n_tokens);
    const uint8_t* const first_range = parts.range;
    const uint8_t* const last_range = parts.list;  // one past
    const uint8_t* range = parts.range;
    uint64_t offset = static_cast<uint64_t>(parts.list - block.data), total = 0;
    bool bad_count = false, bad_range = false;
    places.resize(block.latents);
    for (uint32_t f = 0; f < block.latents; ++f) {
        uint32_t n = block.data[f];
        if (range > last_range) return kChanged;
        const uint32_t some = n != 0;
        // Without a list this reads the next one's range, or two bytes of what follows.
        const uint8_t least = range[0], greatest = range[1];
        range += 2 * some;
        uint64_t list_bits;
        if (n == kNoCount) {
            if (parts.long_count == first_range) return kChanged;
            n = load<uint16_t>(parts.long_count);
            parts.long_count += 2;
            if (n < kNoCount || n > block.n_tokens) return "has a count out of range";
            const ListShape shape = list_shape(n, block.n_tokens, 1, 1);
            list_bits = static_cast<uint64_t>(n) * shape.low_width + shape.high_bits;
        } else {
            bad_count |= n > block.n_tokens;
            list_bits = bits[n];
        }
        const auto spread = static_cast<uint8_t>(greatest - least);
        bad_range |= some && (least == 0 || greatest < least);
        places[f] = {static_cast<uint32_t>(offset), static_cast<uint16_t>(n), least, greatest};
        offset += (list_bits + n * kWidths[spread] + 7) / 8;
        total += n;
    }
    if (bad_count) return "has a count out of range";
    if (bad_range) return "has activations out of range";
    if (total != block.n_postings) return "has counts that do not add up";
    return offset == block.length ? nullptr : "has a length that its counts do not give";
}

}  // namespace s3attn::block_layout

// Decoding. docs/retrieval.md has the codecs that were measured.
#include "store/block_codec.h"

#include <algorithm>
#include <array>
#include <bit>

#include "store/block_layout.h"
#include "store/segment_format.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace s3attn {
namespace {

using block_layout::List;
using block_layout::list_at;
using segment_format::load;

// The arrays of a scratch have this much room beyond the last posting, because lists are unpacked
// in groups that do not look where the list ends: a loop over exactly n would mispredict its end
// for every list.
constexpr uint32_t kGroup = 8;
constexpr uint32_t kSlack = kGroup > kReadSlack ? kGroup : kReadSlack;

// Fixed-width values into bytes and 16-bit words.
struct PortableUnpack {
    static uint64_t eight_bytes(uint64_t bits, uint32_t width) {
        uint64_t bytes = 0;
        const uint64_t mask = (1ull << width) - 1;
        for (uint32_t i = 0; i < 8; ++i) bytes |= (bits >> (i * width) & mask) << (8 * i);
        return bytes;
    }
    static uint64_t four_words(uint64_t bits, uint32_t width) {
        uint64_t words = 0;
        const uint64_t mask = (1ull << width) - 1;
        for (uint32_t i = 0; i < 4; ++i) words |= (bits >> (i * width) & mask) << (16 * i);
        return words;
    }
};

// Activations and, over the high bits that stand there, the low bits of positions.
template <class Unpack>
inline __attribute__((always_inline)) void unpack(const List& list, uint16_t* position,
                                                  uint8_t* activation) {
    const uint32_t width = list.shape.activation_width, low = list.shape.low_width;
    const uint64_t least = list.least * 0x0101010101010101ull;
    const uint8_t* data = list.data;  // eight activations of `width` bits are `width` bytes
    uint64_t bit = static_cast<uint64_t>(list.shape.n) * width;
    const auto four_positions = [&](uint16_t* to) {
        const uint64_t bits = load<uint64_t>(list.data + (bit >> 3)) >> (bit & 7);
        const uint64_t words = load<uint64_t>(to) | Unpack::four_words(bits, low);
        __builtin_memcpy(to, &words, sizeof words);
        bit += 4 * low;
    };
    for (uint32_t i = 0; i < list.shape.n; i += 8, data += width) {
        const uint64_t bytes = Unpack::eight_bytes(load<uint64_t>(data), width) + least;
        __builtin_memcpy(activation + i, &bytes, sizeof bytes);
        four_positions(position + i);
        four_positions(position + i + 4);
    }
}

using Bytes8 = uint8_t __attribute__((vector_size(8)));
using Words8 = uint16_t __attribute__((vector_size(16)));

// For every byte the places of its ones, ascending, less their rank: 8 x u8, the rest 0.
constexpr auto kOnes = [] {
    std::array<std::array<uint8_t, 8>, 256> table{};
    for (uint32_t byte = 0; byte < 256; ++byte) {
        uint8_t rank = 0;
        for (uint8_t bit = 0; bit < 8; ++bit) {
            if (byte >> bit & 1) {
                table[byte][rank] = static_cast<uint8_t>(bit - rank);
                ++rank;
            }
        }
    }
    return table;
}();

constexpr uint32_t kWordBits = 56;  // bits that one unaligned load surely holds

// position[i] = high bits of posting i, in place; false when the list does not have exactly n ones.
// A byte of the stream at a time, by table: no loop depends on the data.
inline __attribute__((always_inline)) bool decode_high_bits(const List& list, uint16_t* out) {
    const uint32_t r = list.shape.low_width, n = list.shape.n;
    const uint64_t begin = static_cast<uint64_t>(n) * (list.shape.activation_width + r);
    uint32_t decoded = 0;
    for (uint32_t done = 0; done < list.shape.high_bits; done += kWordBits) {
        const uint64_t bit = begin + done;
        const uint32_t width = std::min(kWordBits, list.shape.high_bits - done);
        const uint64_t word =
            (load<uint64_t>(list.data + (bit >> 3)) >> (bit & 7)) & ((1ull << width) - 1);
        if (decoded + static_cast<uint32_t>(std::popcount(word)) > n) return false;
#pragma GCC unroll 7
        for (uint32_t j = 0; j < kWordBits; j += 8) {
            const auto byte = static_cast<uint8_t>(word >> j);
            // What goes past the ones is overwritten by the next byte or list.
            const auto zeros = static_cast<uint16_t>(done + j - decoded);
            const Words8 high =
                (__builtin_convertvector(load<Bytes8>(kOnes[byte].data()), Words8) + zeros) << r;
            __builtin_memcpy(out + decoded, &high, sizeof high);
            decoded += static_cast<uint32_t>(std::popcount(byte));
        }
    }
    return decoded == n;
}

template <class Unpack>
inline __attribute__((always_inline)) bool decode_list(const List& list, uint16_t* position,
                                                       uint8_t* activation) {
    if (!decode_high_bits(list, position)) return false;
    unpack<Unpack>(list, position, activation);
    return true;
}

bool decode_list_portable(const List& list, uint16_t* position, uint8_t* activation) {
    return decode_list<PortableUnpack>(list, position, activation);
}

#if defined(__x86_64__)
// One instruction each. (Zen 1 and 2 have a slow one; they still read correctly.)
struct Bmi2Unpack {
    __attribute__((target("bmi2"))) static uint64_t eight_bytes(uint64_t bits, uint32_t width) {
        return _pdep_u64(bits, ((1ull << width) - 1) * 0x0101010101010101ull);
    }
    __attribute__((target("bmi2"))) static uint64_t four_words(uint64_t bits, uint32_t width) {
        return _pdep_u64(bits, ((1ull << width) - 1) * 0x0001000100010001ull);
    }
};
__attribute__((target("bmi,bmi2,popcnt"))) bool decode_list_bmi(const List& list,
                                                                uint16_t* position,
                                                                uint8_t* activation) {
    return decode_list<Bmi2Unpack>(list, position, activation);
}
#endif

using DecodeList = bool (*)(const List& list, uint16_t* position, uint8_t* activation);
DecodeList best_decode_list() {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
        __builtin_cpu_supports("popcnt")) {
        return decode_list_bmi;
    }
#endif
    return decode_list_portable;
}
const DecodeList kDecodeList = best_decode_list();

constexpr const char* kWrongList = "has a list of positions that its count does not give";

const char* check_list(const List& list, const uint16_t* position, const uint8_t* activation) {
    for (uint32_t i = 1; i < list.shape.n; ++i) {
        if (position[i] <= position[i - 1]) return "has positions that do not ascend";
    }
    const auto [least, greatest] = std::minmax_element(activation, activation + list.shape.n);
    if (*least != list.least || *greatest != list.greatest) {
        return "has activations that do not fill their range";
    }
    const uint64_t bits = list.shape.bits();
    if (bits % 8 != 0 && list.data[bits / 8] >> (bits % 8) != 0) {
        return "has unused bits that are not 0";
    }
    return nullptr;
}

void reserve(BlockScratch& scratch, uint32_t n_postings) {
    // Only ever larger: clearing what will be written anyway costs as much as decoding it.
    if (scratch.position.size() < n_postings + kSlack) {
        scratch.position.resize(n_postings + kSlack);
        scratch.activation.resize(n_postings + kSlack);
    }
}

const char* check_positions(const BlockScratch& scratch, uint32_t n_postings, uint32_t n_tokens) {
    const uint16_t* const position = scratch.position.data();
    uint16_t bits = 0;  // cheaper than a maximum, and enough for a block of 2^n tokens
    for (uint32_t i = 0; i < n_postings; ++i) bits |= position[i];
    if (bits < n_tokens) return nullptr;
    const bool good =
        std::all_of(position, position + n_postings, [&](uint16_t p) { return p < n_tokens; });
    return good ? nullptr : "has a position beyond its tokens";
}

// Lists so many ahead are asked for while one is decoded: they lie too far apart for the
// processor to guess.
constexpr size_t kAhead = 6;

inline void prefetch(const EncodedBlock& block, const ListPlace& place) {
    __builtin_prefetch(block.data + place.offset);
    __builtin_prefetch(block.data + place.offset + 64);
}

}  // namespace

const char* decode_block(const EncodedBlock& block, bool check, BlockScratch& scratch) {
    if (const char* problem = block_layout::find_lists(block, scratch.places)) return problem;
    reserve(scratch, block.n_postings);
    scratch.feature_begin.resize(block.latents + 1);
    uint32_t decoded = 0;
    for (uint32_t f = 0; f < block.latents; ++f) {
        scratch.feature_begin[f] = decoded;
        const ListPlace& place = scratch.places[f];
        if (place.n == 0) continue;
        const List list = list_at(block, place);
        uint16_t* const position = scratch.position.data() + decoded;
        uint8_t* const activation = scratch.activation.data() + decoded;
        if (!kDecodeList(list, position, activation)) return kWrongList;
        decoded += place.n;
        if (!check) continue;
        if (const char* problem = check_list(list, position, activation)) return problem;
    }
    scratch.feature_begin[block.latents] = decoded;
    return check_positions(scratch, decoded, block.n_tokens);
}

const char* decode_features(const EncodedBlock& block, std::span<const uint32_t> features,
                            BlockScratch& scratch) {
    if (const char* problem = block_layout::find_lists(block, scratch.places)) return problem;
    reserve(scratch, block.n_postings);
    scratch.feature_begin.resize(features.size() + 1);
    uint32_t decoded = 0;
    for (size_t i = 0; i < features.size(); ++i) {
        scratch.feature_begin[i] = decoded;
        if (i + kAhead < features.size()) {
            prefetch(block, scratch.places[features[i + kAhead]]);
        }
        const ListPlace& place = scratch.places[features[i]];
        if (place.n == 0) continue;
        if (!kDecodeList(list_at(block, place), scratch.position.data() + decoded,
                         scratch.activation.data() + decoded)) {
            return kWrongList;
        }
        decoded += place.n;
    }
    scratch.feature_begin[features.size()] = decoded;
    return check_positions(scratch, decoded, block.n_tokens);
}

}  // namespace s3attn

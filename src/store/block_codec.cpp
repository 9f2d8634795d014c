#include "store/block_codec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "store/segment_format.h"

namespace s3attn {
namespace {

using segment_format::kNoCount;
using segment_format::load;

// Elias-Fano parameters of a feature with n postings in a block.
struct ListShape {
    uint16_t low_width = 0;  // r: bits per posting in the low stream
    uint16_t high_bits = 0;  // bits in the high stream
};
constexpr auto kListShapes = [] {
    std::array<ListShape, kBlockTokens + 1> shapes{};
    for (uint32_t n = 1; n <= kBlockTokens; ++n) {
        const auto r = static_cast<uint16_t>(std::bit_width(kBlockTokens / n) - 1);
        shapes[n] = {r, static_cast<uint16_t>(n + ((kBlockTokens - 1) >> r))};
    }
    return shapes;
}();

class BitWriter {
  public:
    explicit BitWriter(std::string& out) : out_(out) {}
    void put(uint64_t value, uint32_t width) {  // width <= 16
        pending_ |= value << used_;
        used_ += width;
        while (used_ >= 8) {
            out_.push_back(static_cast<char>(pending_));
            pending_ >>= 8;
            used_ -= 8;
        }
    }
    void zeros(uint32_t count) {
        for (; count > 16; count -= 16) put(0, 16);
        put(0, count);
    }
    void finish() {
        if (used_ > 0) out_.push_back(static_cast<char>(pending_));
    }

  private:
    std::string& out_;
    uint64_t pending_ = 0;
    uint32_t used_ = 0;
};

// `width` <= 12 bits at bit offset `bit`.
inline __attribute__((always_inline)) uint32_t bits_at(const uint8_t* stream, uint64_t bit,
                                                       uint32_t width) {
    return static_cast<uint32_t>(load<uint32_t>(stream + (bit >> 3)) >> (bit & 7)) &
           ((1u << width) - 1);
}

// Where one feature's bits stand.
struct List {
    const uint8_t* low;
    const uint8_t* high;
    uint64_t low_bit, high_bit;
    uint32_t n;
    ListShape shape;
};

inline __attribute__((always_inline)) uint64_t high_word(const List& list, uint32_t done,
                                                         uint32_t width) {
    const uint64_t bit = list.high_bit + done;
    return (load<uint64_t>(list.high + (bit >> 3)) >> (bit & 7)) & ((1ull << width) - 1);
}

// Eight postings at a time, whether wanted or not: a loop over exactly n would mispredict its end
// for every feature. `bias`: offset of the word in the list minus the ones before it.
constexpr uint32_t kGroup = 8;
inline __attribute__((always_inline)) void decode_word(uint64_t word, uint32_t ones, uint32_t bias,
                                                       const List& list, uint64_t low_bit,
                                                       uint16_t* out) {
    const uint32_t r = list.shape.low_width;
    for (uint32_t i = 0; i < ones; i += kGroup) {
#pragma GCC unroll 8
        for (uint32_t j = 0; j < kGroup; ++j) {
            const auto bit = static_cast<uint32_t>(std::countr_zero(word | (1ull << 63)));
            word &= word - 1;
            out[i + j] = static_cast<uint16_t>(
                (((bias + bit - i - j) << r) | bits_at(list.low, low_bit, r)) & (kBlockTokens - 1));
            low_bit += r;
        }
    }
}

constexpr uint32_t kWordBits = 56;  // bits of the high stream that one unaligned load surely holds

// False when the list does not have exactly n ones.
inline __attribute__((always_inline)) bool decode_long(const List& list, uint16_t* out) {
    uint32_t decoded = 0;
    for (uint32_t done = 0; done < list.shape.high_bits; done += kWordBits) {
        const uint64_t word =
            high_word(list, done, std::min(kWordBits, list.shape.high_bits - done));
        const auto ones = static_cast<uint32_t>(std::popcount(word));
        if (decoded + ones > list.n) return false;
        decode_word(word, ones, done - decoded, list,
                    list.low_bit + static_cast<uint64_t>(decoded) * list.shape.low_width,
                    out + decoded);
        decoded += ones;
    }
    return decoded == list.n;
}

// What a writer guarantees and a reader need check only once.
const char* check_postings(const BlockScratch& scratch, uint32_t latents, uint32_t n_postings) {
    for (uint32_t f = 0; f < latents; ++f) {
        for (uint32_t i = scratch.feature_begin[f] + 1; i < scratch.feature_begin[f + 1]; ++i) {
            if (scratch.position[i] <= scratch.position[i - 1]) {
                return "has positions that do not ascend";
            }
        }
    }
    if (std::memchr(scratch.activation.data(), 0, n_postings) != nullptr) {
        return "has a posting with activation 0";
    }
    return nullptr;
}

// Sizes of a block's parts, from its counts.
struct Parts {
    const uint8_t* activation = nullptr;
    const uint8_t* low = nullptr;
    const uint8_t* high = nullptr;
};

// Fills scratch.feature_begin and checks that the parts fill the block exactly.
const char* read_counts(const uint8_t* data, size_t length, uint32_t latents, uint32_t n_postings,
                        BlockScratch& scratch, Parts& parts) {
    if (length < latents) return "is too short for its counts";
    const auto n_long = static_cast<size_t>(std::count(data, data + latents, kNoCount));
    if (length < latents + 2 * n_long) return "is too short for its counts";
    const uint8_t* long_count = data + latents;
    const uint8_t* const long_end = long_count + 2 * n_long;
    uint64_t total = 0, low_bits = 0, high_bits = 0;
    scratch.feature_begin.resize(latents + 1);
    for (uint32_t f = 0; f < latents; ++f) {
        uint32_t n = data[f];
        if (n == kNoCount) {
            if (long_count == long_end) return "changed while it was read";
            n = load<uint16_t>(long_count);
            long_count += 2;
            if (n < kNoCount || n > kBlockTokens) return "has a count out of range";
        }
        scratch.feature_begin[f] = static_cast<uint32_t>(total);
        total += n;
        low_bits += static_cast<uint64_t>(n) * kListShapes[n].low_width;
        high_bits += kListShapes[n].high_bits;
    }
    if (total != n_postings) return "has counts that do not add up";
    scratch.feature_begin[latents] = n_postings;
    const uint64_t low_bytes = (low_bits + 7) / 8, high_bytes = (high_bits + 7) / 8;
    if (latents + 2 * n_long + total + low_bytes + high_bytes != length) {
        return "has a length that its counts do not give";
    }
    parts.activation = data + latents + 2 * n_long;
    parts.low = parts.activation + total;
    parts.high = parts.low + low_bytes;
    if (low_bits % 8 != 0 && parts.low[low_bytes - 1] >> (low_bits % 8) != 0) {
        return "has unused bits that are not 0";
    }
    if (high_bits % 8 != 0 && parts.high[high_bytes - 1] >> (high_bits % 8) != 0) {
        return "has unused bits that are not 0";
    }
    return nullptr;
}

// Decodes all lists; false when one does not have the ones its count gives.
inline __attribute__((always_inline)) bool decode_lists(const Parts& parts, uint32_t latents,
                                                        bool check, BlockScratch& scratch) {
    const uint32_t* begin = scratch.feature_begin.data();
    List list{parts.low, parts.high, 0, 0, 0, {}};
    bool good = true;
    for (uint32_t f = 0; f < latents; ++f) {
        list.n = begin[f + 1] - begin[f];
        if (list.n == 0) continue;
        list.shape = kListShapes[list.n];
        uint16_t* out = scratch.position.data() + begin[f];
        if (list.shape.high_bits <= kWordBits) {
            const uint64_t word = high_word(list, 0, list.shape.high_bits);
            if (check) good &= static_cast<uint32_t>(std::popcount(word)) == list.n;
            decode_word(word, list.n, 0, list, list.low_bit, out);
        } else {
            good &= decode_long(list, out);
        }
        list.low_bit += static_cast<uint64_t>(list.n) * list.shape.low_width;
        list.high_bit += list.shape.high_bits;
    }
    return good;
}

bool decode_lists_portable(const Parts& parts, uint32_t latents, bool check,
                           BlockScratch& scratch) {
    return decode_lists(parts, latents, check, scratch);
}

#if defined(__x86_64__)
// Variable shifts and bit scans are most of the work; BMI makes them one instruction each.
__attribute__((target("bmi,bmi2,popcnt"))) bool decode_lists_bmi(const Parts& parts,
                                                                 uint32_t latents, bool check,
                                                                 BlockScratch& scratch) {
    return decode_lists(parts, latents, check, scratch);
}
#endif

bool decode_lists_best(const Parts& parts, uint32_t latents, bool check, BlockScratch& scratch) {
#if defined(__x86_64__)
    static const bool has_bmi = __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                                __builtin_cpu_supports("popcnt");
    if (has_bmi) return decode_lists_bmi(parts, latents, check, scratch);
#endif
    return decode_lists_portable(parts, latents, check, scratch);
}

}  // namespace

bool BlockEncoder::encode(std::span<const Posting> postings, uint32_t latents, std::string& out) {
    if (postings.empty()) return true;
    begin_.assign(latents + 1, 0);
    for (const Posting& posting : postings) ++begin_[posting.feature + 1];
    for (uint32_t f = 0; f < latents; ++f) begin_[f + 1] += begin_[f];
    position_.resize(postings.size());
    activation_.resize(postings.size());
    for (const Posting& posting : postings) {  // advances begin_[f] to the end of f's list
        const uint32_t at = begin_[posting.feature]++;
        position_[at] = posting.position;
        activation_[at] = posting.activation;
    }
    const auto list_begin = [&](uint32_t f) { return f == 0 ? 0 : begin_[f - 1]; };
    for (uint32_t f = 0; f < latents; ++f) {
        for (uint32_t i = list_begin(f) + 1; i < begin_[f]; ++i) {
            if (position_[i] <= position_[i - 1]) return false;
        }
    }
    std::string long_counts;
    for (uint32_t f = 0; f < latents; ++f) {
        const uint32_t n = begin_[f] - list_begin(f);
        out.push_back(static_cast<char>(std::min<uint32_t>(n, kNoCount)));
        if (n >= kNoCount) {
            long_counts.push_back(static_cast<char>(n));
            long_counts.push_back(static_cast<char>(n >> 8));
        }
    }
    out += long_counts;
    out.append(reinterpret_cast<const char*>(activation_.data()), activation_.size());
    BitWriter low(out);
    for (uint32_t f = 0; f < latents; ++f) {
        const uint32_t r = kListShapes[begin_[f] - list_begin(f)].low_width;
        for (uint32_t i = list_begin(f); i < begin_[f]; ++i) {
            low.put(position_[i] & ((1u << r) - 1), r);
        }
    }
    low.finish();
    BitWriter high(out);
    for (uint32_t f = 0; f < latents; ++f) {
        const ListShape shape = kListShapes[begin_[f] - list_begin(f)];
        uint32_t next = 0;  // bits of this feature written so far
        for (uint32_t i = list_begin(f); i < begin_[f]; ++i) {
            const uint32_t bit = (position_[i] >> shape.low_width) + (i - list_begin(f));
            high.zeros(bit - next);
            high.put(1, 1);
            next = bit + 1;
        }
        high.zeros(shape.high_bits - next);
    }
    high.finish();
    return true;
}

const char* decode_block(const uint8_t* data, size_t length, uint32_t latents, uint32_t n_tokens,
                         uint32_t n_postings, bool check, BlockScratch& scratch) {
    Parts parts;
    if (const char* problem = read_counts(data, length, latents, n_postings, scratch, parts)) {
        return problem;
    }
    scratch.position.resize(n_postings + kGroup);
    scratch.activation.assign(parts.activation, parts.activation + n_postings);
    const bool good = decode_lists_best(parts, latents, check, scratch);
    if (!good) return "has a list of positions that its count does not give";
    uint16_t last = 0;
    for (uint32_t i = 0; i < n_postings; ++i) last = std::max(last, scratch.position[i]);
    if (last >= n_tokens) return "has a position beyond its tokens";
    return check ? check_postings(scratch, latents, n_postings) : nullptr;
}

}  // namespace s3attn

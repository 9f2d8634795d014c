#include <algorithm>
#include <cstring>

#include "store/block_codec.h"
#include "store/block_layout.h"
#include "store/segment_format.h"

namespace s3attn {
namespace {

using block_layout::list_shape;
using block_layout::ListShape;
using segment_format::kNoCount;

// Bits into a buffer of zeros that has 8 bytes to spare.
class BitWriter {
  public:
    explicit BitWriter(char* out) : out_(out) {}
    void put(uint64_t value, uint32_t width) {  // width <= 16
        char* const at = out_ + (bit_ >> 3);
        const uint64_t word = segment_format::load<uint64_t>(at) | value << (bit_ & 7);
        std::memcpy(at, &word, sizeof word);
        bit_ += width;
    }
    void skip(uint64_t bits) { bit_ += bits; }
    uint64_t bit() const { return bit_; }

  private:
    char* out_;
    uint64_t bit_ = 0;
};

void put_list(const ListShape& shape, uint8_t least, const uint16_t* position,
              const uint8_t* activation, char* out) {
    BitWriter bits(out);
    for (uint32_t i = 0; i < shape.n; ++i) {
        bits.put(static_cast<uint8_t>(activation[i] - least), shape.activation_width);
    }
    const uint32_t mask = (1u << shape.low_width) - 1;
    for (uint32_t i = 0; i < shape.n; ++i) bits.put(position[i] & mask, shape.low_width);
    const uint64_t begin = bits.bit();
    for (uint32_t i = 0; i < shape.n; ++i) {
        bits.skip(begin + (position[i] >> shape.low_width) + i - bits.bit());
        bits.put(1, 1);
    }
}

}  // namespace

// Counting sort by feature; false when a list's positions do not ascend.
bool BlockEncoder::group(std::span<const Posting> postings, uint32_t latents) {
    end_.assign(latents + 1, 0);
    for (const Posting& posting : postings) ++end_[posting.feature + 1];
    for (uint32_t f = 0; f < latents; ++f) end_[f + 1] += end_[f];
    position_.resize(postings.size());
    activation_.resize(postings.size());
    for (const Posting& posting : postings) {  // advances end_[f] from the begin of f's list
        const uint32_t at = end_[posting.feature]++;
        position_[at] = posting.position;
        activation_[at] = posting.activation;
    }
    for (uint32_t f = 0; f < latents; ++f) {
        for (uint32_t i = list_begin(f) + 1; i < end_[f]; ++i) {
            if (position_[i] <= position_[i - 1]) return false;
        }
    }
    return true;
}

bool BlockEncoder::encode(std::span<const Posting> postings, uint32_t latents, uint32_t n_tokens,
                          std::string& out) {
    if (postings.empty()) return true;
    if (!group(postings, latents)) return false;
    std::string long_counts, ranges;
    uint64_t bytes = 0;
    for (uint32_t f = 0; f < latents; ++f) {
        const uint32_t n = list_size(f);
        out.push_back(static_cast<char>(std::min<uint32_t>(n, kNoCount)));
        if (n == 0) continue;
        if (n >= kNoCount) {
            long_counts.push_back(static_cast<char>(n));
            long_counts.push_back(static_cast<char>(n >> 8));
        }
        const uint8_t* first = activation_.data() + list_begin(f);
        const auto [least, greatest] = std::minmax_element(first, first + n);
        ranges.push_back(static_cast<char>(*least));
        ranges.push_back(static_cast<char>(*greatest));
        bytes += list_shape(n, n_tokens, *least, *greatest).bytes();
    }
    out += long_counts;
    out += ranges;
    size_t at = out.size();
    out.resize(at + bytes + sizeof(uint64_t));
    const char* range = ranges.data();
    for (uint32_t f = 0; f < latents; ++f) {
        const uint32_t n = list_size(f);
        if (n == 0) continue;
        const auto least = static_cast<uint8_t>(range[0]);
        const auto greatest = static_cast<uint8_t>(range[1]);
        range += 2;
        const ListShape shape = list_shape(n, n_tokens, least, greatest);
        put_list(shape, least, position_.data() + list_begin(f), activation_.data() + list_begin(f),
                 out.data() + at);
        at += shape.bytes();
    }
    out.resize(at);
    return true;
}

}  // namespace s3attn

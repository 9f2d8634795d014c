// The innermost loop of score_attention: a token's postings against the question's weights.
#pragma once

#include <cstdint>
#include <vector>

#include "s3attn/result.h"
#include "store/segment.h"

namespace s3attn {

inline constexpr uint32_t kLaneWidth = 8;       // floats of one AVX2 register
inline constexpr uint32_t kMaxGroupLanes = 64;  // lanes whose sums stay in registers

// A block turned around: the postings of token t are entry[t * k .. t * k + count[t]), each
// (feature << 8 | activation), features ascending.
struct TokenForm {
    uint32_t k = 0;
    std::vector<uint32_t> entry;
    std::vector<uint16_t> count;
};
// Counting sort by position. kCorrupt when a token has more than k postings.
Status to_token_form(const BlockView& block, uint32_t k, TokenForm& form);

// running_max[l] = max over tokens [begin, end) of sum over the token's postings of
// activation * table[feature * lanes + l], and of running_max[l] before. `lanes` is a multiple of
// kLaneWidth up to kMaxGroupLanes.
using MaxKernel = void (*)(const TokenForm& form, uint32_t begin, uint32_t end, const float* table,
                           uint32_t lanes, float* running_max);

void max_kernel_scalar(const TokenForm& form, uint32_t begin, uint32_t end, const float* table,
                       uint32_t lanes, float* running_max);
#if defined(__x86_64__)
// Needs AVX2 and FMA.
void max_kernel_avx2(const TokenForm& form, uint32_t begin, uint32_t end, const float* table,
                     uint32_t lanes, float* running_max);
#endif
// The fastest that this processor runs.
MaxKernel best_max_kernel();

}  // namespace s3attn

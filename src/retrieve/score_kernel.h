// The innermost loop of score_attention: a token's postings against the question's weights.
#pragma once

#include <cstdint>
#include <vector>

#include "s3attn/result.h"
#include "store/segment.h"

namespace s3attn {

inline constexpr uint32_t kLaneWidth = 16;       // lanes of one AVX2 register
inline constexpr uint32_t kMaxGroupLanes = 128;  // lanes whose sums stay in registers

// A block turned around: the postings of token t are entry[t * k .. t * k + count[t]), each
// (feature << 8 | activation), features ascending.
struct TokenForm {
    uint32_t k = 0;
    std::vector<uint32_t> entry;
    std::vector<uint16_t> count;
};
// Counting sort by position. kCorrupt when a token has more than k postings.
Status to_token_form(const BlockView& block, uint32_t k, TokenForm& form);

// Weights are 16-bit fixed point, because the loop is bound by the table's bytes. The arithmetic is
// exact and saturating, so every kernel gives the same bits. One posting adds
// round(activation * weight / kActivationUnit).
inline constexpr int kActivationUnit = 256;

// running_max[l] = max over tokens [begin, end) of the sum over the token's postings of what
// table[feature * lanes + l] adds, and of running_max[l] before. `lanes` is a multiple of
// kLaneWidth up to kMaxGroupLanes.
using MaxKernel = void (*)(const TokenForm& form, uint32_t begin, uint32_t end,
                           const int16_t* table, uint32_t lanes, int16_t* running_max);

void max_kernel_scalar(const TokenForm& form, uint32_t begin, uint32_t end, const int16_t* table,
                       uint32_t lanes, int16_t* running_max);
#if defined(__x86_64__)
// Needs AVX2.
void max_kernel_avx2(const TokenForm& form, uint32_t begin, uint32_t end, const int16_t* table,
                     uint32_t lanes, int16_t* running_max);
#endif
// The fastest that this processor runs.
MaxKernel best_max_kernel();

}  // namespace s3attn

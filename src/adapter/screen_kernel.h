// The same result as topk_kernel.h at a third of the time, where the CPU multiplies bytes (AVX-512
// VNNI): 8-bit pre-activations of all latents screen out those that cannot be among the k largest,
// and the few that are left are computed in F32. The screen is exact: its margin is a bound on the
// error of the 8-bit product, not an estimate. Plain structs only, for the reason given there.
#pragma once

#include <cstdint>

namespace s3attn {

constexpr uint32_t kScreenRows = 8;      // rows per tile
constexpr uint32_t kScreenLatents = 32;  // latents per tile; `latents` is padded to a multiple
constexpr uint32_t kScreenMaxK = 32;     // above it the seed of the threshold is too weak

struct ScreenArgs {
    // Weights as bytes, value + 128: [latents / 16][steps][16][4]; 4 steps of d make one lane.
    const uint8_t* byte_weights = nullptr;
    const float* scale = nullptr;    // [latents] of a weight byte
    const float* bias = nullptr;     // [latents]; -infinity for padding
    const float* weights = nullptr;  // [latents][width] F32, zeros after d
    uint32_t latents = 0, steps = 0, width = 0, k = 0;
    // Rows; `n_rows` is a multiple of kScreenRows.
    uint32_t n_rows = 0;
    const float* rows = nullptr;        // [n_rows][width] F32, zeros after d
    const int8_t* byte_rows = nullptr;  // [n_rows][steps * 4]
    const int32_t* start = nullptr;     // [n_rows]: -128 times the sum of the row's bytes
    const float* row_scale = nullptr;   // [n_rows] of a row byte
    const float* error = nullptr;  // [n_rows]: bound of |8-bit - exact|; negative: skip the row
    float* approximate = nullptr;  // [kScreenRows][latents] scratch, 64-byte aligned
    uint64_t* keys = nullptr;      // [n_rows][k], zeroed: out
};

#if defined(__x86_64__)
void screen_vnni(const ScreenArgs& args);  // needs AVX-512 F, BW, VL, DQ and VNNI
#endif

}  // namespace s3attn

#include "adapter/topk_kernel.h"

namespace s3attn {
namespace {

// Four floats that the compiler keeps in one vector register (GCC and Clang).
using Four = float __attribute__((vector_size(16)));

void tile(const TopkArgs& args, uint32_t group, uint32_t tile_index) {
    const float* w = args.weights + static_cast<uint64_t>(group) * args.d * kTileLatents;
    const float* x = args.rows + static_cast<uint64_t>(tile_index) * args.d * kTileRows;
    float sum[kTileRows][kTileLatents];
    // Two rows at a time: their sums fit the 16 registers of the oldest x86-64.
    for (uint32_t r = 0; r < kTileRows; r += 2) {
        Four a[4], b[4];
        for (uint32_t v = 0; v < 4; ++v) {
            __builtin_memcpy(&a[v], args.bias + group * kTileLatents + 4 * v, sizeof(Four));
            b[v] = a[v];
        }
        for (uint32_t i = 0; i < args.d; ++i) {
            const float first = x[i * kTileRows + r], second = x[i * kTileRows + r + 1];
            for (uint32_t v = 0; v < 4; ++v) {
                Four weights;
                __builtin_memcpy(&weights, w + i * kTileLatents + 4 * v, sizeof weights);
                a[v] += weights * first;
                b[v] += weights * second;
            }
        }
        __builtin_memcpy(sum[r], a, sizeof a);
        __builtin_memcpy(sum[r + 1], b, sizeof b);
    }
    for (uint32_t r = 0; r < kTileRows; ++r) {
        const uint64_t row = static_cast<uint64_t>(tile_index) * kTileRows + r;
        for (uint32_t l = 0; l < kTileLatents; ++l) {
            if (sum[r][l] > args.threshold[row]) {
                args.threshold[row] = topk_insert(args.keys + row * args.k, args.k, sum[r][l],
                                                  group * kTileLatents + l);
            }
        }
    }
}

}  // namespace

void topk_scalar(const TopkArgs& args) {
    for (uint32_t g = 0; g < args.groups; ++g) {
        for (uint32_t t = 0; t < args.tiles; ++t) tile(args, g, t);
    }
}

}  // namespace s3attn

#include "adapter/topk_kernel.h"

namespace s3attn {
namespace {

void tile(const TopkArgs& args, uint32_t group, uint32_t tile_index) {
    const float* w = args.weights + static_cast<uint64_t>(group) * args.d * kTileLatents;
    const float* x = args.rows + static_cast<uint64_t>(tile_index) * args.d * kTileRows;
    float sum[kTileRows][kTileLatents];
    for (auto& row : sum) {
        for (uint32_t l = 0; l < kTileLatents; ++l) row[l] = args.bias[group * kTileLatents + l];
    }
    for (uint32_t i = 0; i < args.d; ++i, w += kTileLatents, x += kTileRows) {
        for (uint32_t r = 0; r < kTileRows; ++r) {
            for (uint32_t l = 0; l < kTileLatents; ++l) sum[r][l] += x[r] * w[l];
        }
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

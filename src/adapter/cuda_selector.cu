#include <algorithm>

#include "adapter/cuda_finish.cuh"
#include "adapter/cuda_selector.cuh"

namespace s3attn::gpu {
namespace {

// One block a tile, one warp a latent: fp16 weights where TileShape wants them, and the bounds.
template <int D>
__global__ void pack_tiles(const float* weights, const float* bias, int latents, SlotTables* slot,
                           unsigned char* tiles) {
    using Shape = TileShape<D>;
    unsigned char* tile = tiles + size_t{blockIdx.x} * Shape::kTileBytes;
    const int lane = threadIdx.x % 32;
    for (int l = threadIdx.x / 32; l < kTileLatents; l += blockDim.x / 32) {
        const int latent = blockIdx.x * kTileLatents + l;
        const bool real = latent < latents;
        float norm = 0, loss = 0;
        for (int i = lane; i < D; i += 32) {
            const float w = real ? weights[size_t(latent) * D + i] : 0.0f;
            const __half rounded = __float2half_rn(w);
            const float lost = w - __half2float(rounded);
            norm += w * w;
            loss += lost * lost;
            const int chunk = (i % 64) / 8;
            const int at = i / 64 * (kTileLatents * 128) + l * 128 + (chunk ^ (l % 8)) * 16;
            reinterpret_cast<__half*>(tile + at)[i % 8] = rounded;
        }
        for (int step = 16; step > 0; step /= 2) {
            norm += __shfl_xor_sync(~0u, norm, step);
            loss += __shfl_xor_sync(~0u, loss, step);
        }
        if (lane != 0) continue;
        // A latent that does not exist must never exceed a threshold.
        const float b = real ? bias[latent] : -INFINITY;
        reinterpret_cast<float*>(tile + Shape::kWeightBytes)[l] = b;
        if (!real) continue;
        // Bits of numbers that are not negative order like the numbers.
        atomicMax(reinterpret_cast<int*>(&slot->largest_norm), __float_as_int(sqrtf(norm)));
        atomicMax(reinterpret_cast<int*>(&slot->largest_loss), __float_as_int(sqrtf(loss)));
        atomicMax(reinterpret_cast<int*>(&slot->largest_bias), __float_as_int(fabsf(b)));
    }
    if (blockIdx.x == 0 && threadIdx.x == 0) slot->tiles = tiles;
}

__global__ void reset_bounds(SlotTables* slot) {
    slot->largest_norm = slot->largest_loss = slot->largest_bias = 0;
}

template <int D>
size_t tile_bytes() {
    return TileShape<D>::kTileBytes;
}

uint32_t tiles_of(uint32_t latents) { return (latents + kTileLatents - 1) / kTileLatents; }

// Calls f.template operator()<D>() for a padded dimension.
template <class F>
auto with_dimension(uint32_t padded_d, const F& f) {
    if (padded_d == 64) return f.template operator()<64>();
    if (padded_d == 128) return f.template operator()<128>();
    return f.template operator()<256>();
}

}  // namespace

uint32_t padded_dimension(uint32_t d) { return d <= 64 ? 64 : d <= 128 ? 128 : d <= 256 ? 256 : 0; }

size_t packed_bytes(uint32_t latents, uint32_t padded_d) {
    return tiles_of(latents) * with_dimension(padded_d, [&]<int D>() { return tile_bytes<D>(); });
}

Status pack_encoder(const float* weights, const float* bias, uint32_t latents, uint32_t padded_d,
                    SlotTables* slot, unsigned char* tiles, cudaStream_t stream) {
    reset_bounds<<<1, 1, 0, stream>>>(slot);
    with_dimension(padded_d, [&]<int D>() {
        pack_tiles<D><<<tiles_of(latents), 256, 0, stream>>>(
            weights, bias, static_cast<int>(latents), slot, tiles);
    });
    return to_status(cudaGetLastError(), "packing an encoder");
}

Status LatentSelector::make(uint32_t padded_d, uint32_t k, size_t max_rows) {
    d_ = padded_d;
    k_ = k;
    max_rows_ = max_rows;
    int device = 0;
    S3ATTN_CHECK(to_status(cudaGetDevice(&device), "no device"));
    S3ATTN_CHECK(
        to_status(cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, device),
                  "asking for the device"));
    const cudaError_t error = with_dimension(d_, [&]<int D>() {
        return cudaFuncSetAttribute(select_latents<D>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    TileShape<D>::kSharedBytes);
    });
    S3ATTN_CHECK(to_status(error, "this card has too little shared memory for the encoder"));
    // Room for the k best of a row in one thread's list, those since the last tightening, one tile.
    list_slots_ = static_cast<int>(2 * k + 32 + 16);
    room_ = candidate_room(static_cast<int>(k));
    // Slots of a launch do not share blocks: at most one more block a slot, 16 slots a launch.
    const int blocks = std::min(processors_, blocks_for(static_cast<int>(max_rows), 1) + 16);
    const int warps = with_dimension(d_, [&]<int D>() { return TileShape<D>::kWarps; });
    S3ATTN_CHECK(lists_.allocate(size_t(blocks) * warps * list_slots_ * 64));
    S3ATTN_CHECK(candidates_.allocate(max_rows * room_));
    return counts_.allocate(max_rows);
}

int LatentSelector::blocks_for(int n_rows, int n_slots) const {
    const int rows = with_dimension(d_, [&]<int D>() { return TileShape<D>::kRows; });
    return (n_rows + rows - 1) / rows * n_slots;
}

Status LatentSelector::select(const FinishArgs& finish, cudaStream_t stream) {
    SelectArgs args{};
    args.slots = finish.slots;
    args.keys = finish.keys;
    args.slot_rows = finish.slot_rows;
    args.n_slots = finish.n_slots;
    args.n_rows = finish.n_rows;
    args.n_tiles = static_cast<int>(tiles_of(finish.latents));
    args.k = finish.k;
    args.centre = finish.centre;
    args.lists = lists_.get();
    args.list_slots = list_slots_;
    args.candidates = candidates_.get();
    args.counts = counts_.get();
    args.room = room_;
    with_dimension(d_, [&]<int D>() {
        using Shape = TileShape<D>;
        const size_t limit = lists_.size() / (size_t{Shape::kWarps} * list_slots_ * 64);
        const int blocks =
            std::min({processors_, blocks_for(args.n_rows, args.n_slots), static_cast<int>(limit)});
        select_latents<D><<<blocks, Shape::kThreads, Shape::kSharedBytes, stream>>>(args);
    });
    return to_status(cudaGetLastError(), "launching the encoder");
}

Status LatentSelector::run(FinishArgs args, bool half_weights, cudaStream_t stream) {
    if (args.n_rows == 0 || args.n_slots == 0) return {};
    if (size_t(args.n_rows) * args.n_slots > max_rows_ || args.k > static_cast<int>(k_)) {
        return make_error(ErrorCode::kInternal, "more rows for the device encoder than announced");
    }
    S3ATTN_CHECK(select(args, stream));
    args.candidates = candidates_.get();
    args.counts = counts_.get();
    args.room = room_;
    const int rows = args.n_rows * args.n_slots;
    const int blocks = (rows + kFinishWarps - 1) / kFinishWarps;
    with_dimension(d_, [&]<int D>() {
        if (half_weights) {
            finish_rows<D, __half><<<blocks, 32 * kFinishWarps, 0, stream>>>(args);
        } else {
            finish_rows<D, float><<<blocks, 32 * kFinishWarps, 0, stream>>>(args);
        }
    });
    return to_status(cudaGetLastError(), "launching the end of the encoder");
}

}  // namespace s3attn::gpu

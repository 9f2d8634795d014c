// The part of the device encoder that knows the hardware: weight tiles through shared memory, and
// the product of 16 rows a warp with one tile on the tensor cores. Hopper (compiled for sm_90a)
// uses wgmma and the bulk copy engine; other cards from Ampere on use mma.sync.
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

namespace s3attn::gpu {

constexpr int kTileLatents = 128;
constexpr int kWarpRows = 16;

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define S3ATTN_WGMMA 1
#endif
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define S3ATTN_BULK_COPY 1
#endif

// D: head dimension, padded to 64, 128 or 256.
template <int D>
struct TileShape {
    static constexpr int kGroups = D <= 128 ? 3 : 2;  // of four warps; limited by registers
    static constexpr int kThreads = kGroups * 128;
    static constexpr int kWarps = kGroups * 4;
    static constexpr int kRows = kWarps * kWarpRows;
    // One tile in device memory and in shared memory: weights as fp16 in halves of 64 dimensions,
    // [D / 64][128 latents][64], 16-byte chunks of a latent permuted by latent % 8 (the "128-byte
    // swizzle"), then the 128 biases.
    static constexpr int kWeightBytes = kTileLatents * D * 2;
    static constexpr int kUsedBytes = kWeightBytes + kTileLatents * 4;
    static constexpr int kTileBytes = kWeightBytes + 1024;  // whole swizzle atoms
    static constexpr int kStages = D == 64 ? 6 : D == 128 ? 5 : 3;
    static constexpr int kSharedBytes = kStages * kTileBytes + 1024 + 16 * kStages;
};

__device__ inline uint32_t shared_address(const void* pointer) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

#if defined(S3ATTN_BULK_COPY)

__device__ inline void barrier_init(uint64_t* barrier, uint32_t arrivals) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(arrivals)
                 : "memory");
}
__device__ inline void barrier_arrive(uint64_t* barrier) {
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(
                     shared_address(barrier))
                 : "memory");
}
__device__ inline void barrier_wait(uint64_t* barrier, uint32_t parity) {
    asm volatile(
        "{\n.reg .pred p;\nWAIT:\n"
        "mbarrier.try_wait.parity.shared.b64 p, [%0], %1;\n"
        "@p bra DONE;\nbra WAIT;\nDONE:\n}" ::"r"(shared_address(barrier)),
        "r"(parity)
        : "memory");
}
// One thread: `bytes` from device memory; the barrier's phase ends when all have arrived.
__device__ inline void bulk_copy(void* shared, const void* global, uint32_t bytes,
                                 uint64_t* barrier) {
    asm volatile(
        "{\n.reg .b64 state;\nmbarrier.arrive.expect_tx.shared.b64 state, [%0], %1;\n}" ::"r"(
            shared_address(barrier)),
        "r"(bytes)
        : "memory");
    asm volatile(
        "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
            "r"(shared_address(shared)),
        "l"(global), "r"(bytes), "r"(shared_address(barrier))
        : "memory");
}

#endif

// Tiles q = 0, 1, 2, ... of one block, each used by all of its warps, a few loaded ahead.
template <int D>
class TileQueue {
    using Shape = TileShape<D>;

  public:
    // `source(q)` is where tile q lies in device memory. All threads of the block call this.
    template <class Source>
    __device__ TileQueue(unsigned char* shared, int total, const Source& source) : total_(total) {
        const uint32_t misaligned = shared_address(shared) % 1024;
        tiles_ = shared + (misaligned == 0 ? 0 : 1024 - misaligned);
#if defined(S3ATTN_BULK_COPY)
        full_ = reinterpret_cast<uint64_t*>(tiles_ + Shape::kStages * Shape::kTileBytes);
        empty_ = full_ + Shape::kStages;
        if (threadIdx.x == 0) {
            for (int s = 0; s < Shape::kStages; ++s) {
                barrier_init(full_ + s, 1);
                barrier_init(empty_ + s, Shape::kWarps);
            }
            asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
            asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int q = 0; q < min(total_, Shape::kStages); ++q) load(q, source);
        }
        __syncwarp();
#else
        (void)source;
#endif
    }

    // The tile, ready to be read. All threads call this for q = 0, 1, ... in order.
    template <class Source>
    __device__ unsigned char* acquire(int q, const Source& source) {
#if defined(S3ATTN_BULK_COPY)
        // Two tiles behind, so that no warp has to keep step with the slowest.
        constexpr int kBehind = Shape::kStages > 3 ? 2 : 1;
        const int next = q - kBehind + Shape::kStages;
        if (threadIdx.x == 0 && q >= kBehind && next < total_) {
            const int old = q - kBehind;
            barrier_wait(empty_ + old % Shape::kStages, (old / Shape::kStages) & 1);
            load(next, source);
        }
        __syncwarp();
        barrier_wait(full_ + q % Shape::kStages, (q / Shape::kStages) & 1);
        return tiles_ + (q % Shape::kStages) * Shape::kTileBytes;
#else
        __syncthreads();
        const uint4* from = reinterpret_cast<const uint4*>(source(q));
        uint4* to = reinterpret_cast<uint4*>(tiles_);
        for (int i = threadIdx.x; i < Shape::kUsedBytes / 16; i += Shape::kThreads) {
            to[i] = __ldg(from + i);
        }
        __syncthreads();
        return tiles_;
#endif
    }

    // A warp no longer reads tile q.
    __device__ void release(int q) {
#if defined(S3ATTN_BULK_COPY)
        __syncwarp();
        if (threadIdx.x % 32 == 0) barrier_arrive(empty_ + q % Shape::kStages);
#else
        (void)q;
#endif
    }

  private:
#if defined(S3ATTN_BULK_COPY)
    template <class Source>
    __device__ void load(int q, const Source& source) {
        const int stage = q % Shape::kStages;
        bulk_copy(tiles_ + stage * Shape::kTileBytes, source(q), Shape::kUsedBytes, full_ + stage);
    }
    uint64_t *full_, *empty_;
#endif
    unsigned char* tiles_;
    int total_;
};

#if defined(S3ATTN_WGMMA)

#define S3ATTN_ACC8(i)                                                                    \
    "+f"(acc[i]), "+f"(acc[i + 1]), "+f"(acc[i + 2]), "+f"(acc[i + 3]), "+f"(acc[i + 4]), \
        "+f"(acc[i + 5]), "+f"(acc[i + 6]), "+f"(acc[i + 7])

__device__ inline void wgmma_step(float (&acc)[64], const uint32_t (&a)[4], uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %69, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
        "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
        "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "{%64, %65, %66, %67}, %68, p, 1, 1, 0;\n}\n"
        : S3ATTN_ACC8(0), S3ATTN_ACC8(8), S3ATTN_ACC8(16), S3ATTN_ACC8(24), S3ATTN_ACC8(32),
          S3ATTN_ACC8(40), S3ATTN_ACC8(48), S3ATTN_ACC8(56)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));
}
#undef S3ATTN_ACC8

// 64 rows of a group of four warps times the 128 latents of a tile. acc[4 j + 2 h + e] is row
// lane / 4 + 8 h, latent 8 j + 2 (lane % 4) + e, as mma.sync has it.
template <int D>
__device__ inline void multiply_tile(const uint32_t (&a)[D / 16][4], const unsigned char* tile,
                                     float (&acc)[64]) {
    // Descriptor: 128-byte swizzle, 1,024 bytes from one group of eight latents to the next.
    const uint64_t base = (uint64_t{1} << 62) | (uint64_t{64} << 32) | (uint64_t{1} << 16) |
                          ((shared_address(tile) & 0x3ffff) >> 4);
#pragma unroll
    for (int i = 0; i < 64; ++i) asm volatile("" : "+f"(acc[i])::"memory");
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int step = 0; step < D / 16; ++step) {
        const uint32_t offset = (step / 4) * (kTileLatents * 128) + (step % 4) * 32;
        wgmma_step(acc, a[step], base + (offset >> 4), step != 0);
    }
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
#pragma unroll
    for (int i = 0; i < 64; ++i) asm volatile("" : "+f"(acc[i])::"memory");
}

#else

template <int D>
__device__ inline void multiply_tile(const uint32_t (&a)[D / 16][4], const unsigned char* tile,
                                     float (&acc)[64]) {
    const uint32_t base = shared_address(tile), lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < kTileLatents / 8; ++j) {
        float* c = acc + 4 * j;
        c[0] = c[1] = c[2] = c[3] = 0;
        const uint32_t latent = 8 * j + lane % 8;
#pragma unroll
        for (int step = 0; step < D / 16; step += 2) {
            const uint32_t chunk = 2 * step + lane / 8;  // 8 dimensions
            const uint32_t address = base + (chunk / 8) * (kTileLatents * 128) + latent * 128 +
                                     ((chunk % 8) ^ (latent % 8)) * 16;
            uint32_t b[4];
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(b[0]), "=r"(b[1]), "=r"(b[2]), "=r"(b[3])
                         : "r"(address)
                         : "memory");
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                const uint32_t(&x)[4] = a[step + half];
                asm volatile(
                    "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
                    "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                    : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                    : "r"(x[0]), "r"(x[1]), "r"(x[2]), "r"(x[3]), "r"(b[2 * half]),
                      "r"(b[2 * half + 1]));
            }
        }
    }
}

#endif

}  // namespace s3attn::gpu

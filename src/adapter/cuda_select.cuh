// First kernel of the device encoder: centres and normalises keys, multiplies them with the
// encoder, and keeps for each row the latents that can be among its k most active. Latents are
// never written to memory.
//
// The product has fp16 inputs, so a pre-activation is off by at most `error` (computed per row from
// what rounding lost). At any moment at least k latents of a row exceed some value A; one that lies
// below A - 2 error cannot be among the k best. So each thread keeps those above a threshold that
// rises, and the second kernel (cuda_finish.cuh) computes the few that are left in F32.
#pragma once

#include <cstdint>

#include "adapter/cuda_tile.cuh"

namespace s3attn::gpu {

constexpr uint16_t kTooMany = 0xffff;  // instead of a count: the second kernel looks at all latents

// A head's encoder on the device; pointers are device pointers, dimensions padded with zeros to D.
struct SlotTables {
    const unsigned char* tiles;                      // [n_tiles] of TileShape
    const float* mean;                               // [D]
    const float* offset;                             // [D], subtracted after normalising
    const float* bias;                               // [latents]
    const void* encoder;                             // [latents][D] fp16 or F32
    const void* decoder;                             // [latents][D] likewise
    float largest_norm, largest_loss, largest_bias;  // over latents: |w|, |w - fp16(w)|, |b|
};

struct SelectArgs {
    const SlotTables* slots;  // [n_slots]
    const float* keys;        // row r of slot s: keys + (s * slot_rows + r) * D
    size_t slot_rows;
    int n_slots, n_rows, n_tiles, k;
    bool centre;           // false: rows are unit vectors already
    uint2* lists;          // scratch, [blocks][warps][list_slots][kEntryStride]
    int list_slots;        // at least 32 more than k
    uint16_t* candidates;  // [n_slots][n_rows][room] latents
    uint16_t* counts;      // [n_slots][n_rows]
    int room;
};

__device__ inline float quad_sum(float v) {
    v += __shfl_xor_sync(~0u, v, 1);
    return v + __shfl_xor_sync(~0u, v, 2);
}
__device__ inline double quad_sum(double v) {
    v += __shfl_xor_sync(~0u, v, 1);
    return v + __shfl_xor_sync(~0u, v, 2);
}
__device__ inline int quad_sum(int v) {
    v += __shfl_xor_sync(~0u, v, 1);
    return v + __shfl_xor_sync(~0u, v, 2);
}
__device__ inline float quad_max(float v) {
    v = fmaxf(v, __shfl_xor_sync(~0u, v, 1));
    return fmaxf(v, __shfl_xor_sync(~0u, v, 2));
}

// What a thread knows of one of its two rows; the four threads of a quad share a row.
struct RowState {
    float threshold;  // candidates exceed it; infinity: no candidates
    float twice_error;
    uint2 *list, *end;  // this thread's candidates, kEntryStride apart
    bool too_many;

    __device__ uint32_t count() const { return static_cast<uint32_t>(end - list) / 64; }
};
constexpr int kEntryStride = 64;  // a warp's entries of one rank lie side by side

// Loads row `row` (nullptr: none) as the A fragments of one half (0: rows 0-7, 1: rows 8-15).
template <int D>
__device__ inline void load_row(const float* row, const SlotTables& slot, bool centre, int half,
                                uint32_t (&a)[D / 16][4], RowState& state) {
    const int column = 2 * (threadIdx.x % 4);
    state.threshold = INFINITY;
    state.twice_error = 0;
    state.end = state.list;
    state.too_many = false;
    float2 value[D / 8];
    double sum = 0;
#pragma unroll
    for (int i = 0; i < D / 8; ++i) {
        value[i] = row ? *reinterpret_cast<const float2*>(row + 8 * i + column) : float2{0, 0};
        if (!centre) continue;
        const float2 mean = __ldg(reinterpret_cast<const float2*>(slot.mean + 8 * i + column));
        // In double neither the largest nor the smallest floats overflow or vanish when squared.
        const double x = double{value[i].x} - double{mean.x};
        const double y = double{value[i].y} - double{mean.y};
        sum += x * x + y * y;
    }
    sum = quad_sum(sum);
    const bool has_direction = row != nullptr && (!centre || (sum > 0 && isfinite(sum)));
    const double scale = centre && has_direction ? 1.0 / sqrt(sum) : 1.0;
    float norm = 0, lost = 0;
#pragma unroll
    for (int i = 0; i < D / 8; ++i) {
        float2 x = value[i];
        if (centre) {
            const float2 mean = __ldg(reinterpret_cast<const float2*>(slot.mean + 8 * i + column));
            const float2 off = __ldg(reinterpret_cast<const float2*>(slot.offset + 8 * i + column));
            x.x = static_cast<float>((double{x.x} - double{mean.x}) * scale) - off.x;
            x.y = static_cast<float>((double{x.y} - double{mean.y}) * scale) - off.y;
        }
        if (!has_direction) x = float2{0, 0};
        const __half2 rounded = __float22half2_rn(x);
        const float2 back = __half22float2(rounded);
        norm += x.x * x.x + x.y * x.y;
        lost += (x.x - back.x) * (x.x - back.x) + (x.y - back.y) * (x.y - back.y);
        a[i / 2][2 * (i % 2) + half] = *reinterpret_cast<const uint32_t*>(&rounded);
    }
    norm = sqrtf(quad_sum(norm));
    lost = sqrtf(quad_sum(lost));
    if (!has_direction) return;
    const float error = lost * slot.largest_norm + (norm + lost) * slot.largest_loss +
                        1e-5f * (norm * slot.largest_norm + slot.largest_bias);
    state.threshold = -error;
    state.twice_error = 2 * error;
    if (!(error < INFINITY)) {
        state.threshold = INFINITY;
        state.too_many = true;
    }
}

// The highest thresholds of both rows known to lose none of the k best. count(half, bound): how
// many values of this thread are known to exceed the bound.
template <class Count>
__device__ inline void raise_thresholds(RowState (&rows)[2], const float (&largest)[2], int k,
                                        const Count& count) {
    float low[2], high[2];
    bool enough[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        low[half] = rows[half].threshold;
        high[half] = quad_max(largest[half]);
        enough[half] = quad_sum(count(half, low[half])) >= k;
    }
    // Halving seven times finds the k-th value to a hundredth of what lies above the threshold.
#pragma unroll 1
    for (int i = 0; i < 7; ++i) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const float middle = 0.5f * (low[half] + high[half]);
            const bool below = quad_sum(count(half, middle)) >= k;
            low[half] = below ? middle : low[half];
            high[half] = below ? high[half] : middle;
        }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        RowState& row = rows[half];
        if (enough[half]) row.threshold = fmaxf(row.threshold, low[half] - row.twice_error);
    }
}

constexpr int kGroups = 4;  // of 8 of the 32 latents that a thread has of one row of a tile

// Element i of a group of one half's accumulators.
__device__ constexpr int element(int half, int group, int i) {
    return 4 * (4 * group + i / 2) + 2 * half + i % 2;
}

// Raises the thresholds from the first tile's values, before anything is listed.
__device__ inline void start_thresholds(const float (&acc)[64], const float (&best)[2][kGroups],
                                        int k, RowState (&rows)[2]) {
    float largest[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        largest[half] =
            fmaxf(fmaxf(best[half][0], best[half][1]), fmaxf(best[half][2], best[half][3]));
    }
    if (k <= 10) {  // the maxima of a row's 16 groups tell enough
        raise_thresholds(rows, largest, k, [&](int half, float bound) {
            int n = 0;
#pragma unroll
            for (int g = 0; g < kGroups; ++g) n += best[half][g] > bound ? 1 : 0;
            return n;
        });
    } else {
        raise_thresholds(rows, largest, k, [&](int half, float bound) {
            int n = 0;
#pragma unroll
            for (int i = 0; i < 32; ++i) n += acc[element(half, i / 8, i % 8)] > bound ? 1 : 0;
            return n;
        });
    }
}

// The same from the lists, which then lose what no longer exceeds the threshold.
__device__ inline void tighten(int k, RowState (&rows)[2]) {
    constexpr int kHeld = 8;  // most lists are short: those stay in registers
    float held[2][kHeld], largest[2];
    int n[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        const RowState& row = rows[half];
        n[half] = row.count();
        largest[half] = row.threshold == INFINITY ? 0 : row.threshold;
#pragma unroll
        for (int i = 0; i < kHeld; ++i) {
            held[half][i] = i < n[half] ? __uint_as_float(row.list[kEntryStride * i].x) : -INFINITY;
            largest[half] = fmaxf(largest[half], held[half][i]);
        }
        for (int i = kHeld; i < n[half]; ++i) {
            largest[half] = fmaxf(largest[half], __uint_as_float(row.list[kEntryStride * i].x));
        }
    }
    raise_thresholds(rows, largest, k, [&](int half, float bound) {
        int above = 0;
#pragma unroll
        for (int i = 0; i < kHeld; ++i) above += held[half][i] > bound ? 1 : 0;
        for (int i = kHeld; i < n[half]; ++i) {
            above += __uint_as_float(rows[half].list[kEntryStride * i].x) > bound ? 1 : 0;
        }
        return above;
    });
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        RowState& row = rows[half];
        row.end = row.list;
        for (int i = 0; i < n[half]; ++i) {
            const uint2 entry = row.list[kEntryStride * i];
            if (__uint_as_float(entry.x) > row.threshold) {
                *row.end = entry;
                row.end += kEntryStride;
            }
        }
    }
}

// The list's latents to the row's candidates; the quad's four lists one after the other.
__device__ inline void write_candidates(const SelectArgs& args, size_t at, bool exists,
                                        const RowState& row) {
    const int lane = threadIdx.x % 4, n = static_cast<int>(row.count());
    int before = 0;
#pragma unroll
    for (int i = 0; i < 3; ++i) {
        const int other = __shfl_sync(~0u, n, i, 4);
        if (i < lane) before += other;
    }
    const int total = quad_sum(n);
    const bool too_many = row.too_many || total > args.room;
    if (!exists) return;
    if (lane == 0) args.counts[at] = too_many ? kTooMany : static_cast<uint16_t>(total);
    for (int i = 0; i < n && !too_many; ++i) {
        args.candidates[at * args.room + before + i] =
            static_cast<uint16_t>(row.list[kEntryStride * i].y);
    }
}

// Appends the value if it exceeds the threshold. Without a branch: of 32 threads one or another
// has something to append most of the time.
__device__ inline void offer(float value, uint32_t latent, RowState& row) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.gt.f32 p, %1, %2;\n"
        "@p st.global.v2.b32 [%0], {%3, %4};\n"
        "@p add.u64 %0, %0, %5;\n}"
        : "+l"(row.end)
        : "f"(value), "f"(row.threshold), "r"(__float_as_uint(value)), "r"(latent),
          "n"(kEntryStride * 8)
        : "memory");
}

// A tile's pre-activations to the lists; `latent` is the first of this thread's.
__device__ inline void offer_tile(const float (&acc)[64], const float (&best)[2][kGroups],
                                  uint32_t latent, RowState (&rows)[2]) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int g = 0; g < kGroups; ++g) {
            if (!__any_sync(~0u, best[half][g] > rows[half].threshold)) continue;
#pragma unroll
            for (int i = 0; i < 8; ++i) {
                offer(acc[element(half, g, i)], latent + 8 * (4 * g + i / 2) + i % 2, rows[half]);
            }
        }
    }
}

// Adds the tile's biases and finds the largest value of each group.
__device__ inline void add_biases(const float* bias, float (&acc)[64], float (&best)[2][kGroups]) {
#pragma unroll
    for (int g = 0; g < kGroups; ++g) {
        best[0][g] = best[1][g] = -INFINITY;
#pragma unroll
        for (int i = 0; i < 8; i += 2) {
            const float2 b = *reinterpret_cast<const float2*>(bias + 8 * (4 * g + i / 2));
#pragma unroll
            for (int half = 0; half < 2; ++half) {
                float &x = acc[element(half, g, i)], &y = acc[element(half, g, i + 1)];
                x += b.x;
                y += b.y;
                best[half][g] = fmaxf(best[half][g], fmaxf(x, y));
            }
        }
    }
}

// Tightens, and gives up rows whose list would not take another tile: ties without end.
__device__ inline void tighten_or_give_up(int k, uint32_t limit, RowState (&rows)[2]) {
    tighten(k, rows);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
        RowState& row = rows[half];
        if (quad_sum(row.count() > limit ? 1 : 0) == 0) continue;
        row.threshold = INFINITY;
        row.end = row.list;
        row.too_many = true;
    }
}

template <int D>
__global__ void __launch_bounds__(TileShape<D>::kThreads, 1) select_latents(SelectArgs args) {
    using Shape = TileShape<D>;
    extern __shared__ unsigned char shared[];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int row_tiles = (args.n_rows + Shape::kRows - 1) / Shape::kRows;
    const int n_items = row_tiles * args.n_slots;
    const int own_items = (n_items - blockIdx.x + gridDim.x - 1) / gridDim.x;
    RowState rows[2];
    rows[0].list = args.lists + lane +
                   (size_t{blockIdx.x} * Shape::kWarps + warp) * args.list_slots * kEntryStride;
    rows[1].list = rows[0].list + 32;
    const auto source = [&](int q) {
        const int item = blockIdx.x + q / args.n_tiles * gridDim.x;
        return args.slots[item / row_tiles].tiles + size_t(q % args.n_tiles) * Shape::kTileBytes;
    };
    TileQueue<D> queue(shared, own_items * args.n_tiles, source);
    const uint32_t limit = args.list_slots - 32;  // one more tile may fill the list
    int q = 0;
    for (int item = blockIdx.x; item < n_items; item += gridDim.x) {
        const int slot = item / row_tiles;
        const int first = item % row_tiles * Shape::kRows + warp * kWarpRows + lane / 4;
        uint32_t a[D / 16][4];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int r = first + 8 * half;
            const float* row =
                r < args.n_rows ? args.keys + (slot * args.slot_rows + r) * D : nullptr;
            load_row<D>(row, args.slots[slot], args.centre, half, a, rows[half]);
        }
        for (int t = 0; t < args.n_tiles; ++t, ++q) {
            unsigned char* tile = queue.acquire(q, source);
            float acc[64], best[2][kGroups];
            multiply_tile<D>(a, tile, acc);
            const float* bias = reinterpret_cast<const float*>(tile + Shape::kWeightBytes);
            add_biases(bias + 2 * (lane % 4), acc, best);
            queue.release(q);
            if (t == 0) start_thresholds(acc, best, args.k, rows);
            offer_tile(acc, best, t * kTileLatents + 2 * (lane % 4), rows);
            // The threshold is as good after 2, 4, 8, ... tiles: k more candidates each time.
            const bool full = rows[0].count() > limit || rows[1].count() > limit;
            if (__any_sync(~0u, full) || (t > 0 && (t & (t + 1)) == 0) || t + 1 == args.n_tiles) {
                tighten_or_give_up(args.k, limit, rows);
            }
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
            const int r = first + 8 * half;
            write_candidates(args, size_t(slot) * args.n_rows + r, r < args.n_rows, rows[half]);
        }
    }
}

}  // namespace s3attn::gpu

// The honest dense control: 4-bit keys of the same shape as the index's slots, every one of them
// scored for every question token and head. Keys and queries are random, which does not matter for
// the time; nothing is retrieved.
//   dense_scan TOKENS THREADS ROUNDS   (7 slots, 8 heads, 64 dimensions, 25 question tokens)
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "base/parallel.h"
#include "base/timing.h"

#if defined(__x86_64__)
#include <immintrin.h>

namespace {

constexpr uint32_t kSlots = 7, kHeads = 8, kLanes = 25, kDimensions = 64, kUnitTokens = 128;
constexpr uint32_t kQuads = kDimensions / 4;        // four dimensions of a token are 32 bits
constexpr size_t kTileBytes = kDimensions * 8 / 2;  // eight tokens

// A tile: for quads q and q + 8, eight tokens of four dimensions each, low and high nibbles.
using Query = std::array<int32_t, kQuads>;  // four signed bytes each, within +-63: no overflow

// best[lane] = max over the tiles' tokens of sum over dimensions of key * query.
__attribute__((target("avx2"))) void scan_unit(const uint8_t* tiles, uint32_t n_tiles,
                                               const Query* queries, int32_t* best) {
    const __m256i nibble = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    __m256i top[kLanes];
    for (__m256i& t : top) t = _mm256_set1_epi32(INT32_MIN);
    for (uint32_t t = 0; t < n_tiles; ++t, tiles += kTileBytes) {
        __m256i keys[kQuads];
        for (uint32_t q = 0; q < kQuads / 2; ++q) {
            const __m256i packed =
                _mm256_loadu_si256(reinterpret_cast<const __m256i*>(tiles + 32 * q));
            keys[q] = _mm256_and_si256(packed, nibble);
            keys[q + kQuads / 2] = _mm256_and_si256(_mm256_srli_epi16(packed, 4), nibble);
        }
        for (uint32_t lane = 0; lane < kLanes; ++lane) {
            __m256i sum = _mm256_setzero_si256();
            for (uint32_t q = 0; q < kQuads; ++q) {
                const __m256i query = _mm256_set1_epi32(queries[lane][q]);
                sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(keys[q], query));
            }
            top[lane] = _mm256_max_epi32(top[lane], _mm256_madd_epi16(sum, ones));
        }
    }
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
        alignas(32) int32_t values[8];
        _mm256_store_si256(reinterpret_cast<__m256i*>(values), top[lane]);
        best[lane] = *std::max_element(values, values + 8);
    }
}

int run(uint64_t tokens, uint32_t threads, int rounds) {
    using namespace s3attn;
    std::mt19937 random(1);
    const uint64_t units = tokens / kUnitTokens;
    const size_t unit_bytes = kUnitTokens / 8 * kTileBytes;
    std::vector<uint8_t> keys(kSlots * units * unit_bytes);
    for (size_t i = 0; i < keys.size(); i += 4) {
        const uint32_t word = random();
        std::copy_n(reinterpret_cast<const uint8_t*>(&word), 4, &keys[i]);
    }
    std::vector<std::array<Query, kLanes>> queries(kHeads);
    for (auto& head : queries) {
        for (auto& lane : head) {
            for (int32_t& quad : lane) {
                std::array<int8_t, 4> bytes;
                for (int8_t& b : bytes) b = static_cast<int8_t>(random() % 127 - 63);
                std::copy_n(reinterpret_cast<const char*>(bytes.data()), 4,
                            reinterpret_cast<char*>(&quad));
            }
        }
    }
    std::vector<int32_t> best(units * kHeads * kLanes);
    ThreadPool pool(threads);
    std::vector<double> times;
    for (int round = 0; round < rounds; ++round) {
        const Stopwatch watch;
        constexpr uint64_t kChunk = 64;
        pool.run(static_cast<uint32_t>((units + kChunk - 1) / kChunk), [&](uint32_t chunk) {
            for (uint64_t u = chunk * kChunk; u < std::min(units, (chunk + 1) * kChunk); ++u) {
                for (uint32_t head = 0; head < kHeads; ++head) {
                    const size_t slot = head % kSlots;
                    scan_unit(&keys[(slot * units + u) * unit_bytes], kUnitTokens / 8,
                              queries[head].data(), &best[(u * kHeads + head) * kLanes]);
                }
            }
        });
        times.push_back(watch.milliseconds());
    }
    std::sort(times.begin(), times.end());
    std::printf("dense_4bit_bytes %zu bytes\n", keys.size());
    std::printf("dense_4bit_median %.6g ms\n", times[times.size() / 2]);
    return best[0] == INT32_MIN;  // the work must not be optimised away
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: dense_scan TOKENS THREADS ROUNDS\n");
        return 2;
    }
    if (!__builtin_cpu_supports("avx2")) {
        std::fprintf(stderr, "dense_scan needs AVX2\n");
        return 1;
    }
    return run(std::strtoull(argv[1], nullptr, 10), static_cast<uint32_t>(std::atoi(argv[2])),
               std::atoi(argv[3]));
}
#else
int main() {
    std::fprintf(stderr, "dense_scan needs an x86-64 processor\n");
    return 1;
}
#endif

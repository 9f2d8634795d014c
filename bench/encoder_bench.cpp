// Time of KeyEncoder per (token, slot), against the floor: the encoder's multiplications at the
// rate of the same FMA instructions on data that stays in registers.
#include <benchmark/benchmark.h>

#include <ctime>
#include <random>

#include "adapter/encoder.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

using namespace s3attn;

Adapter bench_adapter(uint32_t d, uint32_t latents, uint32_t k) {
    std::mt19937 rng(1);
    std::normal_distribution<float> normal;
    Adapter a;
    a.n_layer = a.n_head = a.n_head_kv = 1;
    a.d_head = d;
    a.latents = latents;
    a.k = k;
    KeySlot slot;
    slot.mean_key.assign(d, 0.0f);
    slot.mean_activation.assign(latents, 1.0f);
    slot.sae.d_in = d;
    slot.sae.latents = latents;
    slot.sae.k = k;
    slot.sae.w_enc.resize(size_t{d} * latents);
    for (float& w : slot.sae.w_enc) w = normal(rng) / 8;
    slot.sae.w_dec.resize(size_t{d} * latents);
    for (uint32_t i = 0; i < d; ++i) {
        for (uint32_t f = 0; f < latents; ++f) {
            slot.sae.w_dec[size_t{f} * d + i] = slot.sae.w_enc[size_t{i} * latents + f];
        }
    }
    slot.sae.b_enc.assign(latents, 0.0f);
    slot.sae.b_dec.assign(d, 0.0f);
    a.slots.push_back(std::move(slot));
    QueryHead head;
    head.mean_query.assign(d, 0.0f);
    a.heads.push_back(std::move(head));
    return a;
}

#if defined(__x86_64__)
// FLOP/s of 12 independent FMA chains on one core.
__attribute__((target("avx2,fma"))) double fma_rate() {
    __m256 sums[12];
    for (__m256& sum : sums) sum = _mm256_set1_ps(1.0f);
    const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(0.001f);
    constexpr int kRounds = 4'000'000;
    const std::clock_t begin = std::clock();  // of the CPU, as the benchmark counts
    for (int i = 0; i < kRounds; ++i) {
#pragma GCC unroll 12
        for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, a, b);
    }
    const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
    for (__m256& sum : sums) benchmark::DoNotOptimize(sum);
    return kRounds * 12.0 * 16.0 / seconds;
}
#endif

void encode(benchmark::State& state) {
    const auto d = static_cast<uint32_t>(state.range(0));
    const auto latents = static_cast<uint32_t>(state.range(1));
    const auto k = static_cast<uint32_t>(state.range(2));
    const auto simd = static_cast<Simd>(state.range(3));
    if (!simd_available(simd)) return state.SkipWithError("not on this CPU");
    const Adapter adapter = bench_adapter(d, latents, k);
    KeyEncoder encoder(adapter, 1, simd);
    constexpr uint32_t kRows = 256;
    std::mt19937 rng(2);
    std::normal_distribution<float> normal;
    std::vector<float> keys(size_t{kRows} * d);
    for (float& value : keys) value = normal(rng);
    CodeBatch batch;
    batch.n_tokens = kRows;
    batch.n_slots = 1;
    batch.k = k;
    batch.feature.resize(size_t{kRows} * k);
    batch.activation.resize(batch.feature.size());
    for (auto _ : state) {
        encoder.encode(0, {keys.data(), kRows, d, d}, batch);
        benchmark::DoNotOptimize(batch.feature.data());
    }
    using benchmark::Counter;
    const double rows = static_cast<double>(state.iterations()) * kRows;
    const double flop = 2.0 * d * latents;
    state.counters["us_per_token_slot"] = Counter(rows * 1e-6, Counter::kIsRate | Counter::kInvert);
    state.counters["flop_per_s"] = Counter(rows * flop, Counter::kIsRate);
#if defined(__x86_64__)
    if (simd_available(Simd::kAvx2)) {
        static const double rate = fma_rate();
        state.counters["floor_us"] = flop / rate * 1e6;
    }
#endif
}

BENCHMARK(encode)
    ->ArgNames({"d", "latents", "k", "simd"})
    ->Args({64, 4096, 8, static_cast<int>(Simd::kBest)})
    ->Args({64, 4096, 16, static_cast<int>(Simd::kBest)})
    ->Args({128, 4096, 8, static_cast<int>(Simd::kBest)})
    ->Args({64, 4096, 8, static_cast<int>(Simd::kAvx2)})
    ->Args({64, 4096, 16, static_cast<int>(Simd::kAvx2)})
    ->Args({64, 4096, 8, static_cast<int>(Simd::kScalar)})
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();

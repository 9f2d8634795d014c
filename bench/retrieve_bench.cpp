// score_attention on synthetic codes against its exhaustive twin.
//   retrieve_bench [tokens [question tokens [threads]]]
// Prints one line `name value unit` each.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "../tests/retrieve/memory_store.h"
#include "base/parallel.h"
#include "base/timing.h"
#include "retrieve/scan_cache.h"
#include "retrieve/score.h"

namespace {

using namespace s3attn;

constexpr uint32_t kSlots = 6, kHeads = 8, kLatents = 4096, kActive = 8, kUnitTokens = 128;
constexpr uint64_t kSegmentTokens = 16384;

MemoryStore make_store(uint64_t n_tokens, std::mt19937& rng) {
    MemoryStore store;
    store.shape_value = {kSlots, kLatents, kActive};
    for (uint64_t base = 0; base < n_tokens; base += kSegmentTokens) {
        const uint64_t n = std::min(kSegmentTokens, n_tokens - base);
        std::vector<std::vector<TokenCode>> codes(kSlots, std::vector<TokenCode>(n));
        for (auto& slot : codes) {
            for (TokenCode& code : slot) {
                while (code.size() < kActive) {  // squared: a few features are frequent, as in life
                    const double u = rng() / 4294967296.0;
                    const auto f = static_cast<uint32_t>(u * u * kLatents);
                    const auto same = [f](const auto& p) { return p.first == f; };
                    if (std::any_of(code.begin(), code.end(), same)) continue;
                    code.emplace_back(f, static_cast<uint8_t>(1 + rng() % 255));
                }
            }
        }
        store.segment_list.push_back(
            std::make_shared<MemorySegment>(base, kLatents, kActive, std::move(codes)));
    }
    for (uint64_t p = 0; p < n_tokens; p += kUnitTokens) {
        store.extents.push_back(
            {UnitId(static_cast<int64_t>(p / kUnitTokens) + 1), TokenPosition(p),
             static_cast<uint32_t>(std::min<uint64_t>(kUnitTokens, n_tokens - p))});
    }
    return store;
}

QueryCodes make_query(uint32_t n_tokens, std::mt19937& rng) {
    QueryCodes query;
    query.n_tokens = n_tokens;
    query.latents = kLatents;
    std::normal_distribution<float> weight(0.0f, 0.0006f);
    for (uint32_t j = 0; j < kHeads; ++j) {
        QueryCodes::Head head;
        head.slot = j % kSlots;
        head.mixture = 1.0f / kHeads;
        head.weight.resize(size_t{kLatents} * n_tokens);
        for (float& w : head.weight) w = weight(rng);
        head.token_share.assign(n_tokens, 1.0f / static_cast<float>(n_tokens));
        query.heads.push_back(std::move(head));
    }
    return query;
}

template <class F>
double best_ms(int repeats, const F& f) {
    double best = 1e300;
    for (int r = 0; r < repeats; ++r) {
        const Stopwatch watch;
        f();
        best = std::min(best, watch.milliseconds());
    }
    return best;
}

}  // namespace

int main(int argc, char** argv) {
    const uint64_t tokens = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 100000;
    const auto question = static_cast<uint32_t>(argc > 2 ? std::atoi(argv[2]) : 25);
    const auto threads = static_cast<uint32_t>(argc > 3 ? std::atoi(argv[3])
                                                        : static_cast<int>(available_threads()));
    std::mt19937 rng(1);
    const MemoryStore store = make_store(tokens, rng);
    const QueryCodes query = make_query(question, rng);

    const auto fast = score_attention(store, query, threads);
    const double fast_ms = best_ms(20, [&] { (void)score_attention(store, query, threads).ok(); });
    ScanCache cache;
    const double warm_ms =
        best_ms(20, [&] { (void)score_attention(store, query, threads, &cache).ok(); });
    const double one_ms = best_ms(10, [&] { (void)score_attention(store, query, 1).ok(); });
    const double eq7_ms =
        best_ms(10, [&] { (void)score_eq7(store, query, {.threads = threads}).ok(); });
    const Stopwatch slow_watch;
    const auto slow = score_attention_reference(store, query);
    const double slow_ms = slow_watch.milliseconds();
    if (!fast.ok() || !slow.ok()) {
        std::fprintf(stderr, "%s\n", (fast.ok() ? slow : fast).error().message.c_str());
        return 1;
    }
    double difference = 0;
    for (size_t u = 0; u < slow->mass.size(); ++u) {
        difference = std::max(difference, std::abs(fast->mass[u] - slow->mass[u]));
    }
    std::printf("score_attention_tokens %llu tokens\n", static_cast<unsigned long long>(tokens));
    std::printf("score_attention_threads %u threads\n", threads);
    std::printf("score_attention_ms %.2f ms\n", fast_ms);
    std::printf("score_attention_cached_ms %.2f ms\n", warm_ms);
    std::printf("score_attention_1_thread_ms %.2f ms\n", one_ms);
    std::printf("score_eq7_ms %.2f ms\n", eq7_ms);
    std::printf("score_attention_reference_ms %.0f ms\n", slow_ms);
    std::printf("score_attention_speedup %.0f x\n", slow_ms / fast_ms);
    std::printf("score_attention_max_difference %.2g mass\n", difference);
}

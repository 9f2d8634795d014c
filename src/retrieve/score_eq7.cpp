// S3-Attention (arXiv 2601.17702), Eq. 7: S[t] = sum_f 1[t in L[f]] w_f IDF(f). The paper leaves
// the pooling over question tokens open; here w_f sums over them and over the heads of a slot.
// Without IDF every feature counts alike: a control of what that factor brings.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <vector>

#include "base/parallel.h"
#include "retrieve/block_plan.h"
#include "retrieve/score.h"

namespace s3attn {
namespace {

// Runs task(segment index, block) over all blocks of all segments, in parallel; dead ones too.
template <class F>
Status for_all_blocks(const StoreReader& store, ThreadPool& pool, const F& task) {
    std::vector<std::pair<const Segment*, uint32_t>> blocks;
    for (const auto& segment : store.segments()) {
        for (uint32_t b = 0; b < segment->n_blocks(); ++b) blocks.emplace_back(segment.get(), b);
    }
    ErrorBoard errors(blocks.size());
    std::atomic<size_t> next{0};
    pool.run(pool.size(), [&](uint32_t worker) {
        BlockScratch scratch;
        for (size_t b = next++; b < blocks.size(); b = next++) {
            const auto status = task(worker, *blocks[b].first, blocks[b].second, scratch);
            if (!status.ok()) errors.set(b, status.error());
        }
    });
    return errors.status();
}

Result<std::vector<uint64_t>> filtered_frequency(const ScanPlan& plan, uint32_t slot,
                                                 uint32_t latents, const CancelToken* cancel) {
    std::vector<uint64_t> counts(latents);
    BlockScratch scratch;
    for (const BlockPlan& block : plan.blocks) {
        S3ATTN_CHECK(check_cancelled(cancel));
        S3ATTN_TRY(const BlockView view, block.segment->read_block(slot, block.block, scratch));
        std::vector<uint8_t> counted(view.n_tokens);
        for (const UnitRun& run : block.runs) {
            for (uint32_t t = run.begin; t < std::min(run.end, view.n_tokens); ++t) counted[t] = 1;
        }
        for (uint32_t f = 0; f < latents; ++f) {
            for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                counts[f] += counted[view.position[i]];
            }
        }
    }
    return counts;
}

// freq(f): positions with feature f in this slot, over everything in the segments; with a filter
// over the units it allows.
Result<std::vector<uint64_t>> feature_frequency(const StoreReader& store, uint32_t slot,
                                                ThreadPool& pool, const ScanPlan& plan,
                                                const ScoreOptions& options) {
    if (options.filter != nullptr && !options.filter->all()) {
        return filtered_frequency(plan, slot, store.shape().latents, options.cancel);
    }
    const uint32_t latents = store.shape().latents;
    std::vector<std::vector<uint64_t>> counts(pool.size(), std::vector<uint64_t>(latents));
    const auto count = [&](uint32_t worker, const Segment& segment, uint32_t block,
                           BlockScratch& scratch) -> Status {
        S3ATTN_TRY(const BlockView view, segment.read_block(slot, block, scratch));
        for (uint32_t f = 0; f < latents; ++f) {
            counts[worker][f] += view.feature_begin[f + 1] - view.feature_begin[f];
        }
        return {};
    };
    S3ATTN_CHECK(for_all_blocks(store, pool, count));
    for (size_t w = 1; w < counts.size(); ++w) {
        for (uint32_t f = 0; f < latents; ++f) counts[0][f] += counts[w][f];
    }
    return std::move(counts[0]);
}

// No frequencies: no IDF.
std::vector<double> feature_weights(const QueryCodes& query, uint32_t slot, uint32_t latents,
                                    const std::vector<uint64_t>& frequency) {
    std::vector<double> weight(latents);
    for (const QueryCodes::Head& head : query.heads) {
        if (head.slot != slot) continue;
        for (size_t f = 0; f < weight.size(); ++f) {
            const float* row = &head.weight[f * query.n_tokens];
            for (uint32_t i = 0; i < query.n_tokens; ++i) weight[f] += row[i];
        }
    }
    for (size_t f = 0; f < frequency.size(); ++f) {
        weight[f] /= std::log(1.0 + static_cast<double>(frequency[f])) + 1.0;
    }
    return weight;
}

// Adds S of the block's tokens to the sums of its runs.
Status add_block(const BlockPlan& plan, uint32_t slot, const std::vector<double>& weight,
                 BlockScratch& scratch, std::vector<double>& run_sums) {
    S3ATTN_TRY(const BlockView view, plan.segment->read_block(slot, plan.block, scratch));
    std::vector<double> token(view.n_tokens);
    for (size_t f = 0; f < weight.size(); ++f) {
        if (weight[f] == 0) continue;
        for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
            token[view.position[i]] += weight[f];
        }
    }
    if (plan.runs.back().end > token.size()) {
        return make_error(ErrorCode::kCorrupt,
                          "a block is too short: verifying the store says more");
    }
    for (size_t r = 0; r < plan.runs.size(); ++r) {
        for (uint32_t t = plan.runs[r].begin; t < plan.runs[r].end; ++t) run_sums[r] += token[t];
    }
    return {};
}

}  // namespace

Result<S3Scores> score_eq7(const StoreReader& store, const QueryCodes& query,
                           const ScoreOptions& options, bool idf) {
    S3ATTN_CHECK(check_query(store, query));
    S3ATTN_TRY(const ScanPlan plan, plan_scan(store, options.filter));
    const std::span<const UnitExtent> units = plan.units;
    S3Scores scores;
    scores.calibrated = false;
    scores.mass.assign(units.size(), 0.0);
    ThreadPool pool(options.threads);
    for (uint32_t slot = 0; slot < store.shape().n_slots; ++slot) {
        const auto reads = [&](const QueryCodes::Head& head) { return head.slot == slot; };
        if (std::none_of(query.heads.begin(), query.heads.end(), reads)) continue;
        std::vector<uint64_t> frequency;
        if (idf) {
            S3ATTN_TRY(frequency, feature_frequency(store, slot, pool, plan, options));
        }
        const std::vector<double> weight =
            feature_weights(query, slot, store.shape().latents, frequency);
        std::vector<std::vector<double>> sums(plan.blocks.size());  // per run, then in order
        ErrorBoard errors(plan.blocks.size());
        pool.run(static_cast<uint32_t>(plan.blocks.size()), [&](uint32_t b) {
            BlockScratch scratch;
            sums[b].resize(plan.blocks[b].runs.size());
            Status status = check_cancelled(options.cancel);
            if (status.ok()) status = add_block(plan.blocks[b], slot, weight, scratch, sums[b]);
            if (!status.ok()) errors.set(b, status.error());
        });
        S3ATTN_CHECK(errors.status());
        for (size_t b = 0; b < sums.size(); ++b) {
            for (size_t r = 0; r < sums[b].size(); ++r) {
                scores.mass[plan.blocks[b].runs[r].unit] += sums[b][r];
            }
        }
    }
    for (size_t u = 0; u < units.size(); ++u) {
        if (units[u].n_tokens > 0) scores.mass[u] /= units[u].n_tokens;
    }
    spread_scores(options.filter, store.live_units().size(), scores.mass);
    return scores;
}

}  // namespace s3attn

// score_attention: blocks in parallel, one slot at a time; then attention's own normalisation.
//
// Two ways to a unit's best sum per lane (a lane is one question token of one head of the slot).
// Dense, for all features: a block is turned into per-token form and each token's sums for all
// lanes are made in registers. Sparse, for chosen features: only their lists are read, and added
// lane by lane. docs/retrieval.md says what else was measured.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "retrieve/block_plan.h"
#include "retrieve/feature_choice.h"
#include "retrieve/scan_cache.h"
#include "retrieve/score.h"
#include "retrieve/score_kernel.h"
#include "retrieve/score_lanes.h"
#include "retrieve/score_softmax.h"
#include "retrieve/score_sparse.h"

namespace s3attn {
namespace {

constexpr int16_t kNone = INT16_MIN;  // below every sum of a lane's weights

class AttentionScorer {
  public:
    AttentionScorer(const StoreReader& store, const QueryCodes& query, const ScanPlan& plan,
                    ThreadPool& pool, const ScoreOptions& options, const FeatureChoice* choice)
        : units_(plan.units),
          k_(store.shape().k),
          query_(query),
          plan_(plan),
          pool_(pool),
          cache_(options.cache),
          cancel_(options.cancel),
          choice_(choice),
          lane_scores_(options.lane_scores),
          kernel_(best_max_kernel()),
          mass_(units_.size()),
          cosine_(units_.size()),
          log_total_(query.heads.size() * query.n_tokens) {
        if (lane_scores_) lane_scores_->assign(units_.size() * log_total_.size(), 0.0f);
    }

    Status add_slot(uint32_t slot) {
        lanes_ = lanes_of_slot(query_, slot);
        if (lanes_.heads.empty()) return {};
        if (choice_) {
            sparse_ = make_sparse_lanes(query_, lanes_, *choice_, k_);
        } else {
            table_ = make_lane_table(query_, lanes_, k_);
        }
        S3ATTN_CHECK(scan(slot));
        std::vector<double> log_total;
        S3ATTN_CHECK(add_softmax({unit_max_, lanes_.stride(), scales(), pool_, cancel_}, mass_,
                                 cosine_, log_total));
        for (size_t l = 0; l < log_total.size(); ++l) log_total_[lane_of(l)] = log_total[l];
        if (lane_scores_) copy_lane_scores();
        return {};
    }

    S3Scores take() {
        S3Scores scores;
        scores.mass = std::move(mass_);
        scores.best_cosine = *std::max_element(cosine_.begin(), cosine_.end());
        scores.cosine = std::move(cosine_);
        scores.log_total = std::move(log_total_);
        scores.postings_read = postings_read_;
        return scores;
    }

  private:
    struct Worker {
        BlockScratch scratch;
        TokenForm form;
        SparseBlockScorer scorer;
        std::vector<int16_t*> rows;
    };

    // Of all heads' lanes, from the number of a lane of the slot.
    size_t lane_of(size_t l) const {
        const size_t n = query_.n_tokens;
        return lanes_.heads[l / n] * n + l % n;
    }

    void copy_lane_scores() {
        for (size_t l = 0; l < lanes_.size(); ++l) {
            float* to = lane_scores_->data() + lane_of(l);
            for (size_t u = 0; u < units_.size(); ++u) {
                to[u * log_total_.size()] = steps()[l] * unit_max_[u * lanes_.stride() + l];
            }
        }
    }

    // unit_max_[unit][lane] = max over the unit's tokens.
    Status scan(uint32_t slot) {
        const size_t stride = lanes_.stride();
        unit_max_.assign(units_.size() * stride, kNone);
        border_max_.assign(plan_.blocks.size() * 2 * stride, kNone);
        ErrorBoard errors(plan_.blocks.size());
        std::atomic<size_t> next{0};
        pool_.run(pool_.size(), [&](uint32_t) {
            Worker worker;
            for (size_t b = next++; b < plan_.blocks.size(); b = next++) {
                Status status = check_cancelled(cancel_);
                if (status.ok()) {
                    status = choice_ ? score_sparse(slot, b, worker) : score_dense(slot, b, worker);
                }
                if (!status.ok()) errors.set(b, status.error());
            }
        });
        S3ATTN_CHECK(errors.status());
        merge_borders();
        return {};
    }

    Status score_sparse(uint32_t slot, size_t b, Worker& worker) {
        const BlockPlan& plan = plan_.blocks[b];
        S3ATTN_TRY(const BlockView block,
                   plan.segment->read_features(slot, plan.block, sparse_.wanted, worker.scratch));
        S3ATTN_CHECK(check_runs(plan, block.n_tokens));
        postings_read_ += block.position.size();
        worker.rows.clear();
        for (size_t r = 0; r < plan.runs.size(); ++r) worker.rows.push_back(row_of(b, r));
        worker.scorer.score(block, sparse_, plan.runs, worker.rows);
        return {};
    }

    Status score_dense(uint32_t slot, size_t b, Worker& worker) {
        const BlockPlan& plan = plan_.blocks[b];
        S3ATTN_TRY(const TokenForm* form, token_form(slot, plan, worker.scratch, worker.form));
        const size_t group_size = size_t{query_.latents} * lanes_.group_lanes;
        uint64_t postings = 0;
        for (const uint16_t count : form->count) postings += count;
        postings_read_ += postings;
        for (uint32_t group = 0; group < lanes_.n_groups; ++group) {
            for (size_t r = 0; r < plan.runs.size(); ++r) {
                kernel_(*form, plan.runs[r].begin, plan.runs[r].end,
                        table_.weight.data() + group * group_size, lanes_.group_lanes,
                        row_of(b, r) + size_t{group} * lanes_.group_lanes);
            }
        }
        return {};
    }

    static Status check_runs(const BlockPlan& plan, size_t n_tokens) {
        if (plan.runs.back().end <= n_tokens && n_tokens <= kBlockTokens) return {};
        return make_error(
            ErrorCode::kCorrupt,
            "a block is shorter than its segment says: verifying the store says more");
    }

    int16_t* row_of(size_t b, size_t r) {
        const UnitRun& run = plan_.blocks[b].runs[r];
        return run.whole ? &unit_max_[run.unit * lanes_.stride()]
                         : &border_max_[(b * 2 + (r > 0)) * lanes_.stride()];
    }

    // From the cache, or decoded into `scratch` and `form`.
    Result<const TokenForm*> token_form(uint32_t slot, const BlockPlan& plan, BlockScratch& scratch,
                                        TokenForm& form) {
        if (cache_) {
            if (const TokenForm* held = cache_->find(slot, plan.ordinal)) return held;
        }
        S3ATTN_TRY(const BlockView block, plan.segment->read_block(slot, plan.block, scratch));
        S3ATTN_CHECK(to_token_form(block, k_, form));
        S3ATTN_CHECK(check_runs(plan, form.count.size()));
        if (cache_) cache_->keep(slot, plan.ordinal, form);
        return static_cast<const TokenForm*>(&form);
    }

    void merge_borders() {
        const size_t stride = lanes_.stride();
        for (size_t b = 0; b < plan_.blocks.size(); ++b) {
            const std::vector<UnitRun>& runs = plan_.blocks[b].runs;
            for (size_t r = 0; r < runs.size(); r += std::max<size_t>(1, runs.size() - 1)) {
                if (runs[r].whole) continue;
                int16_t* row = &unit_max_[runs[r].unit * stride];
                const int16_t* border = &border_max_[(b * 2 + (r > 0)) * stride];
                for (size_t l = 0; l < stride; ++l) row[l] = std::max(row[l], border[l]);
            }
        }
        for (size_t u = 0; u < units_.size(); ++u) {  // tokens without postings score 0
            if (units_[u].n_tokens > 0 && plan_.covered[u] == units_[u].n_tokens) continue;
            int16_t* row = &unit_max_[u * stride];
            for (size_t l = 0; l < stride; ++l) row[l] = std::max<int16_t>(row[l], 0);
        }
    }

    const std::vector<float>& steps() const { return choice_ ? sparse_.step : table_.step; }

    LaneScales scales() const {
        const std::vector<float>& step = steps();
        LaneScales scales;
        for (size_t l = 0; l < lanes_.size(); ++l) {
            const QueryCodes::Head& head = query_.heads[lanes_.heads[l / query_.n_tokens]];
            const double share = double{head.mixture} * head.token_share[l % query_.n_tokens];
            scales.exponent.push_back(std::min(head.temperature * step[l], 1e30f));  // times 0 is 0
            scales.share.push_back(share);
            scales.cosine.push_back(share * step[l]);
        }
        return scales;
    }

    const std::span<const UnitExtent> units_;
    const uint32_t k_;
    const QueryCodes& query_;
    const ScanPlan& plan_;
    ThreadPool& pool_;
    ScanCache* const cache_;
    const CancelToken* const cancel_;
    const FeatureChoice* const choice_;
    std::vector<float>* const lane_scores_;
    const MaxKernel kernel_;
    std::vector<double> mass_, cosine_;
    std::vector<double> log_total_;  // [head][question token]
    std::atomic<uint64_t> postings_read_{0};

    Lanes lanes_;  // of the slot at hand
    LaneTable table_;
    SparseLanes sparse_;
    std::vector<int16_t> unit_max_;    // [units][lanes]
    std::vector<int16_t> border_max_;  // [blocks][first, last run][lanes]
};

// In the blocks that are read, of the slots that any head reads.
uint64_t postings_of(const StoreShape& shape, const ScanPlan& plan, const QueryCodes& query) {
    std::vector<bool> read(shape.n_slots);
    for (const QueryCodes::Head& head : query.heads) read[head.slot] = true;
    uint64_t postings = 0;
    for (const BlockPlan& block : plan.blocks) {
        for (uint32_t slot = 0; slot < shape.n_slots; ++slot) {
            if (read[slot]) postings += block.segment->block_postings(slot, block.block);
        }
    }
    return postings;
}

}  // namespace

Result<S3Scores> score_attention(const StoreReader& store, const QueryCodes& query,
                                 const ScoreOptions& options) {
    S3ATTN_CHECK(check_query(store, query));
    S3ATTN_TRY(const ScanPlan plan, plan_scan(store, options.filter));
    if (plan.units.empty()) return S3Scores{};
    if (options.cache) options.cache->bind(store);
    ThreadPool pool(options.threads);
    std::optional<FeatureChoice> chosen;
    const FeatureChoice* choice = options.choice;
    if (!choice && options.max_features > 0 && options.max_features < query.latents) {
        FeatureMeans own;
        const FeatureMeans* means = &own;
        if (options.cache) {
            S3ATTN_TRY(means, options.cache->feature_means(store));
        } else {
            S3ATTN_TRY(own, feature_means(store));
        }
        chosen = choose_features(query, options.max_features, *means, pool);
        choice = &*chosen;
    }
    QueryCodes kept;
    const bool sparse = choice && store.shape().k <= kMaxHeadroom;
    if (choice && !sparse) kept = keep_chosen(query, *choice);
    AttentionScorer scorer(store, choice && !sparse ? kept : query, plan, pool, options,
                           sparse ? choice : nullptr);
    for (uint32_t slot = 0; slot < store.shape().n_slots; ++slot) {
        S3ATTN_CHECK(scorer.add_slot(slot));
    }
    S3Scores scores = scorer.take();
    scores.postings = postings_of(store.shape(), plan, query);
    spread_scores(options.filter, store.live_units().size(), scores.mass);
    spread_scores(options.filter, store.live_units().size(), scores.cosine);
    return scores;
}

Result<S3Scores> score_attention(const StoreReader& store, const QueryCodes& query,
                                 uint32_t threads, ScanCache* cache) {
    ScoreOptions options;
    options.threads = threads;
    options.cache = cache;
    return score_attention(store, query, options);
}

}  // namespace s3attn

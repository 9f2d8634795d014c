// score_attention: blocks in parallel, one slot at a time; then attention's own normalisation.
//
// A block is decoded once per slot, turned into per-token form, and each token's scores for all
// lanes (a lane is one question token of one head of the slot) are summed in registers and go
// straight into the maxima of its unit. The other order, accumulators per position that each
// feature's postings add to, was measured slower (docs/retrieval.md).
#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "retrieve/block_plan.h"
#include "retrieve/rank.h"
#include "retrieve/score_kernel.h"

namespace s3attn {
namespace {

constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr size_t kUnitsPerChunk = 256;  // sums are made per chunk, so threads do not change them

// The lanes of one slot, cut into groups that fit the kernel's registers.
struct Lanes {
    std::vector<size_t> heads;
    uint32_t group_lanes = 0, n_groups = 0;
    uint32_t stride() const { return group_lanes * n_groups; }
};

Lanes lanes_of_slot(const QueryCodes& query, uint32_t slot) {
    Lanes lanes;
    for (size_t j = 0; j < query.heads.size(); ++j) {
        if (query.heads[j].slot == slot) lanes.heads.push_back(j);
    }
    const auto total = static_cast<uint32_t>(lanes.heads.size() * query.n_tokens);
    lanes.n_groups = (total + kMaxGroupLanes - 1) / kMaxGroupLanes;
    if (total == 0) return lanes;
    const uint32_t per_group = (total + lanes.n_groups - 1) / lanes.n_groups;
    lanes.group_lanes = (per_group + kLaneWidth - 1) / kLaneWidth * kLaneWidth;
    return lanes;
}

// [group][latents][group_lanes]
std::vector<float> make_table(const QueryCodes& query, const Lanes& lanes) {
    std::vector<float> table(size_t{query.latents} * lanes.stride());
    const size_t group_size = size_t{query.latents} * lanes.group_lanes;
    size_t lane = 0;
    for (const size_t j : lanes.heads) {
        const float* weight = query.heads[j].weight.data();
        for (uint32_t i = 0; i < query.n_tokens;) {
            const size_t group = lane / lanes.group_lanes, in_group = lane % lanes.group_lanes;
            const auto n = static_cast<uint32_t>(
                std::min<size_t>(query.n_tokens - i, lanes.group_lanes - in_group));
            float* out = table.data() + group * group_size + in_group;
            for (uint32_t f = 0; f < query.latents; ++f) {
                const float* row = weight + size_t{f} * query.n_tokens + i;
                std::copy(row, row + n, out + size_t{f} * lanes.group_lanes);
            }
            i += n;
            lane += n;
        }
    }
    return table;
}

class AttentionScorer {
  public:
    AttentionScorer(const StoreReader& store, const QueryCodes& query, const ScanPlan& plan,
                    ThreadPool& pool)
        : units_(store.live_units()),
          latent_k_(store.shape().k),
          query_(query),
          plan_(plan),
          pool_(pool),
          kernel_(best_max_kernel()),
          mass_(units_.size()),
          cosine_(units_.size()) {}

    Status add_slot(uint32_t slot) {
        lanes_ = lanes_of_slot(query_, slot);
        if (lanes_.heads.empty()) return {};
        table_ = make_table(query_, lanes_);
        S3ATTN_CHECK(scan(slot));
        add_softmax();
        return {};
    }

    S3Scores take() {
        S3Scores scores;
        scores.mass = std::move(mass_);
        scores.best_cosine = *std::max_element(cosine_.begin(), cosine_.end());
        return scores;
    }

  private:
    // unit_max_[unit][lane] = max over the unit's tokens.
    Status scan(uint32_t slot) {
        const size_t stride = lanes_.stride();
        unit_max_.assign(units_.size() * stride, kNone);
        border_max_.assign(plan_.blocks.size() * 2 * stride, kNone);
        ErrorBoard errors(plan_.blocks.size());
        std::atomic<size_t> next{0};
        pool_.run(pool_.size(), [&](uint32_t) {
            BlockScratch scratch;
            TokenForm form;
            for (size_t b = next++; b < plan_.blocks.size(); b = next++) {
                const BlockPlan& plan = plan_.blocks[b];
                auto block = plan.segment->read_block(slot, plan.block, scratch);
                if (!block.ok()) {
                    errors.set(b, block.error());
                } else if (auto status = to_token_form(*block, latent_k_, form); !status.ok()) {
                    errors.set(b, status.error());
                } else if (plan.runs.back().end > form.count.size()) {
                    errors.set(b, make_error(ErrorCode::kCorrupt, "a block is too short"));
                } else {
                    score_block(b, form);
                }
            }
        });
        S3ATTN_CHECK(errors.status());
        merge_borders();
        return {};
    }

    void score_block(size_t b, const TokenForm& form) {
        const std::vector<UnitRun>& runs = plan_.blocks[b].runs;
        const size_t stride = lanes_.stride();
        const size_t group_size = size_t{query_.latents} * lanes_.group_lanes;
        for (uint32_t group = 0; group < lanes_.n_groups; ++group) {
            for (size_t r = 0; r < runs.size(); ++r) {
                float* row = runs[r].whole ? &unit_max_[runs[r].unit * stride]
                                           : &border_max_[(b * 2 + (r > 0)) * stride];
                kernel_(form, runs[r].begin, runs[r].end, table_.data() + group * group_size,
                        lanes_.group_lanes, row + size_t{group} * lanes_.group_lanes);
            }
        }
    }

    void merge_borders() {
        const size_t stride = lanes_.stride();
        for (size_t b = 0; b < plan_.blocks.size(); ++b) {
            const std::vector<UnitRun>& runs = plan_.blocks[b].runs;
            for (size_t r = 0; r < runs.size(); r += std::max<size_t>(1, runs.size() - 1)) {
                if (runs[r].whole) continue;
                float* row = &unit_max_[runs[r].unit * stride];
                const float* border = &border_max_[(b * 2 + (r > 0)) * stride];
                for (size_t l = 0; l < stride; ++l) row[l] = std::max(row[l], border[l]);
            }
        }
        for (size_t u = 0; u < units_.size(); ++u) {  // tokens without postings score 0
            if (units_[u].n_tokens > 0 && plan_.covered[u] == units_[u].n_tokens) continue;
            float* row = &unit_max_[u * stride];
            for (size_t l = 0; l < stride; ++l) row[l] = std::max(row[l], 0.0f);
        }
    }

    template <class F>  // f(chunk, first unit, end unit)
    void for_chunks(const F& f) {
        const size_t chunks = (units_.size() + kUnitsPerChunk - 1) / kUnitsPerChunk;
        pool_.run(static_cast<uint32_t>(chunks), [&](uint32_t c) {
            f(size_t{c}, c * kUnitsPerChunk, std::min((c + 1) * kUnitsPerChunk, units_.size()));
        });
    }

    // mass += share * softmax over units of temperature * unit_max_; cosine += share * unit_max_.
    void add_softmax() {
        const size_t stride = lanes_.stride(), n = lanes_.heads.size() * query_.n_tokens;
        std::vector<float> temperature(n);
        std::vector<double> share(n);
        for (size_t l = 0; l < n; ++l) {
            const QueryCodes::Head& head = query_.heads[lanes_.heads[l / query_.n_tokens]];
            temperature[l] = head.temperature;
            share[l] = double{head.mixture} * head.token_share[l % query_.n_tokens];
        }
        std::vector<float> top(n, kNone);
        for (size_t u = 0; u < units_.size(); ++u) {
            const float* row = &unit_max_[u * stride];
            for (size_t l = 0; l < n; ++l) top[l] = std::max(top[l], row[l]);
        }
        const size_t chunks = (units_.size() + kUnitsPerChunk - 1) / kUnitsPerChunk;
        std::vector<double> partial(chunks * n);
        for_chunks([&](size_t c, size_t begin, size_t end) {
            double* sum = &partial[c * n];
            for (size_t u = begin; u < end; ++u) {
                float* row = &unit_max_[u * stride];
                double cosine = 0;
                for (size_t l = 0; l < n; ++l) cosine += share[l] * row[l];
                cosine_[u] += cosine;
                for (size_t l = 0; l < n; ++l) {
                    row[l] = std::exp(temperature[l] * (row[l] - top[l]));
                    sum[l] += row[l];
                }
            }
        });
        std::vector<double> factor(n);
        for (size_t l = 0; l < n; ++l) {
            double total = 0;  // >= 1: the top unit adds exp(0)
            for (size_t c = 0; c < chunks; ++c) total += partial[c * n + l];
            factor[l] = share[l] / total;
        }
        for_chunks([&](size_t, size_t begin, size_t end) {
            for (size_t u = begin; u < end; ++u) {
                const float* row = &unit_max_[u * stride];
                double mass = 0;
                for (size_t l = 0; l < n; ++l) mass += factor[l] * row[l];
                mass_[u] += mass;
            }
        });
    }

    const std::vector<UnitExtent>& units_;
    const uint32_t latent_k_;
    const QueryCodes& query_;
    const ScanPlan& plan_;
    ThreadPool& pool_;
    const MaxKernel kernel_;
    std::vector<double> mass_, cosine_;

    Lanes lanes_;                    // of the slot at hand
    std::vector<float> table_;       // make_table()
    std::vector<float> unit_max_;    // [units][lanes]
    std::vector<float> border_max_;  // [blocks][first, last run][lanes]
};

}  // namespace

Result<S3Scores> score_attention(const StoreReader& store, const QueryCodes& query,
                                 uint32_t threads) {
    S3ATTN_CHECK(check_query(store, query));
    S3ATTN_TRY(const ScanPlan plan, plan_scan(store));
    if (store.live_units().empty()) return S3Scores{};
    ThreadPool pool(threads);
    AttentionScorer scorer(store, query, plan, pool);
    for (uint32_t slot = 0; slot < store.shape().n_slots; ++slot) {
        S3ATTN_CHECK(scorer.add_slot(slot));
    }
    return scorer.take();
}

}  // namespace s3attn

// score_attention: blocks in parallel, one slot at a time; then attention's own normalisation.
//
// A block is decoded once per slot, turned into per-token form, and each token's scores for all
// lanes (a lane is one question token of one head of the slot) are summed in registers and go
// straight into the maxima of its unit. docs/retrieval.md says what else was measured.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/parallel.h"
#include "retrieve/block_plan.h"
#include "retrieve/rank.h"
#include "retrieve/scan_cache.h"
#include "retrieve/score_kernel.h"

namespace s3attn {
namespace {

constexpr int16_t kNone = INT16_MIN;  // below every sum of a table made by make_table()
constexpr uint32_t kMaxHeadroom = 16;
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

struct Table {
    std::vector<int16_t> weight;  // [group][latents][group_lanes]
    std::vector<float> step;      // [lane] score of one unit of the kernel's sums
};

// Each lane's weights are scaled so that the largest times `headroom` fills 16 bits.
std::vector<float> lane_steps(const QueryCodes& query, const Lanes& lanes, uint32_t headroom) {
    std::vector<float> step;
    for (const size_t j : lanes.heads) {
        std::vector<float> largest(query.n_tokens);
        const float* row = query.heads[j].weight.data();
        for (uint32_t f = 0; f < query.latents; ++f, row += query.n_tokens) {
            for (uint32_t i = 0; i < query.n_tokens; ++i) {
                largest[i] = std::max(largest[i], std::abs(row[i]));
            }
        }
        const float limit = 32767.0f / static_cast<float>(headroom) - 1.0f;
        for (const float value : largest) step.push_back(value * kActivationUnit / limit);
    }
    return step;
}

// The largest sum of a token is k times the largest weight; a real code, of norm 1, stays far
// below it, so beyond k = kMaxHeadroom the bits go to precision and a sum past it saturates.
// Rounding moves a score by about 1e-4 where the largest product of weight and activation is 0.5,
// a tenth of what the 8-bit activations themselves lose.
Table make_table(const QueryCodes& query, const Lanes& lanes, uint32_t k) {
    Table table;
    table.step = lane_steps(query, lanes, std::clamp(k, 1u, kMaxHeadroom));
    table.weight.resize(size_t{query.latents} * lanes.stride());
    const size_t group_size = size_t{query.latents} * lanes.group_lanes;
    std::vector<float> scale(table.step.size());
    for (size_t l = 0; l < scale.size(); ++l) {
        scale[l] = table.step[l] > 0 ? kActivationUnit / table.step[l] : 0.0f;
    }
    size_t lane = 0;
    for (const size_t j : lanes.heads) {
        const float* weight = query.heads[j].weight.data();
        for (uint32_t i = 0; i < query.n_tokens;) {
            const size_t group = lane / lanes.group_lanes, in_group = lane % lanes.group_lanes;
            const auto n = static_cast<uint32_t>(
                std::min<size_t>(query.n_tokens - i, lanes.group_lanes - in_group));
            int16_t* out = table.weight.data() + group * group_size + in_group;
            for (uint32_t f = 0; f < query.latents; ++f, out += lanes.group_lanes) {
                const float* row = weight + size_t{f} * query.n_tokens + i;
                for (uint32_t l = 0; l < n; ++l) {
                    const float value = row[l] * scale[lane + l];
                    out[l] = static_cast<int16_t>(value + std::copysign(0.5f, value));
                }
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
                    ThreadPool& pool, ScanCache* cache)
        : units_(store.live_units()),
          k_(store.shape().k),
          query_(query),
          plan_(plan),
          pool_(pool),
          cache_(cache),
          kernel_(best_max_kernel()),
          mass_(units_.size()),
          cosine_(units_.size()) {}

    Status add_slot(uint32_t slot) {
        lanes_ = lanes_of_slot(query_, slot);
        if (lanes_.heads.empty()) return {};
        table_ = make_table(query_, lanes_, k_);
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
                const auto found = token_form(slot, plan_.blocks[b], scratch, form);
                if (!found.ok()) {
                    errors.set(b, found.error());
                } else {
                    score_block(b, **found);
                }
            }
        });
        S3ATTN_CHECK(errors.status());
        merge_borders();
        return {};
    }

    // From the cache, or decoded into `scratch` and `form`.
    Result<const TokenForm*> token_form(uint32_t slot, const BlockPlan& plan, BlockScratch& scratch,
                                        TokenForm& form) {
        if (cache_) {
            if (const TokenForm* held = cache_->find(slot, plan.ordinal)) return held;
        }
        S3ATTN_TRY(const BlockView block, plan.segment->read_block(slot, plan.block, scratch));
        S3ATTN_CHECK(to_token_form(block, k_, form));
        if (plan.runs.back().end > form.count.size()) {
            return make_error(ErrorCode::kCorrupt,
                              "a block is shorter than its segment says: run `s3attn verify`");
        }
        if (cache_) cache_->keep(slot, plan.ordinal, form);
        return static_cast<const TokenForm*>(&form);
    }

    void score_block(size_t b, const TokenForm& form) {
        const std::vector<UnitRun>& runs = plan_.blocks[b].runs;
        const size_t stride = lanes_.stride();
        const size_t group_size = size_t{query_.latents} * lanes_.group_lanes;
        for (uint32_t group = 0; group < lanes_.n_groups; ++group) {
            for (size_t r = 0; r < runs.size(); ++r) {
                int16_t* row = runs[r].whole ? &unit_max_[runs[r].unit * stride]
                                             : &border_max_[(b * 2 + (r > 0)) * stride];
                kernel_(form, runs[r].begin, runs[r].end, table_.weight.data() + group * group_size,
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

    template <class F>  // f(chunk, first unit, end unit)
    void for_chunks(const F& f) {
        const size_t chunks = (units_.size() + kUnitsPerChunk - 1) / kUnitsPerChunk;
        pool_.run(static_cast<uint32_t>(chunks), [&](uint32_t c) {
            f(size_t{c}, c * kUnitsPerChunk, std::min((c + 1) * kUnitsPerChunk, units_.size()));
        });
    }

    // mass += share * softmax over units of temperature * score; cosine += share * score, where a
    // lane's score is step * unit_max_.
    void add_softmax() {
        const size_t stride = lanes_.stride(), n = lanes_.heads.size() * query_.n_tokens;
        std::vector<float> scale(n);  // temperature * step
        std::vector<double> share(n);
        for (size_t l = 0; l < n; ++l) {
            const QueryCodes::Head& head = query_.heads[lanes_.heads[l / query_.n_tokens]];
            scale[l] = head.temperature * table_.step[l];
            share[l] = double{head.mixture} * head.token_share[l % query_.n_tokens];
        }
        std::vector<int16_t> top(n, kNone);
        for (size_t u = 0; u < units_.size(); ++u) {
            const int16_t* row = &unit_max_[u * stride];
            for (size_t l = 0; l < n; ++l) top[l] = std::max(top[l], row[l]);
        }
        const size_t chunks = (units_.size() + kUnitsPerChunk - 1) / kUnitsPerChunk;
        std::vector<double> partial(chunks * n);
        attention_.resize(units_.size() * n);
        for_chunks([&](size_t c, size_t begin, size_t end) {
            double* sum = &partial[c * n];
            for (size_t u = begin; u < end; ++u) {
                const int16_t* row = &unit_max_[u * stride];
                float* out = &attention_[u * n];
                for (size_t l = 0; l < n; ++l) {
                    cosine_[u] += share[l] * table_.step[l] * row[l];
                    out[l] = std::exp(scale[l] * static_cast<float>(row[l] - top[l]));
                    sum[l] += out[l];
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
                for (size_t l = 0; l < n; ++l) mass_[u] += factor[l] * attention_[u * n + l];
            }
        });
    }

    const std::vector<UnitExtent>& units_;
    const uint32_t k_;
    const QueryCodes& query_;
    const ScanPlan& plan_;
    ThreadPool& pool_;
    ScanCache* const cache_;
    const MaxKernel kernel_;
    std::vector<double> mass_, cosine_;

    Lanes lanes_;  // of the slot at hand
    Table table_;
    std::vector<int16_t> unit_max_;    // [units][lanes]
    std::vector<int16_t> border_max_;  // [blocks][first, last run][lanes]
    std::vector<float> attention_;     // [units][lanes], before the division by its sum
};

}  // namespace

Result<S3Scores> score_attention(const StoreReader& store, const QueryCodes& query,
                                 uint32_t threads, ScanCache* cache) {
    S3ATTN_CHECK(check_query(store, query));
    S3ATTN_TRY(const ScanPlan plan, plan_scan(store));
    if (store.live_units().empty()) return S3Scores{};
    if (cache) cache->bind(store);
    ThreadPool pool(threads);
    AttentionScorer scorer(store, query, plan, pool, cache);
    for (uint32_t slot = 0; slot < store.shape().n_slots; ++slot) {
        S3ATTN_CHECK(scorer.add_slot(slot));
    }
    return scorer.take();
}

}  // namespace s3attn

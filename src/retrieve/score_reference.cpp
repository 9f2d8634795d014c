// The exhaustive twin of score_attention: every token of every unit, in double precision.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "retrieve/block_plan.h"
#include "retrieve/score.h"

namespace s3attn {
namespace {

struct Posting {
    uint32_t feature;
    uint8_t activation;
};
// Global position -> postings of one slot.
using Postings = std::map<uint64_t, std::vector<Posting>>;

Result<Postings> read_slot(const StoreReader& store, uint32_t slot) {
    Postings postings;
    BlockScratch scratch;
    for (const auto& segment : store.segments()) {
        for (uint32_t block = 0; block < segment->n_blocks(); ++block) {
            S3ATTN_TRY(const BlockView view, segment->read_block(slot, block, scratch));
            for (uint32_t f = 0; f < segment->latents(); ++f) {
                for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                    const uint64_t position =
                        segment->base() + uint64_t{block} * kBlockTokens + view.position[i];
                    postings[position].push_back({f, view.activation[i]});
                }
            }
        }
    }
    return postings;
}

double unit_score(const Postings& postings, const UnitExtent& unit, const QueryCodes& query,
                  const QueryCodes::Head& head, uint32_t token) {
    double best = unit.n_tokens == 0 ? 0 : -std::numeric_limits<double>::infinity();
    const uint64_t begin = unit.position_begin.value;
    for (uint64_t p = begin; p < begin + unit.n_tokens; ++p) {
        double sum = 0;
        if (const auto found = postings.find(p); found != postings.end()) {
            for (const Posting& posting : found->second) {
                sum += double{head.weight[size_t{posting.feature} * query.n_tokens + token]} *
                       posting.activation;
            }
        }
        best = std::max(best, sum);
    }
    return best;
}

}  // namespace

Result<S3Scores> score_attention_reference(const StoreReader& store, const QueryCodes& query) {
    S3ATTN_CHECK(check_query(store, query));
    const std::vector<UnitExtent>& units = store.live_units();
    S3Scores scores;
    if (units.empty()) return scores;
    scores.mass.assign(units.size(), 0.0);
    std::vector<double> cosine(units.size());
    for (const QueryCodes::Head& head : query.heads) {
        S3ATTN_TRY(const Postings postings, read_slot(store, head.slot));
        for (uint32_t i = 0; i < query.n_tokens; ++i) {
            const double share = double{head.mixture} * head.token_share[i];
            std::vector<double> score(units.size());
            for (size_t u = 0; u < units.size(); ++u) {
                score[u] = unit_score(postings, units[u], query, head, i);
                cosine[u] += share * score[u];
            }
            const double top = *std::max_element(score.begin(), score.end());
            double total = 0;
            for (double& s : score) total += s = std::exp(double{head.temperature} * (s - top));
            scores.log_total.push_back(double{head.temperature} * top + std::log(total));
            for (size_t u = 0; u < units.size(); ++u) scores.mass[u] += share * score[u] / total;
        }
    }
    scores.best_cosine = *std::max_element(cosine.begin(), cosine.end());
    return scores;
}

}  // namespace s3attn

#include "retrieve/links.h"

#include <algorithm>
#include <cmath>

namespace s3attn {
namespace {

struct Posting {
    uint32_t feature = 0;
    uint8_t activation = 0;
};
using TokenPostings = std::vector<std::vector<Posting>>;  // [token of the unit]

Status add_block(const Segment& segment, uint32_t slot, uint32_t block, const UnitExtent& unit,
                 BlockScratch& scratch, TokenPostings& tokens) {
    S3ATTN_TRY(const BlockView view, segment.read_block(slot, block, scratch));
    const uint64_t base = segment.base() + uint64_t{block} * kBlockTokens;
    for (uint32_t f = 0; f < segment.latents(); ++f) {
        for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
            const TokenPosition position(base + view.position[i]);
            if (position < unit.position_begin) continue;
            if (position >= unit.position_begin + unit.n_tokens) continue;
            tokens[position - unit.position_begin].push_back({f, view.activation[i]});
        }
    }
    return {};
}

Result<TokenPostings> postings_of(const StoreReader& store, uint32_t slot, const UnitExtent& unit) {
    TokenPostings tokens(unit.n_tokens);
    const uint64_t begin = unit.position_begin.value, end = begin + unit.n_tokens;
    BlockScratch scratch;
    for (const auto& segment : store.segments()) {
        if (segment->base() >= end) break;
        if (segment->base() + segment->n_tokens() <= begin) continue;
        const uint64_t from = std::max(begin, segment->base()) - segment->base();
        const uint64_t to = std::min(end - segment->base(), segment->n_tokens());
        for (uint64_t block = from / kBlockTokens; block * kBlockTokens < to; ++block) {
            S3ATTN_CHECK(
                add_block(*segment, slot, static_cast<uint32_t>(block), unit, scratch, tokens));
        }
    }
    return tokens;
}

UnitLink best_token(const TokenPostings& tokens, const QueryCodes& query,
                    const QueryCodes::Head& head, uint32_t question_token) {
    UnitLink best;
    best.question_token = question_token;
    for (uint32_t t = 0; t < tokens.size(); ++t) {
        double sum = 0;
        for (const Posting& posting : tokens[t]) {
            const size_t at = size_t{posting.feature} * query.n_tokens + question_token;
            sum += double{head.weight[at]} * posting.activation;
        }
        if (t > 0 && sum <= best.cosine) continue;
        best.unit_token = t;
        best.cosine = sum;
    }
    return best;
}

}  // namespace

Result<std::vector<UnitLink>> unit_links(const StoreReader& store, const QueryCodes& query,
                                         const std::vector<double>& log_total,
                                         const UnitExtent& unit) {
    const size_t lanes = query.heads.size() * query.n_tokens;
    if (log_total.size() != lanes) {
        return make_error(ErrorCode::kInvalidArgument, "the scores are not of this question");
    }
    std::vector<UnitLink> links;
    links.reserve(lanes);
    for (uint32_t slot = 0; slot < store.shape().n_slots; ++slot) {
        const bool used =
            std::any_of(query.heads.begin(), query.heads.end(),
                        [slot](const QueryCodes::Head& head) { return head.slot == slot; });
        if (!used) continue;
        S3ATTN_TRY(const TokenPostings tokens, postings_of(store, slot, unit));
        for (uint32_t j = 0; j < query.heads.size(); ++j) {
            const QueryCodes::Head& head = query.heads[j];
            if (head.slot != slot) continue;
            for (uint32_t i = 0; i < query.n_tokens; ++i) {
                UnitLink link = best_token(tokens, query, head, i);
                link.head = j;
                const double total = log_total[size_t{j} * query.n_tokens + i];
                link.mass = double{head.mixture} * head.token_share[i] *
                            std::exp(double{head.temperature} * link.cosine - total);
                links.push_back(link);
            }
        }
    }
    std::stable_sort(links.begin(), links.end(),
                     [](const UnitLink& a, const UnitLink& b) { return a.mass > b.mass; });
    return links;
}

}  // namespace s3attn

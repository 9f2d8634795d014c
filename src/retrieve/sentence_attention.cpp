#include "retrieve/sentence_attention.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace s3attn {
namespace {

struct SentencePosting {
    uint32_t feature = 0;
    uint8_t activation = 0;
};
// [unit][token]
using PostingsOfUnits = std::vector<std::vector<std::vector<SentencePosting>>>;

// Which units have tokens in a block of a segment.
struct TouchedBlock {
    const Segment* segment = nullptr;
    uint32_t block = 0;
    std::vector<size_t> units;
};

std::vector<TouchedBlock> touched_blocks(const StoreReader& store,
                                         const std::vector<UnitSentences>& units) {
    std::map<std::pair<uint64_t, uint32_t>, TouchedBlock> blocks;  // by base and block
    for (size_t u = 0; u < units.size(); ++u) {
        const uint64_t begin = units[u].unit.position_begin.value;
        const uint64_t end = begin + units[u].unit.n_tokens;
        for (const auto& segment : store.segments()) {
            if (segment->base() >= end || segment->base() + segment->n_tokens() <= begin) continue;
            const uint64_t from = std::max(begin, segment->base()) - segment->base();
            const uint64_t to = std::min(end - segment->base(), segment->n_tokens());
            for (uint64_t b = from / kBlockTokens; b * kBlockTokens < to; ++b) {
                auto& touched = blocks[{segment->base(), static_cast<uint32_t>(b)}];
                touched.segment = segment.get();
                touched.block = static_cast<uint32_t>(b);
                touched.units.push_back(u);
            }
        }
    }
    std::vector<TouchedBlock> list;
    for (auto& [place, touched] : blocks) list.push_back(std::move(touched));
    return list;
}

Status read_postings(const TouchedBlock& touched, uint32_t slot,
                     const std::vector<UnitSentences>& units, BlockScratch& scratch,
                     PostingsOfUnits& out) {
    const Segment& segment = *touched.segment;
    S3ATTN_TRY(const BlockView view, segment.read_block(slot, touched.block, scratch));
    const uint64_t base = segment.base() + uint64_t{touched.block} * kBlockTokens;
    // Token of a unit, by position in the block; the rest belong to no unit that is asked for.
    std::vector<std::vector<SentencePosting>*> place(kBlockTokens, nullptr);
    for (const size_t u : touched.units) {
        const uint64_t begin = units[u].unit.position_begin.value;
        for (uint64_t t = 0; t < units[u].unit.n_tokens; ++t) {
            if (begin + t < base || begin + t >= base + kBlockTokens) continue;
            place[begin + t - base] = &out[u][t];
        }
    }
    for (uint32_t f = 0; f < segment.latents(); ++f) {
        for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
            if (auto* token = place[view.position[i]]) token->push_back({f, view.activation[i]});
        }
    }
    return {};
}

// Adds one head's lanes to the sentences of one unit.
void add_head(const std::vector<std::vector<SentencePosting>>& tokens, const UnitSentences& unit,
              const QueryCodes& query, size_t j, const std::vector<double>& log_total,
              std::vector<SentenceAttention>& sentences) {
    const QueryCodes::Head& head = query.heads[j];
    const size_t n = query.n_tokens;
    std::vector<double> best(size_t{unit.n_sentences} * n, -1e30);  // [sentence][question token]
    std::vector<double> sums(n);
    for (size_t t = 0; t < std::min(tokens.size(), unit.sentence_of.size()); ++t) {
        const uint32_t s = unit.sentence_of[t];
        if (s == kNoSentence) continue;
        std::fill(sums.begin(), sums.end(), 0.0);
        for (const SentencePosting& posting : tokens[t]) {
            const float* weight = head.weight.data() + size_t{posting.feature} * n;
            for (size_t i = 0; i < n; ++i) sums[i] += double{weight[i]} * posting.activation;
        }
        for (size_t i = 0; i < n; ++i) best[s * n + i] = std::max(best[s * n + i], sums[i]);
    }
    for (uint32_t s = 0; s < unit.n_sentences; ++s) {
        for (size_t i = 0; i < n; ++i) {
            const double cosine = best[s * n + i];
            if (cosine < -1e29) continue;  // a sentence without a token
            const double share = double{head.mixture} * head.token_share[i];
            sentences[s].cosine += share * cosine;
            sentences[s].mass +=
                share * std::exp(double{head.temperature} * cosine - log_total[j * n + i]);
        }
    }
}

}  // namespace

Result<std::vector<std::vector<SentenceAttention>>> attend_sentences(
    const StoreReader& store, const QueryCodes& query, const std::vector<double>& log_total,
    const std::vector<UnitSentences>& units) {
    if (log_total.size() != query.heads.size() * query.n_tokens) {
        return make_error(ErrorCode::kInvalidArgument, "the scores are not of this question");
    }
    std::vector<std::vector<SentenceAttention>> out;
    for (const UnitSentences& unit : units) out.emplace_back(unit.n_sentences);
    const std::vector<TouchedBlock> blocks = touched_blocks(store, units);
    BlockScratch scratch;
    for (uint32_t slot = 0; slot < store.shape().n_slots; ++slot) {
        const bool used =
            std::any_of(query.heads.begin(), query.heads.end(),
                        [slot](const QueryCodes::Head& head) { return head.slot == slot; });
        if (!used) continue;
        PostingsOfUnits postings;
        for (const UnitSentences& unit : units) postings.emplace_back(unit.unit.n_tokens);
        for (const TouchedBlock& touched : blocks) {
            S3ATTN_CHECK(read_postings(touched, slot, units, scratch, postings));
        }
        for (size_t j = 0; j < query.heads.size(); ++j) {
            if (query.heads[j].slot != slot) continue;
            for (size_t u = 0; u < units.size(); ++u) {
                add_head(postings[u], units[u], query, j, log_total, out[u]);
            }
        }
    }
    return out;
}

}  // namespace s3attn

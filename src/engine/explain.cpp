#include "engine/explain.h"

#include <algorithm>
#include <numeric>

#include "engine/attention_voice.h"

namespace s3attn {
namespace {

constexpr size_t kTopFeatures = 5;
constexpr size_t kTopUnits = 10;

// The features that one question token of one head weighs most.
std::vector<ExplainedFeature> top_features(const QueryCodes::Head& head, uint32_t n_tokens,
                                           uint32_t latents, uint32_t token) {
    std::vector<uint32_t> order(latents);
    std::iota(order.begin(), order.end(), 0u);
    const auto weight = [&](uint32_t f) { return head.weight[size_t{f} * n_tokens + token]; };
    const size_t top = std::min<size_t>(kTopFeatures, latents);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                      [&](uint32_t a, uint32_t b) { return weight(a) > weight(b); });
    std::vector<ExplainedFeature> features;
    for (size_t i = 0; i < top; ++i) features.push_back({order[i], weight(order[i])});
    return features;
}

void add_block(const QueryCodes& codes, std::vector<ExplainedHead>& heads) {
    for (size_t j = 0; j < codes.heads.size(); ++j) {
        const QueryCodes::Head& head = codes.heads[j];
        heads[j].slot = head.slot;
        heads[j].temperature = head.temperature;
        heads[j].mixture = head.mixture;
        for (uint32_t i = 0; i < codes.n_tokens; ++i) {
            heads[j].tokens.push_back(
                {head.token_share[i], top_features(head, codes.n_tokens, codes.latents, i)});
        }
    }
}

}  // namespace

Explanation explain_search(const TraceInput& input, const Evidence& evidence,
                           const SearchResult& result) {
    Explanation out;
    out.question_tokens = token_texts(input.tokens, result.question);
    const VoiceScores* said = input.ranking.said_by("s3");
    if (said != nullptr && said->trace != nullptr) {
        for (const QueryHead& head : input.adapter.heads) {
            ExplainedHead& each = out.heads.emplace_back();
            each.layer = head.layer;
            each.query_head = head.query_head;
        }
        const auto& trace = dynamic_cast<const AttentionTrace&>(*said->trace);
        for (uint32_t b = 0; b < trace.codes.n_blocks(); ++b) {
            add_block(trace.codes.block(b), out.heads);
        }
    }
    out.candidates = input.ranking.units.size();
    for (size_t i = 0; i < std::min(kTopUnits, input.ranking.units.size()); ++i) {
        const RankedUnit& unit = input.ranking.units[i];
        ExplainedUnit& each = out.best.emplace_back();
        each.unit_id = input.store.live_units()[unit.unit].unit_id;
        each.score = unit.score;
        for (const std::string& voice : input.ranking.voices) {
            each.scores.push_back({voice, input.ranking.score(voice, unit.unit)});
        }
    }
    out.lexical_coverage = evidence.lexical_coverage;
    return out;
}

}  // namespace s3attn

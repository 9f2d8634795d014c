#include "engine/explain.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

namespace s3attn {
namespace {

using Json = nlohmann::ordered_json;
constexpr size_t kTopFeatures = 5;
constexpr size_t kTopUnits = 10;

std::string dump(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json token_texts(const ExplainInput& input) {
    Json texts = Json::array();
    for (size_t i = 0; i < input.tokens.ids.size(); ++i) {
        const uint64_t begin = input.tokens.begin[i];
        texts.push_back(input.question.substr(begin, input.tokens.begin[i + 1] - begin));
    }
    return texts;
}

// The features that one question token of one head weighs most.
Json top_features(const QueryCodes::Head& head, uint32_t n_tokens, uint32_t latents,
                  uint32_t token) {
    std::vector<uint32_t> order(latents);
    std::iota(order.begin(), order.end(), 0u);
    const auto weight = [&](uint32_t f) { return head.weight[size_t{f} * n_tokens + token]; };
    const size_t top = std::min<size_t>(kTopFeatures, latents);
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                      [&](uint32_t a, uint32_t b) { return weight(a) > weight(b); });
    Json features = Json::array();
    for (size_t i = 0; i < top; ++i) {
        features.push_back({{"feature", order[i]}, {"weight", weight(order[i])}});
    }
    return features;
}

Json head_line(const ExplainInput& input, size_t j) {
    const QueryCodes::Head& head = input.codes.heads[j];
    const QueryHead& chosen = input.adapter.heads[j];
    Json tokens = Json::array();
    for (uint32_t i = 0; i < input.codes.n_tokens; ++i) {
        tokens.push_back(
            {{"share", head.token_share[i]},
             {"features", top_features(head, input.codes.n_tokens, input.codes.latents, i)}});
    }
    return {{"arrow", "queries -> feature weights"},
            {"layer", chosen.layer},
            {"query_head", chosen.query_head},
            {"slot", head.slot},
            {"temperature", head.temperature},
            {"mixture", head.mixture},
            {"tokens", std::move(tokens)}};
}

Json units_line(const ExplainInput& input) {
    Json units = Json::array();
    for (size_t i = 0; i < std::min(kTopUnits, input.ranked.size()); ++i) {
        const ScoredUnit& unit = input.ranked[i];
        units.push_back({{"unit", unit.unit_id.value},
                         {"score", unit.score},
                         {"s3", unit.s3},
                         {"bm25", unit.bm25}});
    }
    return {{"arrow", "feature weights -> units"},
            {"candidates", input.ranked.size()},
            {"best", std::move(units)}};
}

}  // namespace

std::vector<std::string> explain_search(const ExplainInput& input) {
    std::vector<std::string> lines;
    lines.push_back(dump({{"arrow", "question -> tokens"}, {"tokens", token_texts(input)}}));
    for (size_t j = 0; j < input.codes.heads.size(); ++j) {
        lines.push_back(dump(head_line(input, j)));
    }
    lines.push_back(dump(units_line(input)));
    lines.push_back(dump({{"arrow", "units -> evidence found?"},
                          {"found", input.evidence.found},
                          {"cosine", input.evidence.score},
                          {"floor", input.evidence.floor},
                          {"lexical_coverage", input.evidence.lexical_coverage}}));
    Json spans = Json::array();
    for (const Span& span : input.result.spans) {
        spans.push_back({{"path", span.path},
                         {"byte_begin", span.byte_begin},
                         {"byte_end", span.byte_end},
                         {"tokens", span.tokens}});
    }
    lines.push_back(dump({{"arrow", "units -> spans within the budget"},
                          {"budget_tokens", input.result.budget_tokens},
                          {"used_tokens", input.result.used_tokens},
                          {"spans", std::move(spans)}}));
    return lines;
}

}  // namespace s3attn

// --explain: one JSON object for each arrow of a search.
#include "json/result_json.h"

namespace s3attn::apps {
namespace {

Json head_json(const ExplainedHead& head) {
    Json tokens = Json::array();
    for (const ExplainedToken& token : head.tokens) {
        Json features = Json::array();
        for (const ExplainedFeature& each : token.features) {
            features.push_back({{"feature", each.feature}, {"weight", each.weight}});
        }
        tokens.push_back({{"share", token.share}, {"features", std::move(features)}});
    }
    return {{"arrow", "queries -> feature weights"},
            {"layer", head.layer},
            {"query_head", head.query_head},
            {"slot", head.slot},
            {"temperature", head.temperature},
            {"mixture", head.mixture},
            {"tokens", std::move(tokens)}};
}

// "s3" and "bm25" are always there; other voices where they were asked.
Json units_json(const Explanation& explanation) {
    Json units = Json::array();
    for (const ExplainedUnit& unit : explanation.best) {
        Json json = {{"unit", unit.unit_id.value},
                     {"score", unit.score},
                     {"s3", score_of(unit.scores, "s3")},
                     {"bm25", score_of(unit.scores, "bm25")}};
        for (const VoiceScore& each : unit.scores) json[each.voice] = each.score;
        units.push_back(std::move(json));
    }
    return {{"arrow", "feature weights -> units"},
            {"candidates", explanation.candidates},
            {"best", std::move(units)}};
}

}  // namespace

std::vector<std::string> explain_lines(const SearchResult& result) {
    const Explanation& explanation = result.explanation;
    std::vector<std::string> lines;
    if (explanation.question_tokens.empty()) return lines;
    lines.push_back(
        dump({{"arrow", "question -> tokens"}, {"tokens", explanation.question_tokens}}));
    for (const ExplainedHead& head : explanation.heads) lines.push_back(dump(head_json(head)));
    lines.push_back(dump(units_json(explanation)));
    lines.push_back(dump({{"arrow", "units -> evidence found?"},
                          {"found", result.evidence_found},
                          {"cosine", result.evidence_score},
                          {"floor", result.evidence_floor},
                          {"lexical_coverage", explanation.lexical_coverage}}));
    Json spans = Json::array();
    for (const Span& span : result.spans) {
        spans.push_back({{"path", span.path},
                         {"byte_begin", span.byte_begin},
                         {"byte_end", span.byte_end},
                         {"tokens", span.tokens}});
    }
    lines.push_back(dump({{"arrow", "units -> spans within the budget"},
                          {"budget_tokens", result.budget_tokens},
                          {"used_tokens", result.used_tokens},
                          {"spans", std::move(spans)}}));
    return lines;
}

}  // namespace s3attn::apps

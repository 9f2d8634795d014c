#include "engine/attention.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <unordered_map>
#include <utility>

#include "retrieve/links.h"
#include "retrieve/words.h"

namespace s3attn {
namespace {

// More would be noise: the sum of a span's smaller links is a few per cent of its score.
constexpr size_t kMaxLinks = 64;

using RankedUnits = std::unordered_map<UnitId, const ScoredUnit*>;

std::vector<UnitAttention> all_units(const std::vector<UnitPlace>& places,
                                     const RankedUnits& ranked) {
    std::vector<UnitAttention> units;
    units.reserve(places.size());
    for (const UnitPlace& place : places) {
        UnitAttention unit{place.doc_id, place.byte_begin, place.byte_end, 0, 0};
        if (const auto found = ranked.find(place.unit_id); found != ranked.end()) {
            unit.score_s3 = found->second->s3;
            unit.score_bm25 = found->second->bm25;
        }
        units.push_back(unit);
    }
    std::stable_sort(units.begin(), units.end(), [](const auto& a, const auto& b) {
        return std::pair(a.doc_id, a.byte_begin) < std::pair(b.doc_id, b.byte_begin);
    });
    return units;
}

std::vector<std::string> words_in_common(const std::string& question, const std::string& text) {
    TextWords there(text);
    std::vector<std::string> common;
    for (const ContentWord& word : content_words(question)) {
        if (there.has(word)) common.push_back(word.stem);
    }
    return common;
}

// The store counts a unit's tokens with the line end behind it, the text here is without.
Result<std::vector<AttentionLink>> span_links(const AttentionInput& input, const Span& span,
                                              const UnitExtent& unit) {
    S3ATTN_TRY(const auto links, unit_links(input.store, input.codes, input.scores, unit));
    S3ATTN_TRY(const Tokens tokens, input.tokenizer.tokenize(span.text));
    std::vector<AttentionLink> described;
    for (const UnitLink& link : links) {
        if (described.size() == kMaxLinks) break;
        AttentionLink out;
        out.question_token = link.question_token;
        out.head = link.head;
        out.cosine = link.cosine;
        out.mass = link.mass;
        out.byte_begin = out.byte_end = span.text.size();
        if (link.unit_token < tokens.ids.size()) {
            out.byte_begin = tokens.begin[link.unit_token];
            out.byte_end = tokens.begin[link.unit_token + 1];
        }
        described.push_back(out);
    }
    return described;
}

}  // namespace

Result<Attention> describe_attention(const AttentionInput& input) {
    Attention attention;
    const std::string& question = input.result.question;
    for (size_t i = 0; i < input.tokens.ids.size(); ++i) {
        const uint64_t begin = input.tokens.begin[i];
        attention.question_tokens.push_back(
            question.substr(begin, input.tokens.begin[i + 1] - begin));
    }
    S3ATTN_TRY(const std::vector<UnitPlace> places, input.store.places());
    RankedUnits ranked;
    for (const ScoredUnit& unit : input.ranked) ranked.emplace(unit.unit_id, &unit);
    attention.units = all_units(places, ranked);

    const bool has_links = !input.scores.log_total.empty();
    for (size_t j = 0; has_links && j < input.codes.heads.size(); ++j) {
        attention.heads.push_back(
            {input.adapter.heads[j].layer, input.adapter.heads[j].query_head});
    }
    std::map<std::pair<DocumentId, uint64_t>, size_t> unit_at;  // (document, first byte) -> index
    for (size_t u = 0; u < places.size(); ++u) {
        unit_at[{places[u].doc_id, places[u].byte_begin}] = u;
    }
    const std::vector<UnitExtent>& extents = input.store.live_units();
    for (const Span& span : input.result.spans) {
        SpanAttention out;
        out.shared_words = words_in_common(question, span.text);
        const auto found = unit_at.find({span.doc_id, span.byte_begin});
        if (found != unit_at.end() && found->second < extents.size()) {
            const UnitExtent& unit = extents[found->second];
            const auto scored = ranked.find(unit.unit_id);
            if (scored != ranked.end() && scored->second->score > 0) {
                out.lexical_share =
                    std::clamp(scored->second->lexical / scored->second->score, 0.0, 1.0);
            }
            if (has_links) {
                S3ATTN_TRY(out.links, span_links(input, span, unit));
            }
        }
        attention.spans.push_back(std::move(out));
    }
    return attention;
}

}  // namespace s3attn

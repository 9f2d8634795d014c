#include "engine/attention.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "engine/attention_voice.h"
#include "retrieve/links.h"
#include "retrieve/words.h"

namespace s3attn {
namespace {

// More would be noise: the sum of a span's smaller links is a few per cent of its score.
constexpr size_t kMaxLinks = 64;

std::vector<UnitAttention> all_units(const std::vector<UnitPlace>& places, const Ranking& ranking) {
    std::vector<UnitAttention> units;
    units.reserve(places.size());
    for (size_t u = 0; u < places.size(); ++u) {
        const auto number = static_cast<UnitNumber>(u);
        UnitAttention& unit = units.emplace_back(
            UnitAttention{places[u].doc_id, places[u].byte_begin, places[u].byte_end, {}});
        for (size_t v = 0; v < ranking.voices.size(); ++v) {
            const double score = ranking.scores[v][number];
            if (score != 0) unit.scores.push_back({ranking.voices[v], score});
        }
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

// The strongest links of every span so far; `first` is the number of the block's first token.
Status add_links(const TraceInput& input, const QueryCodes& codes,
                 const std::vector<double>& log_total, uint32_t first,
                 std::vector<std::vector<UnitLink>>& links) {
    for (size_t s = 0; s < links.size(); ++s) {
        const UnitExtent& unit = input.store.live_units()[input.selected[s]];
        S3ATTN_TRY(auto more, unit_links(input.store, codes, log_total, unit));
        for (UnitLink& link : more) link.question_token += first;
        links[s].insert(links[s].end(), more.begin(), more.end());
        std::stable_sort(links[s].begin(), links[s].end(),
                         [](const UnitLink& a, const UnitLink& b) { return a.mass > b.mass; });
        links[s].resize(std::min(links[s].size(), kMaxLinks));
    }
    return {};
}

// The store counts a unit's tokens with the line end behind it, the text here is without.
Result<std::vector<AttentionLink>> describe_links(const Tokenizer& tokenizer, const Span& span,
                                                  const std::vector<UnitLink>& links) {
    S3ATTN_TRY(const Tokens tokens, tokenizer.tokenize(span.text));
    std::vector<AttentionLink> described;
    for (const UnitLink& link : links) {
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

std::vector<std::string> token_texts(const Tokens& tokens, const std::string& question) {
    std::vector<std::string> texts;
    for (size_t i = 0; i < tokens.ids.size(); ++i) {
        texts.push_back(question.substr(tokens.begin[i], tokens.begin[i + 1] - tokens.begin[i]));
    }
    return texts;
}

Result<Attention> describe_attention(const TraceInput& input, const SearchResult& result) {
    Attention attention;
    attention.question_tokens = token_texts(input.tokens, result.question);
    S3ATTN_TRY(const std::vector<UnitPlace> places, input.store.places());
    attention.units = all_units(places, input.ranking);

    std::vector<std::vector<UnitLink>> links(result.spans.size());
    const VoiceScores* said = input.ranking.said_by("s3");
    const auto* trace =
        said == nullptr ? nullptr : dynamic_cast<const AttentionTrace*>(said->trace.get());
    if (trace != nullptr && !trace->log_total.empty()) {
        for (const QueryHead& head : input.adapter.heads) {
            attention.heads.push_back({head.layer, head.query_head});
        }
        for (uint32_t b = 0; b < trace->codes.n_blocks() && !links.empty(); ++b) {
            S3ATTN_CHECK(add_links(input, trace->codes.block(b), trace->log_total[b],
                                   b * kQuestionBlock, links));
        }
    }
    const auto& voices = input.ranking.voices;
    const auto words = std::find(voices.begin(), voices.end(), "bm25");
    for (size_t s = 0; s < result.spans.size(); ++s) {
        const Span& span = result.spans[s];
        SpanAttention out;
        out.shared_words = words_in_common(result.question, span.text);
        // Of the fused score: the second stage puts another in its place.
        double fused = 0;
        for (const auto& brought : input.ranking.brought) fused += brought[input.selected[s]];
        if (words != voices.end() && fused > 0) {
            const auto& brought =
                input.ranking.brought[static_cast<size_t>(words - voices.begin())];
            out.lexical_share = std::clamp(brought[input.selected[s]] / fused, 0.0, 1.0);
        }
        S3ATTN_TRY(out.links, describe_links(input.tokenizer, span, links[s]));
        attention.spans.push_back(std::move(out));
    }
    return attention;
}

}  // namespace s3attn

#include "engine/quote_search.h"

#include <algorithm>
#include <cmath>

#include "base/timing.h"
#include "engine/attention_voice.h"
#include "retrieve/sentence_attention.h"

namespace s3attn {
namespace {

// Which sentence each token of a unit belongs to: the one in which it begins, or the one that it
// leads to.
Result<std::vector<UnitSentences>> units_with_sentences(
    const TraceInput& input, const SearchResult& result,
    const std::vector<EvidenceSentence>& sentences) {
    std::vector<UnitSentences> units;
    size_t s = 0;
    while (s < sentences.size()) {
        const size_t span = sentences[s].span;
        S3ATTN_TRY(const Tokens tokens, input.tokenizer.tokenize(result.spans[span].text));
        UnitSentences unit;
        unit.unit = input.store.live_units()[input.selected[span]];
        size_t at = s;
        for (size_t t = 0; t + 1 < tokens.begin.size(); ++t) {
            while (at + 1 < sentences.size() && sentences[at + 1].span == span &&
                   tokens.begin[t + 1] > sentences[at + 1].begin) {
                ++at;
            }
            unit.sentence_of.push_back(static_cast<uint32_t>(at - s));
        }
        while (s < sentences.size() && sentences[s].span == span) ++s, ++unit.n_sentences;
        units.push_back(std::move(unit));
    }
    return units;
}

Status add_attention(const TraceInput& input, const SearchResult& result,
                     const AttentionTrace& trace, std::vector<EvidenceSentence>& sentences) {
    S3ATTN_TRY(const auto units, units_with_sentences(input, result, sentences));
    for (uint32_t b = 0; b < trace.codes.n_blocks(); ++b) {
        S3ATTN_TRY(const auto attention,
                   attend_sentences(input.store, trace.codes.block(b), trace.log_total[b], units));
        size_t s = 0;
        for (const auto& unit : attention) {
            for (const SentenceAttention& each : unit) {
                sentences[s].mass += each.mass;
                sentences[s++].cosine += each.cosine;
            }
        }
    }
    return {};
}

Result<std::map<std::string, double>> rarity_of(const StoreReader& store,
                                                const std::string& question, const Filter& filter) {
    std::map<std::string, double> rarity;
    S3ATTN_TRY(const auto frequencies, store.word_frequencies(question, filter.places()));
    const auto n =
        static_cast<double>(filter.all() ? store.live_units().size() : filter.allowed().size());
    for (const WordFrequency& word : frequencies) {
        rarity[word.form] = std::log(1.0 + (n + 0.5) / (static_cast<double>(word.units) + 0.5));
    }
    return rarity;
}

}  // namespace

Result<QuoteCandidates> quote_candidates(const TraceInput& input, const SearchResult& result) {
    QuoteCandidates out;
    out.sentences = evidence_sentences(result.spans);
    const VoiceScores* said = input.ranking.said_by("s3");
    const auto* trace =
        said == nullptr ? nullptr : dynamic_cast<const AttentionTrace*>(said->trace.get());
    if (trace != nullptr && !trace->log_total.empty() && !out.sentences.empty()) {
        out.attention = true;
        S3ATTN_CHECK(add_attention(input, result, *trace, out.sentences));
    }
    S3ATTN_TRY(const auto rarity, rarity_of(input.store, result.question, input.filter));
    out.features = quote_features(result.question, result.spans, out.sentences, rarity);
    return out;
}

Result<Quote> find_quote(const TraceInput& input, const SearchResult& result) {
    const Stopwatch watch;
    S3ATTN_TRY(const QuoteCandidates candidates, quote_candidates(input, result));
    Quote quote = make_quote(result.spans, candidates.sentences,
                             quote_chances(candidates.features, candidates.attention));
    quote.milliseconds = watch.milliseconds();
    return quote;
}

}  // namespace s3attn

#include "engine/searcher.h"

#include <vector>

#include "base/timing.h"
#include "engine/attention.h"
#include "engine/attention_voice.h"
#include "engine/explain.h"
#include "engine/quote_search.h"
#include "retrieve/evidence.h"
#include "retrieve/fusion.h"
#include "retrieve/select.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

Status check_question(const std::string& question, const SearchOptions& options) {
    if (is_blank(question)) {
        return make_error(ErrorCode::kInvalidArgument, reason::kQuestionEmpty, "question",
                          "the question is empty");
    }
    if (options.budget_tokens == 0) {
        return make_error(ErrorCode::kInvalidArgument, reason::kBudgetZero, "budget",
                          "a budget of 0 tokens holds no evidence");
    }
    if (options.rounds == 0) {
        return make_error(ErrorCode::kInvalidArgument, "there is no search in 0 rounds");
    }
    return {};
}

void add_voices(const Ranking& ranking, const Selection& selected, SearchResult& result) {
    for (size_t s = 0; s < selected.units.size(); ++s) {
        for (size_t v = 0; v < ranking.voices.size(); ++v) {
            result.spans[s].scores.push_back(
                {ranking.voices[v], ranking.scores[v][selected.units[s]]});
        }
        result.used_tokens += result.spans[s].tokens;
    }
    for (const VoiceScores& said : ranking.said) {
        result.postings += said.postings;
        result.postings_read += said.postings_read;
    }
}

}  // namespace

Result<Mix> mix_of(const SearchOptions& options, const Adapter& adapter) {
    if (options.method != "hybrid") return parse_mix(options.method);
    Mix mix;
    mix.kind = Mix::Kind::kSum;
    mix.text = options.method;
    // An adapter may have been calibrated to words alone.
    const double weight = adapter.hybrid_s3_weight;
    mix.parts = {{Mix::Kind::kVoice, "s3", weight, {}}, {Mix::Kind::kVoice, "bm25", 1, {}}};
    return mix;
}

Result<Ranking> Searcher::rank_once(const std::string& question, const SearchOptions& options,
                                    const std::vector<std::string>& before) const {
    S3ATTN_TRY(const Mix mix, mix_of(options, adapter));
    std::shared_ptr<Scanner> wide;
    if (!before.empty() && wide_scanner) {
        S3ATTN_TRY(wide, wide_scanner());
    }
    AttentionVoice attention(wide ? *wide : scanner, adapter, options, threads, cache);
    attention.read_behind(before);
    const WordVoice words;
    std::vector<const Voice*> voices{&attention, &words};
    voices.insert(voices.end(), more.begin(), more.end());
    Weigh weigh;
    if (options.method == "hybrid" && !adapter.fusion.features.empty()) {
        weigh = [&](const Ranking& said, Mix& parts) -> Status {
            S3ATTN_TRY(const double share,
                       attention_share(adapter.fusion,
                                       fusion_features(said.said_by("s3")->units,
                                                       said.said_by("bm25")->units, question)));
            parts.parts[0].weight = share;
            parts.parts[1].weight = 1 - share;
            return {};
        };
    }
    return rank_units(voices, mix, {question, store, filter, 0, cancel}, weigh);
}

Result<SearchResult> Searcher::search(const std::string& question,
                                      const SearchOptions& options) const {
    S3ATTN_CHECK(check_question(question, options));
    const Stopwatch total;
    SearchResult result;
    result.question = question;
    result.method = options.method;
    result.budget_tokens = options.budget_tokens;
    result.model = scanner.info().name;
    result.adapter = adapter.name;
    if (store.live_units().empty()) {
        return make_error(ErrorCode::kInvalidArgument, reason::kStoreEmpty, {},
                          "the store holds no documents");
    }
    S3ATTN_TRY(const Tokens tokens, question_tokens(scanner.tokenizer(), question));
    result.question_tokens = static_cast<uint32_t>(tokens.ids.size());
    S3ATTN_TRY(Ranking ranking, rank(question, options));
    if (second_stage != nullptr) {
        const Stopwatch watch;
        S3ATTN_CHECK(second_stage->rerank({question, store, filter, 0, cancel}, ranking));
        ranking.timings_ms["second_stage"] = watch.milliseconds();
    }
    result.timings_ms = ranking.timings_ms;
    if (options.method == "hybrid") {
        for (size_t v = 0; v < ranking.weights.size(); ++v) {
            result.weights.push_back({ranking.voices[v], ranking.weights[v]});
        }
    }

    S3ATTN_TRY(const Evidence evidence,
               assess_evidence(store, ranking.cosine(), question, adapter.evidence_floor,
                               ranking.said_by("bm25"), filter));
    result.evidence_found = evidence.found;
    result.evidence_score = evidence.score;
    result.evidence_floor = evidence.floor;

    const Stopwatch select_watch;
    SelectOptions select;
    select.budget_tokens = options.budget_tokens;
    select.max_spans = options.max_spans;
    select.count_tokens = count_tokens;
    select.cancel = cancel;
    S3ATTN_TRY(Selection selected, select_spans(store, ranking.units, select));
    result.spans = std::move(selected.spans);
    result.passed_over = selected.passed_over;
    result.passed_over_tokens = selected.passed_over_tokens;
    result.timings_ms["select"] = select_watch.milliseconds();
    add_voices(ranking, selected, result);
    const TraceInput trace{scanner.tokenizer(), adapter, store, tokens, ranking,
                           selected.units,      filter};
    if (options.quote && result.evidence_found) {
        S3ATTN_TRY(result.quote, find_quote(trace, result));
        result.timings_ms["quote"] = result.quote.milliseconds;
    }
    result.timings_ms["total"] = total.milliseconds();
    if (options.explain) result.explanation = explain_search(trace, evidence, result);
    if (options.attention) {
        S3ATTN_TRY(result.attention, describe_attention(trace, result));
    }
    return result;
}

}  // namespace s3attn

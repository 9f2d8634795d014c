#include "engine/searcher.h"

#include <algorithm>
#include <vector>

#include "adapter/encoder.h"
#include "base/timing.h"
#include "engine/attention.h"
#include "engine/explain.h"
#include "model/finite_rows.h"
#include "retrieve/evidence.h"
#include "retrieve/rank.h"
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

}  // namespace

Result<QueryCodes> Searcher::encode_question(const Tokens& tokens, Scoring scoring) const {
    // Raw query rows of each adapter head, gathered over the windows of the question.
    const auto n = static_cast<uint32_t>(tokens.ids.size());
    const uint32_t d = adapter.d_head;
    std::vector<std::vector<float>> rows(adapter.heads.size());
    for (auto& head_rows : rows) head_rows.resize(size_t{n} * d);
    const std::vector<uint32_t> layers = adapter.query_layers();
    for (uint32_t begin = 0; begin < n; begin += scanner.chunk_tokens()) {
        const uint32_t count = std::min(scanner.chunk_tokens(), n - begin);
        const auto gather = [&](const ProjectionView& queries) -> Status {
            for (size_t j = 0; j < adapter.heads.size(); ++j) {
                if (adapter.heads[j].layer != queries.layer) continue;
                S3ATTN_CHECK(check_finite(queries, adapter.heads[j].query_head));
                for (uint32_t t = 0; t < queries.n_tokens; ++t) {
                    const float* row = queries.data + t * queries.token_stride +
                                       adapter.heads[j].query_head * queries.head_stride;
                    std::copy(row, row + d, rows[j].begin() + size_t{begin + t} * d);
                }
            }
            return {};
        };
        S3ATTN_CHECK(scanner.capture({tokens.ids.data() + begin, count}, layers, Projection::kQuery,
                                     gather));
    }
    QueryCodes codes;
    codes.n_tokens = n;
    codes.latents = adapter.latents;
    codes.heads.resize(adapter.heads.size());
    for (uint32_t j = 0; j < adapter.heads.size(); ++j) {
        const RowsView view{rows[j].data(), n, d, d};
        if (scoring != Scoring::kAttention) {
            encode_queries_eq7(adapter, j, view, codes);
        } else {
            encode_queries(adapter, j, view, codes);
        }
    }
    return codes;
}

Result<Searcher::Ranking> Searcher::rank_once(const std::string& question,
                                              const SearchOptions& options) const {
    Ranking ranking;
    S3ATTN_TRY(ranking.tokens, scanner.tokenizer().tokenize(question));
    if (ranking.tokens.ids.size() > kMaxQuestionTokens) {
        return make_error(ErrorCode::kInvalidArgument, reason::kQuestionLong, "question",
                          "the question has " + std::to_string(ranking.tokens.ids.size()) +
                              " tokens and at most " + std::to_string(kMaxQuestionTokens) +
                              " can be read: shorten it");
    }
    const bool words_only = options.method == Method::kBm25;
    if (!words_only) {
        const Stopwatch query_watch;
        S3ATTN_TRY(ranking.codes, encode_question(ranking.tokens, options.scoring));
        ranking.timings_ms["question"] = query_watch.milliseconds();
        const Stopwatch score_watch;
        const ScoreOptions how{threads, options.max_features, nullptr, cache};
        auto scored =
            options.scoring == Scoring::kAttention
                ? score_attention(store, ranking.codes, how)
                : score_eq7(store, ranking.codes, threads, options.scoring == Scoring::kEq7);
        S3ATTN_TRY(ranking.scores, std::move(scored));
        ranking.timings_ms["score"] = score_watch.milliseconds();
    }
    const Stopwatch rank_watch;
    RankOptions how;
    how.method = options.method;
    how.s3_weight = adapter.hybrid_s3_weight;
    S3ATTN_TRY(ranking.units,
               rank_units(store, words_only ? nullptr : &ranking.scores, question, how));
    ranking.timings_ms["rank"] = rank_watch.milliseconds();
    return ranking;
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
        return make_error(
            ErrorCode::kInvalidArgument, reason::kStoreEmpty, {},
            "the store holds no documents: add some with `s3attn index STORE FILE...`");
    }
    S3ATTN_TRY(const Ranking ranking, rank(question, options));
    result.question_tokens = static_cast<uint32_t>(ranking.tokens.ids.size());
    result.postings = ranking.scores.postings;
    result.postings_read = ranking.scores.postings_read;
    result.timings_ms = ranking.timings_ms;

    const S3Scores* s3 = options.method == Method::kBm25 ? nullptr : &ranking.scores;
    S3ATTN_TRY(const Evidence evidence,
               assess_evidence(store, s3, question, adapter.evidence_floor));
    result.evidence_found = evidence.found;
    result.evidence_score = evidence.score;
    result.evidence_floor = evidence.floor;

    const Stopwatch select_watch;
    SelectOptions select;
    select.budget_tokens = options.budget_tokens;
    select.max_spans = options.max_spans;
    select.count_tokens = count_tokens;
    S3ATTN_TRY(result.spans, select_spans(store, ranking.units, select));
    result.timings_ms["select"] = select_watch.milliseconds();
    for (const Span& span : result.spans) result.used_tokens += span.tokens;
    result.timings_ms["total"] = total.milliseconds();
    if (options.explain) {
        result.explain = explain_search({scanner.tokenizer(), adapter, question, ranking.tokens,
                                         ranking.codes, ranking.units, evidence, result});
    }
    if (options.attention) {
        S3ATTN_TRY(result.attention,
                   describe_attention({scanner.tokenizer(), adapter, store, ranking.tokens,
                                       ranking.codes, ranking.scores, ranking.units, result}));
    }
    return result;
}

}  // namespace s3attn

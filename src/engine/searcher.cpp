#include "engine/searcher.h"

#include <algorithm>
#include <vector>

#include "adapter/encoder.h"
#include "base/timing.h"
#include "engine/attention.h"
#include "engine/explain.h"
#include "retrieve/evidence.h"
#include "retrieve/rank.h"
#include "retrieve/select.h"

namespace s3attn {
namespace {

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

Status check_question(const std::string& question, const SearchOptions& options) {
    if (is_blank(question)) {
        return make_error(ErrorCode::kInvalidArgument, "the question is empty");
    }
    if (options.budget_tokens == 0) {
        return make_error(ErrorCode::kInvalidArgument,
                          "a budget of 0 tokens holds no evidence: pass --budget 1 or more");
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
        if (scoring == Scoring::kEq7) {
            encode_queries_eq7(adapter, j, view, codes);
        } else {
            encode_queries(adapter, j, view, codes);
        }
    }
    return codes;
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
            ErrorCode::kInvalidArgument,
            "the store holds no documents: add some with `s3attn index STORE FILE...`");
    }

    S3ATTN_TRY(const Tokens tokens, scanner.tokenizer().tokenize(question));
    result.question_tokens = static_cast<uint32_t>(tokens.ids.size());
    if (result.question_tokens > kMaxQuestionTokens) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the question has " + std::to_string(result.question_tokens) +
                              " tokens and at most " + std::to_string(kMaxQuestionTokens) +
                              " can be read: shorten it");
    }
    S3Scores scores;
    QueryCodes codes;
    if (options.method != Method::kBm25) {
        const Stopwatch query_watch;
        S3ATTN_TRY(codes, encode_question(tokens, options.scoring));
        result.timings_ms["question"] = query_watch.milliseconds();
        const Stopwatch score_watch;
        const ScoreOptions how{threads, options.max_features, nullptr, cache};
        auto scored = options.scoring == Scoring::kEq7 ? score_eq7(store, codes, threads)
                                                       : score_attention(store, codes, how);
        S3ATTN_TRY(scores, std::move(scored));
        result.postings = scores.postings;
        result.postings_read = scores.postings_read;
        result.timings_ms["score"] = score_watch.milliseconds();
    }
    const Stopwatch rank_watch;
    RankOptions rank;
    rank.method = options.method;
    rank.s3_weight = adapter.hybrid_s3_weight;
    const S3Scores* s3 = options.method == Method::kBm25 ? nullptr : &scores;
    S3ATTN_TRY(const std::vector<ScoredUnit> ranked, rank_units(store, s3, question, rank));
    result.timings_ms["rank"] = rank_watch.milliseconds();

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
    S3ATTN_TRY(result.spans, select_spans(store, ranked, select));
    result.timings_ms["select"] = select_watch.milliseconds();
    for (const Span& span : result.spans) result.used_tokens += span.tokens;
    result.timings_ms["total"] = total.milliseconds();
    if (options.explain) {
        result.explain = explain_search(
            {scanner.tokenizer(), adapter, question, tokens, codes, ranked, evidence, result});
    }
    if (options.attention) {
        S3ATTN_TRY(result.attention,
                   describe_attention({scanner.tokenizer(), adapter, store, tokens, codes, scores,
                                       ranked, result}));
    }
    return result;
}

}  // namespace s3attn

#include "engine/attention_voice.h"

#include <algorithm>

#include "base/timing.h"

namespace s3attn {
namespace {

// Sums over the lanes of all blocks of the question.
struct BlockSums {
    std::vector<double> mass, cosine;

    void add(const S3Scores& scores) {
        if (mass.empty()) {
            mass = scores.mass;
            cosine = scores.cosine;
            return;
        }
        for (size_t u = 0; u < mass.size(); ++u) mass[u] += scores.mass[u];
        for (size_t u = 0; u < cosine.size(); ++u) cosine[u] += scores.cosine[u];
    }
};

}  // namespace

const std::string& AttentionVoice::name() const {
    static const std::string kName = "s3";
    return kName;
}

Result<VoiceScores> AttentionVoice::score(const VoiceRequest& request) const {
    VoiceScores out;
    const Stopwatch question_watch;
    auto trace = std::make_shared<AttentionTrace>();
    S3ATTN_TRY(trace->tokens, question_tokens(scanner_.tokenizer(), request.question));
    S3ATTN_TRY(trace->codes,
               QuestionCodes::make(scanner_, adapter_, trace->tokens, scoring_, request.cancel));
    out.timings_ms["question"] = question_watch.milliseconds();
    const Stopwatch score_watch;
    ScoreOptions how;
    how.threads = threads_;
    how.max_features = max_features_;
    how.cache = cache_;
    how.filter = &request.filter;
    how.cancel = request.cancel;
    const bool eq7 = scoring_ != Scoring::kAttention;
    BlockSums sums;
    for (uint32_t b = 0; b < trace->codes.n_blocks(); ++b) {
        const QueryCodes codes = trace->codes.block(b);
        S3ATTN_TRY(S3Scores scores,
                   eq7 ? score_eq7(request.store, codes, how, scoring_ == Scoring::kEq7)
                       : score_attention(request.store, codes, how));
        sums.add(scores);
        out.postings = scores.postings;
        out.postings_read += scores.postings_read;
        if (!eq7) trace->log_total.push_back(std::move(scores.log_total));
    }
    if (!eq7 && !sums.cosine.empty()) {
        out.cosine = *std::max_element(sums.cosine.begin(), sums.cosine.end());
    }
    const auto add = [&](UnitNumber unit) { out.units.push_back({unit, sums.mass[unit]}); };
    if (request.filter.all()) {
        for (UnitNumber u = 0; u < sums.mass.size(); ++u) add(u);
    } else {
        for (const UnitNumber u : request.filter.allowed()) add(u);
    }
    sort_best_first(out.units);
    out.trace = std::move(trace);
    out.timings_ms["score"] = score_watch.milliseconds();
    return out;
}

}  // namespace s3attn

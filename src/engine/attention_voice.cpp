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

// Passage by passage, so that a passage's tokens do not depend on its neighbours; of the first one
// as much as fits.
Result<std::vector<int32_t>> AttentionVoice::tokens_before(size_t question_tokens) const {
    std::vector<int32_t> ids;
    const size_t window = scanner_.chunk_tokens();
    const size_t room = window > question_tokens ? window - question_tokens : 0;
    for (const std::string& passage : before_) {
        S3ATTN_TRY(Tokens tokens, scanner_.tokenizer().tokenize(passage + "\n\n"));
        if (ids.empty() && tokens.ids.size() > room) tokens.ids.resize(room);
        if (ids.size() + tokens.ids.size() > room) break;
        ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
    }
    return ids;
}

Result<VoiceScores> AttentionVoice::score(const VoiceRequest& request) const {
    VoiceScores out;
    const Stopwatch question_watch;
    auto trace = std::make_shared<AttentionTrace>();
    S3ATTN_TRY(trace->tokens, question_tokens(scanner_.tokenizer(), request.question));
    S3ATTN_TRY(const std::vector<int32_t> before, tokens_before(trace->tokens.ids.size()));
    S3ATTN_TRY(trace->codes, QuestionCodes::make(scanner_, adapter_, trace->tokens, scoring_,
                                                 request.cancel, before));
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

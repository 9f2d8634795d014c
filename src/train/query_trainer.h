// The query side: per head a map, bias, temperature and token weights, and the mixture of heads,
// trained contrastively so that a question's attention falls on its paragraph. Keys stay as they
// are, so an index need not be rebuilt when the query side changes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "train/scoring.h"

namespace s3attn {

// The loss of one batch: mean over questions of -log(mixture's probability of the gold paragraph
// among `units`), plus `regulariser` * sum_j |M_j - I|^2. gold_at[q]: where in `units` the gold
// paragraph of questions[q] stands. Gradients (same shapes as params; log_temperature and
// mixture_logit hold theirs) are written, not added.
struct ContrastiveBatch {
    std::vector<uint32_t> questions, units, gold_at;
};
double contrastive_loss(const RetrievalSet& set, std::span<const QueryHeadParams> params,
                        const ContrastiveBatch& batch, double regulariser, ThreadPool& pool,
                        std::vector<QueryHeadParams>* gradient);

struct QueryTrainOptions {
    uint32_t steps = 500, batch = 48, batch_units = 160;
    float rate = 1e-3f;
    uint32_t warm_up = 30;
    double regulariser = 1e-3;
    uint32_t check_every = 100;  // held-out recall; the best state is kept
    uint64_t seed = 1;
    // Per question of the set: paragraphs that a batch with it should hold too, `hard_per_question`
    // of them at random. Empty: none.
    std::vector<std::vector<uint32_t>> hard;
    uint32_t hard_per_question = 2;
};
struct QueryTrainResult {
    std::vector<QueryHeadParams> params;
    double first_loss = 0, last_loss = 0;            // means over the first and last 20 steps
    double held_out_before = 0, held_out_after = 0;  // mean of R@5/10/20
    uint32_t best_step = 0;
};
// Each question of `set` has exactly one gold paragraph. Questions [begin, end) of `held_out`
// judge.
Result<QueryTrainResult> train_queries(const RetrievalSet& set, const RetrievalSet& held_out,
                                       uint32_t begin, uint32_t end,
                                       const QueryTrainOptions& options, ThreadPool& pool,
                                       const std::function<void(uint32_t, uint32_t)>& on_step,
                                       const CancelToken& cancel);

}  // namespace s3attn

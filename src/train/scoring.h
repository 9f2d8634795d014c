// Ranks paragraphs for questions as the index will (docs/retrieval.md), from keys in memory.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/parallel.h"
#include "train/kernels.h"
#include "train/rows.h"

namespace s3attn {

// What is learned per query head; the defaults of a fresh one are the untrained method.
struct QueryHeadParams {
    std::vector<float> map;              // [d][d], out = map * in
    std::vector<float> bias;             // [d]
    std::vector<float> token_weight;     // [d]
    float log_temperature = 2.7725887f;  // ln 16
    float mixture_logit = 0;
};
QueryHeadParams identity_params(uint32_t d);

// Questions and paragraphs of one experiment. Keys are unit rows (exact or rebuilt from codes),
// queries are unit(q - mean_q).
struct RetrievalSet {
    uint32_t d = 0;
    std::vector<TokenSpan> units;             // rows of `keys` of each paragraph
    std::vector<TokenSpan> questions;         // rows of `queries` of each question
    std::vector<std::vector<uint32_t>> gold;  // paragraphs that answer each question
    std::vector<HalfRows> keys;               // per slot
    struct Head {
        uint32_t slot = 0;
        std::vector<float> queries;
    };
    std::vector<Head> heads;
};

// unit(M x + b) of `n` rows.
void map_queries(const QueryHeadParams& params, uint32_t d, const float* x, size_t n, float* out);
std::vector<float> mixture_of(std::span<const QueryHeadParams> params);  // softmax of the logits
// exp(u . x_i), normalised over the rows of one question.
void token_shares(const QueryHeadParams& params, uint32_t d, const float* x, size_t n, float* out);

// mass: the score of each unit; cosine: each unit's weighted mean of best cosines (the evidence
// signal before the softmax).
using OnQuestion = std::function<void(uint32_t question, std::span<const float> mass,
                                      std::span<const float> cosine)>;
// Questions [begin, end), in order.
void score_questions(const RetrievalSet& set, std::span<const QueryHeadParams> params,
                     uint32_t begin, uint32_t end, ThreadPool& pool, const OnQuestion& on_question);

struct Recall {
    double at_5 = 0, at_10 = 0, at_20 = 0;
    uint32_t questions = 0;
    double mean() const { return (at_5 + at_10 + at_20) / 3; }
};
// Adds one question; ties count against us.
void add_recall(std::span<const float> mass, std::span<const uint32_t> gold, Recall& sums);
Recall finished(Recall sums);  // sums / questions
Recall recall_of(const RetrievalSet& set, std::span<const QueryHeadParams> params, uint32_t begin,
                 uint32_t end, ThreadPool& pool);

}  // namespace s3attn

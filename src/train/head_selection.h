// Which heads retrieve: every (layer, query head) ranks paragraphs for cloze sentences, alone.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "s3attn/trainer.h"
#include "train/capture.h"

namespace s3attn {

struct SelectionInput {
    const TokenText* paragraphs = nullptr;  // span i answers question i
    const TokenText* questions = nullptr;   // as many as paragraphs, or fewer
    const RowStore* keys = nullptr;
    const RowStore* queries = nullptr;
    uint32_t n_head = 0, n_head_kv = 0;
};
// Scores of one head: [question][paragraph], for the first questions that every head answers.
using HeadMasses = std::map<HeadKey, std::vector<float>>;
struct Selection {
    std::vector<HeadReport> ranking;  // best first
    std::vector<DeadHead> dead;       // constant or not finite: cannot be used
    uint32_t paragraphs = 0, questions = 0;
    HeadMasses masses;                       // empty unless asked for
    std::vector<StopLayerReport> trade_off;  // ascending layers; see head_plan.h
};
void sort_best_first(std::vector<HeadReport>& ranking);

// All heads are judged on `first_questions` of the questions, the best `finalists` on all of them.
using OnHead = std::function<void(uint64_t done, uint64_t total)>;
Result<Selection> rank_heads(const SelectionInput& input, uint32_t first_questions,
                             uint32_t finalists, ThreadPool& pool, const OnHead& on_head,
                             const CancelToken& cancel);

// Root mean square per dimension of the rows' mean and of the rows about it.
struct RowScale {
    double mean = 0, spread = 0;
};
RowScale row_scale(const HalfRows& rows);
// Why rows cannot be a retrieval head's, with those figures, or empty.
std::string row_problem(const HalfRows& rows);
// kUnsupported, with the numbers, when the best head does no better than chance.
Status check_better_than_chance(const Selection& selection);
// The first lines of the ranking, for messages.
std::string ranking_table(const std::vector<HeadReport>& ranking, size_t lines);

}  // namespace s3attn

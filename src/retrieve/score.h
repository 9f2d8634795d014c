// From a question's feature weights to how much attention each unit gets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/codes.h"
#include "retrieve/voice.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

class ScanCache;
struct FeatureChoice;

// Raw evidence signal, before the softmax makes everything relative: the best unit's
// sum_j alpha_j sum_i u_ij max_t (w_ij . z_t), a weighted mean cosine in [-1, 1].
//
// A unit's mass: sum_j alpha_j sum_i u_ij softmax_P(T_j max_{t in P} w_ij . z_t), so all units'
// masses sum to 1 (docs/retrieval.md). With a filter P runs over the units it allows.
struct S3Scores {
    std::vector<double> mass;    // by unit number; 0 where the filter does not allow the unit
    std::vector<double> cosine;  // likewise: the weighted mean cosine; empty when not calibrated
    double best_cosine = 0;      // max over the allowed units of that
    bool calibrated = true;      // false: Eq. 7, which has no cosine to hold against a floor
    // Per lane, [head][question token]: log of what its softmax divides by, so that a unit's share
    // of the lane is exp(T_j max_t (w_ij . z_t) - log_total). Empty when not calibrated.
    std::vector<double> log_total;
    uint64_t postings = 0;       // of all heads' lists, in the blocks with live tokens
    uint64_t postings_read = 0;  // of these, each counted once
};

struct ScoreOptions {
    uint32_t threads = 0;       // 0: all
    uint32_t max_features = 0;  // read only a lane's best features (feature_choice.h); 0: all
    const FeatureChoice* choice = nullptr;  // a choice already made; max_features is not used then
    ScanCache* cache = nullptr;
    const Filter* filter = nullptr;       // null: all units
    const CancelToken* cancel = nullptr;  // kCancelled soon after it fires
    // Not null: also every unit's best w_ij . z_t per lane, [unit of the scan][head][question
    // token]; units of the scan are those that the filter allows. O(units x lanes) more memory.
    std::vector<float>* lane_scores = nullptr;
};

// Exact for the weights it uses: all of the query's, or with max_features those of the chosen
// features, whose lists alone are read then (a list once, whatever the number of lanes that want
// it). Memory is O(units x question tokens of one slot's heads), never O(tokens). Deterministic for
// any thread count. kInvalidArgument or kMismatch for codes that do not fit the store; an empty
// store, or a filter that allows nothing, has no scores. With a cache, blocks of the last questions
// to the same store are not decoded again (when all features are read). With a filter the scores
// are bit for bit those of a store of the allowed documents alone, but with max_features: which
// features weigh most is seen from the whole store.
Result<S3Scores> score_attention(const StoreReader& store, const QueryCodes& query,
                                 const ScoreOptions& options);
Result<S3Scores> score_attention(const StoreReader& store, const QueryCodes& query,
                                 uint32_t threads, ScanCache* cache = nullptr);
// The paper's Eq. 7: S[t] = sum_f 1[t in L[f]] w_f IDF(f), IDF = 1 / (log(1 + freq) + 1); a unit
// scores its mean S over tokens. Without `idf` that factor is 1.
Result<S3Scores> score_eq7(const StoreReader& store, const QueryCodes& query,
                           const ScoreOptions& options, bool idf = true);
// The exhaustive twin of score_attention: plain loops, double precision. For tests.
Result<S3Scores> score_attention_reference(const StoreReader& store, const QueryCodes& query);

}  // namespace s3attn

// Fits how an adapter's hybrid weighs its voices for each question, without labels.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "json/result_json.h"
#include "s3attn/engine.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn::cli {

struct FusionFit {
    FusionModel model;
    uint32_t questions = 0, passages = 0;
    // Mean of 1 / log2(1 + rank of the passage that a sentence was cut from): by words alone, by
    // attention alone, with the adapter's one weight, and with the model.
    double words = 0, attention = 0, fixed = 0, fitted = 0;
    double mean_share = 0;  // of attention
};

// Sentences of `corpus` ask for the passages that they were cut from, in a store of them made for
// the purpose with `engine`'s model and adapter. `adapter`: for the weight to compare with.
Result<FusionFit> fit_fusion(const EngineOptions& engine, const Adapter& adapter,
                             const std::vector<std::string>& corpus, uint32_t questions,
                             uint64_t seed, ProgressSink& sink, const CancelToken& cancel);

apps::Json to_json(const FusionFit& fit);
// `out` is where the adapter lies.
void print_report(const FusionFit& fit, const std::string& out);

}  // namespace s3attn::cli

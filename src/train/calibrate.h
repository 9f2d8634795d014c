// What the finished adapter does on cloze questions it was not trained on: recall with codes, and
// the floor under which a best match is no evidence.
#pragma once

#include <cstdint>
#include <vector>

#include "train/scoring.h"

namespace s3attn {

struct Calibration {
    Recall recall;
    double evidence_floor = 0;
    double rejected_present = 0, rejected_absent = 0;  // share of questions below the floor
    // Best weighted mean cosine over all paragraphs, and over all but the question's own;
    // quantiles 0, .01, .02, .05, .25, .5, .75, .95, 1.
    std::vector<double> present, absent;
};

Calibration calibrate(const RetrievalSet& set, std::span<const QueryHeadParams> params,
                      uint32_t begin, uint32_t end, ThreadPool& pool);

// Linear interpolation between order statistics; values ascending, not empty.
double quantile(const std::vector<double>& ascending, double q);

}  // namespace s3attn

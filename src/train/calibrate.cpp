#include "train/calibrate.h"

#include <algorithm>
#include <cmath>

namespace s3attn {
namespace {

constexpr double kFloorQuantile = 0.02;
constexpr double kReported[] = {0, 0.01, 0.02, 0.05, 0.25, 0.5, 0.75, 0.95, 1};

double share_below(const std::vector<double>& ascending, double value) {
    const auto it = std::lower_bound(ascending.begin(), ascending.end(), value);
    return static_cast<double>(it - ascending.begin()) / static_cast<double>(ascending.size());
}

}  // namespace

double quantile(const std::vector<double>& ascending, double q) {
    const double at = q * static_cast<double>(ascending.size() - 1);
    const size_t low = static_cast<size_t>(std::floor(at));
    const size_t high = std::min(low + 1, ascending.size() - 1);
    const double part = at - static_cast<double>(low);
    return ascending[low] * (1 - part) + ascending[high] * part;
}

Calibration calibrate(const RetrievalSet& set, std::span<const QueryHeadParams> params,
                      uint32_t begin, uint32_t end, ThreadPool& pool) {
    Calibration result;
    if (begin == end) return result;
    Recall sums;
    std::vector<double> present, absent;
    score_questions(set, params, begin, end, pool,
                    [&](uint32_t q, std::span<const float> mass, std::span<const float> cosine) {
                        add_recall(mass, set.gold[q], sums);
                        double with = -1, without = -1;
                        for (size_t p = 0; p < cosine.size(); ++p) {
                            with = std::max<double>(with, cosine[p]);
                            const auto& gold = set.gold[q];
                            if (std::find(gold.begin(), gold.end(), p) == gold.end()) {
                                without = std::max<double>(without, cosine[p]);
                            }
                        }
                        present.push_back(with);
                        absent.push_back(without);
                    });
    std::sort(present.begin(), present.end());
    std::sort(absent.begin(), absent.end());
    result.recall = finished(sums);
    result.evidence_floor = quantile(present, kFloorQuantile);
    result.rejected_present = share_below(present, result.evidence_floor);
    result.rejected_absent = share_below(absent, result.evidence_floor);
    for (double q : kReported) {
        result.present.push_back(quantile(present, q));
        result.absent.push_back(quantile(absent, q));
    }
    return result;
}

}  // namespace s3attn

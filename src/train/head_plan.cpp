#include "train/head_plan.h"

#include "train/kernels.h"
#include "train/scoring.h"

namespace s3attn {
namespace {

double mean_recall(const StopLayerReport& r) {
    return (r.recall_at_5 + r.recall_at_10 + r.recall_at_20) / 3;
}

Recall joint_recall(const Selection& selection, const std::vector<HeadId>& heads) {
    std::vector<float> total;
    for (const HeadId& head : heads) {
        const std::vector<float>& mass = selection.masses.at({head.layer, head.query_head});
        total.resize(mass.size(), 0.0f);
        kernels().add_scaled(1.0f, mass.data(), total.data(), static_cast<uint32_t>(mass.size()));
    }
    Recall sums;
    const size_t n = selection.paragraphs;
    for (uint32_t q = 0; n > 0 && (q + 1) * n <= total.size(); ++q) {
        add_recall(std::span(total).subspan(q * n, n), std::span(&q, 1), sums);
    }
    return finished(sums);
}

}  // namespace

std::vector<HeadId> best_heads(const std::vector<HeadReport>& ranking, uint32_t layer, uint32_t n) {
    std::vector<HeadId> heads;
    for (const HeadReport& report : ranking) {
        if (heads.size() < n && report.head.layer <= layer) heads.push_back(report.head);
    }
    return heads;
}

void add_trade_off(Selection& selection, uint32_t first, uint32_t last, uint32_t n_heads,
                   uint32_t n_layer) {
    for (uint32_t layer = first; layer <= last; ++layer) {
        const std::vector<HeadId> heads = best_heads(selection.ranking, layer, n_heads);
        if (heads.empty()) continue;
        const Recall recall = joint_recall(selection, heads);
        selection.trade_off.push_back({layer, heads, recall.at_5, recall.at_10, recall.at_20,
                                       static_cast<double>(layer + 1) / n_layer});
    }
    HeadMasses kept;
    for (const HeadId& head : best_heads(selection.ranking, last, n_heads)) {
        kept.insert(selection.masses.extract(HeadKey{head.layer, head.query_head}));
    }
    selection.masses = std::move(kept);
}

uint32_t best_layer_per_cost(const std::vector<StopLayerReport>& trade_off) {
    uint32_t best = 0;
    double most = -1;
    for (const StopLayerReport& stop : trade_off) {
        const double value = mean_recall(stop) / (stop.layer + 1);
        if (value > most) best = stop.layer;
        most = std::max(most, value);
    }
    return best;
}

}  // namespace s3attn

// From a ranking of single heads to the heads to use: what the best few do together, by the layer
// at which a scan would stop.
#pragma once

#include <cstdint>
#include <vector>

#include "train/head_selection.h"

namespace s3attn {

// The best `n` heads of the ranking at `layer` or below, best first.
std::vector<HeadId> best_heads(const std::vector<HeadReport>& ranking, uint32_t layer, uint32_t n);

// Adds an entry to selection.trade_off for each layer in [first, last]: the recall of the sum of
// its best heads' scores. Masses of heads that no later layer can want are dropped.
void add_trade_off(Selection& selection, uint32_t first, uint32_t last, uint32_t n_heads,
                   uint32_t n_layer);

// The layer with the best mean recall for each layer scanned; the shallower among equals.
uint32_t best_layer_per_cost(const std::vector<StopLayerReport>& trade_off);

}  // namespace s3attn

// A picture of the ranking: recall of every head, layers by heads.
#pragma once

#include <string>
#include <vector>

#include "s3attn/trainer.h"

namespace s3attn {

// A standalone SVG document. Colour is R@10 from 0 to the best head's; chosen heads have a frame,
// heads that cannot be used a cross. Rows are the layers that were looked at.
std::string heads_svg(const std::string& model, const std::vector<HeadReport>& ranking,
                      const std::vector<DeadHead>& dead, const std::vector<HeadId>& chosen);

}  // namespace s3attn

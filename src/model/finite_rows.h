// Keys and queries that are no numbers must not pass for text without a direction: a document
// would be indexed and never found.
#pragma once

#include <string>

#include "model/language_model.h"

namespace s3attn {

// What to say where rows of `layer`, `head` hold NaN or infinity.
inline Error not_finite(Projection projection, uint32_t layer, uint32_t head) {
    return {ErrorCode::kUnsupported,
            "the model's " +
                std::string(projection == Projection::kKey ? "keys" : "queries of this text") +
                " in layer " + std::to_string(layer) + ", head " + std::to_string(head) +
                " are not finite; if it ran on a card, whose 16-bit products can overflow, run "
                "it on the processor instead; else the model's file may be damaged"};
}

// One head's rows in host memory. kUnsupported, as above, where one is not finite.
inline Status check_finite(const ProjectionView& view, uint32_t head) {
    float sum = 0;  // stays 0 unless there is a NaN or an infinity: x - x is NaN for both
    for (uint32_t t = 0; t < view.n_tokens; ++t) {
        const float* row = view.data + t * view.token_stride + head * view.head_stride;
        for (uint32_t i = 0; i < view.d_head; ++i) sum += row[i] - row[i];
    }
    if (sum == 0) return {};
    return not_finite(view.projection, view.layer, head);
}

}  // namespace s3attn

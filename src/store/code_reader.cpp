#include "store/code_reader.h"

#include <algorithm>
#include <string>

namespace s3attn {

Status CodeReader::load_block(uint64_t position) {
    block_begin_.reset();
    auto segment = std::upper_bound(segments_.begin(), segments_.end(), position,
                                    [](uint64_t p, const auto& s) { return p < s->base(); });
    if (segment == segments_.begin() ||
        position - (*(segment - 1))->base() >= (*(segment - 1))->n_tokens()) {
        return make_error(ErrorCode::kCorrupt,
                          "no segment holds token position " + std::to_string(position));
    }
    const Segment& s = **(segment - 1);
    const auto block = static_cast<uint32_t>((position - s.base()) / kBlockTokens);
    const uint64_t first = static_cast<uint64_t>(block) * kBlockTokens;
    block_.n_tokens = static_cast<uint32_t>(std::min<uint64_t>(kBlockTokens, s.n_tokens() - first));
    block_.n_slots = shape_.n_slots;
    block_.k = shape_.k;
    block_.feature.assign(size_t{block_.n_tokens} * shape_.n_slots * shape_.k, 0);
    block_.activation.assign(block_.feature.size(), 0);
    std::vector<uint32_t> used(block_.n_tokens);
    for (uint32_t slot = 0; slot < shape_.n_slots; ++slot) {
        S3ATTN_TRY(const BlockView view, s.read_block(slot, block, scratch_));
        std::fill(used.begin(), used.end(), 0u);
        for (uint32_t f = 0; f < shape_.latents; ++f) {
            for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                const uint32_t token = view.position[i];
                if (token >= block_.n_tokens || used[token] == shape_.k) {
                    return make_error(ErrorCode::kCorrupt,
                                      "token position " + std::to_string(s.base() + first + token) +
                                          " has more than k features in slot " +
                                          std::to_string(slot));
                }
                const size_t at =
                    (size_t{token} * shape_.n_slots + slot) * shape_.k + used[token]++;
                block_.feature[at] = static_cast<uint16_t>(f);
                block_.activation[at] = view.activation[i];
            }
        }
    }
    block_begin_ = s.base() + first;
    return {};
}

Status CodeReader::read(uint64_t begin, uint32_t n_tokens, CodeBatch& codes) {
    codes.clear();
    codes.n_slots = shape_.n_slots;
    codes.k = shape_.k;
    const size_t per_token = size_t{shape_.n_slots} * shape_.k;
    while (codes.n_tokens < n_tokens) {
        const uint64_t position = begin + codes.n_tokens;
        if (!block_begin_.has_value() || position < *block_begin_ ||
            position - *block_begin_ >= block_.n_tokens) {
            S3ATTN_CHECK(load_block(position));
        }
        const auto from = static_cast<uint32_t>(position - *block_begin_);
        const uint32_t n = std::min(n_tokens - codes.n_tokens, block_.n_tokens - from);
        const auto first = static_cast<ptrdiff_t>(from * per_token);
        const auto last = static_cast<ptrdiff_t>((from + n) * per_token);
        codes.feature.insert(codes.feature.end(), block_.feature.begin() + first,
                             block_.feature.begin() + last);
        codes.activation.insert(codes.activation.end(), block_.activation.begin() + first,
                                block_.activation.begin() + last);
        codes.n_tokens += n;
    }
    return {};
}

}  // namespace s3attn

#include "adapter/silent_slot.h"

#include <algorithm>

namespace s3attn {
namespace {

constexpr uint32_t kTail = 4;  // tokens; one alone may lie where no latent is positive

bool silent(const CodeBatch& codes, uint32_t token, uint32_t slot) {
    const size_t begin = (size_t{token} * codes.n_slots + slot) * codes.k;
    const auto first = codes.activation.begin() + static_cast<ptrdiff_t>(begin);
    return std::all_of(first, first + codes.k, [](uint8_t byte) { return byte == 0; });
}

}  // namespace

std::optional<uint32_t> silent_slot(const CodeBatch& codes, uint32_t chunk_tokens) {
    for (uint32_t begin = 0; begin < codes.n_tokens; begin += chunk_tokens) {
        const uint32_t end = std::min(codes.n_tokens, begin + chunk_tokens);
        if (end - begin < kTail) break;
        for (uint32_t slot = 0; slot < codes.n_slots; ++slot) {
            uint32_t token = end - kTail;
            while (token < end && silent(codes, token, slot)) ++token;
            if (token == end) return slot;
        }
    }
    return std::nullopt;
}

}  // namespace s3attn

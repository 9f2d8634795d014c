#include "adapter/keep_heads.h"

#include <string>
#include <vector>

namespace s3attn {

Result<Adapter> keep_heads(const Adapter& adapter, uint32_t n) {
    if (n == 0 || n >= adapter.heads.size()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the adapter has " + std::to_string(adapter.heads.size()) +
                              " heads, of which " + std::to_string(n) +
                              " cannot be kept: name a number from 1 to one less");
    }
    Adapter small = adapter;
    small.heads.resize(n);
    small.slots.clear();
    constexpr uint32_t kUnread = UINT32_MAX;
    std::vector<uint32_t> place(adapter.slots.size(), kUnread);
    float sum = 0;
    for (const QueryHead& head : small.heads) {
        place[head.slot] = 0;
        sum += head.mixture;
    }
    for (size_t s = 0; s < adapter.slots.size(); ++s) {
        if (place[s] == kUnread) continue;
        place[s] = static_cast<uint32_t>(small.slots.size());
        small.slots.push_back(adapter.slots[s]);
    }
    for (QueryHead& head : small.heads) {
        head.slot = place[head.slot];
        head.mixture = sum > 0 ? head.mixture / sum : 1.0f / static_cast<float>(n);
    }
    round_to_stored_precision(small);
    if (const Status valid = validate_adapter(small); !valid.ok()) return valid.error();
    return small;
}

}  // namespace s3attn

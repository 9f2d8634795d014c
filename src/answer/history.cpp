#include "answer/history.h"

#include <algorithm>
#include <cmath>

namespace s3attn {
namespace {

// No tokenizer makes fewer tokens of a text than this: a turn of more bytes than the budget's
// tokens times it need not be looked at.
constexpr uint64_t kMostBytesPerToken = 64;

// Newest first, system messages before all others; whether each turn stays.
Result<std::vector<bool>> turns_within(const Reader& reader, const AskOptions& options) {
    const std::vector<ChatTurn>& history = options.history;
    std::vector<size_t> order;
    for (size_t i = history.size(); i-- > 0;) {
        if (history[i].role == "system") order.push_back(i);
    }
    const auto systems = static_cast<std::ptrdiff_t>(order.size());
    for (size_t i = history.size(); i-- > 0;) {
        if (history[i].role != "system") order.push_back(i);
    }
    std::vector<bool> kept(history.size(), false);
    uint64_t left = options.history_tokens;
    for (auto at = order.begin(); at != order.end(); ++at) {
        const std::string& text = history[*at].text;
        const bool hopeless = text.size() / kMostBytesPerToken > left;
        uint64_t tokens = left + 1;
        if (!hopeless) {
            S3ATTN_TRY(const uint32_t counted, reader.count(text));
            tokens = with_margin(reader, counted);
        }
        if (tokens > left) {
            if (at - order.begin() < systems) continue;
            break;  // what is older than a turn that is gone would hang in the air
        }
        left -= tokens;
        kept[*at] = true;
    }
    return kept;
}

}  // namespace

uint64_t with_margin(const Reader& reader, uint64_t tokens) {
    const double more = std::ceil(static_cast<double>(tokens) * reader.info().count_margin);
    return tokens + static_cast<uint64_t>(more);
}

Result<uint32_t> add_history(const Reader& reader, const AskOptions& options,
                             std::vector<ChatTurn>& messages) {
    if (options.history.empty()) return 0u;
    S3ATTN_TRY(const std::vector<bool> kept, turns_within(reader, options));
    std::vector<ChatTurn> history;
    for (size_t i = 0; i < kept.size(); ++i) {
        if (kept[i]) history.push_back(options.history[i]);
    }
    for (;;) {
        std::vector<ChatTurn> all = history;
        all.insert(all.end(), messages.begin(), messages.end());
        S3ATTN_TRY(const uint32_t tokens, reader.count_chat(all));
        const uint64_t need = with_margin(reader, tokens) + options.max_answer_tokens;
        if (history.empty() || need <= reader.info().window_tokens) {
            messages = std::move(all);
            return static_cast<uint32_t>(options.history.size() - history.size());
        }
        auto oldest = history.begin();
        if (oldest->role == "system" && history.size() > 1) ++oldest;
        history.erase(oldest);
    }
}

}  // namespace s3attn

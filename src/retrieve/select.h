// From ranked units to the spans of evidence that a token budget holds.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "retrieve/voice.h"
#include "s3attn/result.h"
#include "s3attn/types.h"
#include "store/store.h"

namespace s3attn {

struct SelectOptions {
    uint32_t budget_tokens = 1024;
    uint32_t max_spans = 0;  // 0: no cap
    // Tokens of a text for the reader; the budget counts these.
    std::function<Result<uint32_t>(std::string_view)> count_tokens;
    const CancelToken* cancel = nullptr;
};

struct Selection {
    std::vector<Span> spans;  // Span::scores is the caller's to fill
    std::vector<UnitNumber> units;
    uint32_t passed_over = 0, passed_over_tokens = 0;  // as in SearchResult
};

// Whole units by rank until the budget is full; a unit that no longer fits is passed over for the
// next that does; identical text is taken once. Span::tokens is what count_tokens said, so the sum
// over spans never exceeds the budget. Once evidence is in hand, units that the scanning model
// counted at more than twice the room left are passed over unread, and the search for more ends
// after 8 others in a row that do not fit. With none in hand it ends after the 64 best units:
// kInvalidArgument then names the tokens that the smallest of these needs.
Result<Selection> select_spans(const StoreReader& store, const std::vector<RankedUnit>& ranked,
                               const SelectOptions& options);

}  // namespace s3attn

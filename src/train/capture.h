// Keys and queries of many heads over a text, through the model seam.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/language_model.h"
#include "train/rows.h"

namespace s3attn {

struct HeadKey {
    uint32_t layer = 0, head = 0;  // KV head for keys, query head for queries
    auto operator<=>(const HeadKey&) const = default;
};
using RowStore = std::map<HeadKey, HalfRows>;

// Texts as tokens; span i is text i.
struct TokenText {
    std::vector<int32_t> ids;
    std::vector<TokenSpan> spans;
};
Result<TokenText> tokenize_texts(const Tokenizer& tokenizer, std::span<const std::string> texts);

using OnTokens = std::function<void(uint64_t done, uint64_t total)>;

// Appends the rows of `heads` for all tokens to `out`. kKey: the text is cut into chunks as an
// index does, paragraphs running on. kQuery: every span is a forward pass of its own, as a question
// is.
Status capture_rows(Scanner& scanner, const TokenText& text, std::span<const HeadKey> heads,
                    Projection projection, RowStore& out, const OnTokens& on_tokens,
                    const CancelToken& cancel);

}  // namespace s3attn

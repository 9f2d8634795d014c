#include "train/capture.h"

#include <algorithm>
#include <set>

namespace s3attn {
namespace {

std::vector<TokenSpan> passes_of(const TokenText& text, Projection projection, uint32_t chunk) {
    std::vector<TokenSpan> whole = text.spans;
    if (projection == Projection::kKey && !whole.empty()) {
        whole = {{text.spans.front().begin, text.spans.back().end}};
    }
    std::vector<TokenSpan> passes;
    for (const TokenSpan& span : whole) {
        for (uint32_t at = span.begin; at < span.end; at += chunk) {
            passes.push_back({at, std::min(span.end, at + chunk)});
        }
    }
    return passes;
}

}  // namespace

Result<TokenText> tokenize_texts(const Tokenizer& tokenizer, std::span<const std::string> texts) {
    TokenText out;
    for (const std::string& text : texts) {
        S3ATTN_TRY(const Tokens tokens, tokenizer.tokenize(text));
        const uint32_t begin = static_cast<uint32_t>(out.ids.size());
        out.ids.insert(out.ids.end(), tokens.ids.begin(), tokens.ids.end());
        out.spans.push_back({begin, static_cast<uint32_t>(out.ids.size())});
    }
    return out;
}

Status capture_rows(Scanner& scanner, const TokenText& text, std::span<const HeadKey> heads,
                    Projection projection, RowStore& out, const OnTokens& on_tokens,
                    const CancelToken& cancel) {
    std::set<uint32_t> distinct;
    for (const HeadKey& head : heads) {
        distinct.insert(head.layer);
        out.try_emplace(head, scanner.info().d_head);
    }
    const std::vector<uint32_t> layers(distinct.begin(), distinct.end());
    uint64_t done = 0;
    for (const TokenSpan& pass : passes_of(text, projection, scanner.chunk_tokens())) {
        if (cancel.cancelled()) {
            return make_error(ErrorCode::kCancelled, "training was cancelled; nothing was saved");
        }
        const auto sink = [&](const ProjectionView& view) -> Status {
            for (const HeadKey& head : heads) {
                if (head.layer != view.layer) continue;
                if (head.head >= view.n_heads || view.d_head != out.at(head).d()) {
                    return make_error(ErrorCode::kMismatch,
                                      "layer " + std::to_string(view.layer) + " has " +
                                          std::to_string(view.n_heads) + " heads of size " +
                                          std::to_string(view.d_head) + "; head " +
                                          std::to_string(head.head) + " was asked for");
                }
                out.at(head).append(view.data + head.head * view.head_stride, view.n_tokens,
                                    view.token_stride);
            }
            return {};
        };
        S3ATTN_CHECK(scanner.capture(std::span(text.ids).subspan(pass.begin, pass.size()), layers,
                                     projection, sink));
        done += pass.size();
        if (on_tokens) on_tokens(done, text.ids.size());
    }
    return {};
}

}  // namespace s3attn

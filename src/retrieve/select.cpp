#include "retrieve/select.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "s3attn/reason.h"

namespace s3attn {
namespace {

// With evidence in hand, so many units in a row that were counted and do not fit end the search:
// the budget is all but full, and each further unit costs a read and a tokenizer pass.
constexpr uint32_t kPatience = 8;

// Whitespace runs as one space: the same paragraph wrapped at another width is the same text.
std::string normalised(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool space =
            c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
        if (!space) {
            out.push_back(c);
        } else if (!out.empty() && out.back() != ' ') {
            out.push_back(' ');
        }
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

Span make_span(UnitRow row, const DocumentInfo& document, const ScoredUnit& scored,
               uint32_t tokens) {
    Span span;
    span.doc_id = row.doc_id;
    span.path = document.path;
    span.offsets = document.offsets;
    span.byte_begin = row.byte_begin;
    span.byte_end = row.byte_end;
    span.line_begin = row.line_begin;
    span.line_end = row.line_end;
    span.page = row.page;
    span.text = std::move(row.text);
    span.score = scored.score;
    span.score_s3 = scored.s3;
    span.score_bm25 = scored.bm25;
    span.tokens = tokens;
    return span;
}

}  // namespace

Result<std::vector<Span>> select_spans(const StoreReader& store,
                                       const std::vector<ScoredUnit>& ranked,
                                       const SelectOptions& options) {
    if (options.budget_tokens == 0 || !options.count_tokens) {
        return make_error(ErrorCode::kInvalidArgument,
                          "a budget of 0 tokens holds no evidence: give a larger budget");
    }
    std::vector<Span> spans;
    std::unordered_set<std::string> taken;
    std::map<DocumentId, DocumentInfo> documents;
    std::unordered_map<UnitId, uint32_t> scanned;  // tokens as the scanning model counted them
    scanned.reserve(store.live_units().size());
    for (const UnitExtent& unit : store.live_units()) scanned[unit.unit_id] = unit.n_tokens;
    uint32_t left = options.budget_tokens, smallest = UINT32_MAX, misfits = 0;
    for (const ScoredUnit& scored : ranked) {
        if (options.max_spans > 0 && spans.size() >= options.max_spans) break;
        if (left == 0 || (!spans.empty() && misfits >= kPatience)) break;
        // Hopeless by the scanner's count, however the reader's differs: not worth reading.
        if (!spans.empty() && scanned[scored.unit_id] / 2 > left) continue;
        S3ATTN_TRY(UnitRow row, store.unit(scored.unit_id));
        std::string key = normalised(row.text);
        if (key.empty() || taken.contains(key)) continue;
        S3ATTN_TRY(const uint32_t tokens, options.count_tokens(row.text));
        if (tokens > left) {
            smallest = std::min(smallest, tokens);
            ++misfits;
            continue;
        }
        auto document = documents.find(row.doc_id);
        if (document == documents.end()) {
            S3ATTN_TRY(DocumentInfo info, store.document(row.doc_id));
            document = documents.emplace(row.doc_id, std::move(info)).first;
        }
        spans.push_back(make_span(std::move(row), document->second, scored, tokens));
        taken.insert(std::move(key));
        left -= tokens;
        misfits = 0;
    }
    if (spans.empty() && smallest != UINT32_MAX) {
        return make_error(ErrorCode::kInvalidArgument, reason::kBudgetSmall, "budget",
                          "no piece of evidence fits a budget of " +
                              std::to_string(options.budget_tokens) +
                              " tokens; the smallest candidate needs " + std::to_string(smallest) +
                              ": raise the budget");
    }
    return spans;
}

}  // namespace s3attn

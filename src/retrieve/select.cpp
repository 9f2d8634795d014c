#include "retrieve/select.h"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>
#include <utility>

#include "s3attn/reason.h"

namespace s3attn {
namespace {

// With evidence in hand, so many units in a row that were counted and do not fit end the search:
// the budget is all but full, and each further unit costs a read and a tokenizer pass.
constexpr uint32_t kPatience = 8;
// Without evidence: a budget that so many of the best units exceed is too small for this store.
constexpr uint32_t kMostMisfits = 64;

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

Span make_span(UnitRow row, const DocumentInfo& document, double score, uint32_t tokens) {
    Span span;
    span.unit_id = row.unit_id;
    span.doc_id = row.doc_id;
    span.path = document.path;
    span.offsets = document.offsets;
    span.byte_begin = row.byte_begin;
    span.byte_end = row.byte_end;
    span.line_begin = row.line_begin;
    span.line_end = row.line_end;
    span.page = row.page;
    span.heading = std::move(row.heading);
    span.columns = std::move(row.columns);
    span.time_begin_ms = row.time_begin_ms;
    span.time_end_ms = row.time_end_ms;
    span.text = std::move(row.text);
    span.score = score;
    span.tokens = tokens;
    return span;
}

}  // namespace

Result<Selection> select_spans(const StoreReader& store, const std::vector<RankedUnit>& ranked,
                               const SelectOptions& options) {
    if (options.budget_tokens == 0 || !options.count_tokens) {
        return make_error(ErrorCode::kInvalidArgument,
                          "a budget of 0 tokens holds no evidence: give a larger budget");
    }
    Selection selected;
    std::vector<Span>& spans = selected.spans;
    const std::vector<UnitExtent>& units = store.live_units();
    std::unordered_set<std::string> taken;
    std::map<DocumentId, DocumentInfo> documents;
    uint32_t left = options.budget_tokens, smallest = UINT32_MAX, misfits = 0;
    for (const RankedUnit& candidate : ranked) {
        if (options.max_spans > 0 && spans.size() >= options.max_spans) break;
        if (left == 0 || misfits >= (spans.empty() ? kMostMisfits : kPatience)) break;
        S3ATTN_CHECK(check_cancelled(options.cancel));
        // Hopeless by the scanner's count, however the reader's differs: not worth reading.
        if (!spans.empty() && units[candidate.unit].n_tokens / 2 > left) continue;
        S3ATTN_TRY(UnitRow row, store.unit(units[candidate.unit].unit_id));
        std::string key = normalised(row.text);
        if (key.empty() || taken.contains(key)) continue;
        S3ATTN_TRY(const uint32_t tokens, options.count_tokens(row.text));
        if (tokens > left) {
            smallest = std::min(smallest, tokens);
            ++misfits;
            if (spans.empty() && selected.passed_over++ == 0) selected.passed_over_tokens = tokens;
            continue;
        }
        auto document = documents.find(row.doc_id);
        if (document == documents.end()) {
            S3ATTN_TRY(DocumentInfo info, store.document(row.doc_id));
            document = documents.emplace(row.doc_id, std::move(info)).first;
        }
        spans.push_back(make_span(std::move(row), document->second, candidate.score, tokens));
        selected.units.push_back(candidate.unit);
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
    return selected;
}

}  // namespace s3attn

#include "eval/metrics_retrieval.h"

#include <algorithm>

namespace s3attn::eval {
namespace {

constexpr uint32_t kNoBudget = 1u << 30;

// Bytes of the white space character at `at`; 0 when there is none.
size_t space_length(std::string_view text, uint64_t at) {
    const std::string_view rest = text.substr(std::min<uint64_t>(at, text.size()), 3);
    if (rest.empty()) return 0;
    if (std::string_view(" \t\r\n\v\f").find(rest[0]) != std::string_view::npos) return 1;
    if (rest.starts_with("\xC2\xA0") || rest.starts_with("\xC2\x85")) return 2;
    const bool general = rest.starts_with("\xE2\x80") && rest.size() == 3;
    const auto third = static_cast<unsigned char>(general ? rest[2] : 0);
    if (general &&
        ((third >= 0x80 && third <= 0x8A) || third == 0xA8 || third == 0xA9 || third == 0xAF)) {
        return 3;
    }
    if (at == 0 && rest == "\xEF\xBB\xBF") return 3;  // a byte order mark is in no unit
    return rest == "\xE3\x80\x80" || rest == "\xE2\x81\x9F" || rest == "\xE1\x9A\x80" ? 3 : 0;
}

uint64_t skip_space(std::string_view text, uint64_t at) {
    while (const size_t length = space_length(text, at)) at += length;
    return at;
}

}  // namespace

bool covers(const Gold& gold, std::vector<ByteRange> ranges, std::string_view text) {
    std::erase_if(ranges, [&](const ByteRange& r) { return r.document != gold.document; });
    std::sort(ranges.begin(), ranges.end(),
              [](const ByteRange& a, const ByteRange& b) { return a.begin < b.begin; });
    uint64_t position = skip_space(text, gold.begin);
    for (const ByteRange& range : ranges) {
        if (range.begin <= position && position < range.end) {
            position = skip_space(text, range.end);
        }
    }
    return position >= gold.end;
}

double recall(const std::vector<Gold>& gold, const std::vector<ByteRange>& ranges,
              const Collection& collection) {
    const auto found = std::count_if(gold.begin(), gold.end(), [&](const Gold& g) {
        return covers(g, ranges, collection.documents[g.document]);
    });
    return static_cast<double>(found) / static_cast<double>(gold.size());
}

double reciprocal_rank(const std::vector<Gold>& gold, const std::vector<ByteRange>& ranked,
                       const Collection& collection) {
    const auto touches = [&](const ByteRange& range) {
        return std::any_of(gold.begin(), gold.end(), [&](const Gold& g) {
            return g.document == range.document && g.begin < range.end && range.begin < g.end;
        });
    };
    for (size_t r = 0; r < ranked.size(); ++r) {
        if (!touches(ranked[r])) continue;
        const std::vector<ByteRange> first(ranked.begin(),
                                           ranked.begin() + static_cast<ptrdiff_t>(r + 1));
        if (recall(gold, first, collection) > 0) return 1.0 / static_cast<double>(r + 1);
    }
    return 0;
}

std::vector<ByteRange> ranges_of(const UnitStore& units, const std::vector<Span>& spans) {
    std::vector<ByteRange> ranges;
    for (const Span& span : spans) {
        ranges.push_back({units.document_of(span.doc_id), span.byte_begin, span.byte_end});
    }
    return ranges;
}

Result<Selection> first_units(const UnitStore& units, const UnitList& ranked,
                              const CountTokens& count) {
    return units.select(ranked, kNoBudget, kMrrDepth, count);
}

Ranks::Ranks(const Selection& first, const UnitList& ranked) {
    for (size_t i = 0; i < first.units.size(); ++i) rank_.emplace(first.units[i], i + 1);
    for (size_t i = 0; i < ranked.size(); ++i) rank_.emplace(ranked[i].unit, i + 1);
}

Result<std::map<std::string, double>> retrieval_metrics(
    const EvalQuestion& question, const Collection& collection, const UnitStore& units,
    const UnitList& ranked, const Selection& first, const std::vector<uint32_t>& budgets,
    const CountTokens& count) {
    std::map<std::string, double> metrics;
    if (question.gold.empty()) return metrics;
    const std::vector<ByteRange> top = ranges_of(units, first.spans);
    for (const uint32_t n : kRecallDepths) {
        const size_t depth = std::min<size_t>(n, top.size());
        metrics["r" + std::to_string(n)] = recall(
            question.gold, {top.begin(), top.begin() + static_cast<ptrdiff_t>(depth)}, collection);
    }
    metrics["mrr"] = reciprocal_rank(question.gold, top, collection);
    for (const uint32_t budget : budgets) {
        S3ATTN_TRY(const auto within, units.select(ranked, budget, 0, count));
        const double found = recall(question.gold, ranges_of(units, within.spans), collection);
        metrics["ev" + std::to_string(budget)] = found;
        metrics["all" + std::to_string(budget)] = found >= 1.0 ? 1.0 : 0.0;
    }
    return metrics;
}

}  // namespace s3attn::eval

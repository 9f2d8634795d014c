#include "merge_found.h"

#include <algorithm>

namespace s3attn::server {
namespace {

// Takes one span over; false when it does not fit.
bool take(SearchResult& from, size_t i, size_t store, uint32_t budget_tokens, Found& to) {
    if (to.result.used_tokens + from.spans[i].tokens > budget_tokens) return false;
    to.result.used_tokens += from.spans[i].tokens;
    to.result.spans.push_back(std::move(from.spans[i]));
    if (i < from.attention.spans.size()) {
        to.result.attention.spans.push_back(std::move(from.attention.spans[i]));
    }
    to.stores.push_back(store);
    return true;
}

void add_timings(const SearchResult& from, SearchResult& to) {
    for (const auto& [stage, ms] : from.timings_ms) to.timings_ms[stage] += ms;
    to.postings += from.postings;
    to.postings_read += from.postings_read;
    for (const std::string& note : from.notes) {
        if (std::find(to.notes.begin(), to.notes.end(), note) == to.notes.end()) {
            to.notes.push_back(note);
        }
    }
}

// What the second stages of all stores cost together. Unit ids are a store's own.
void add_rerank(const RerankReport& from, RerankReport& to) {
    if (!from.done) return;
    const RerankReport before = to.done ? std::move(to) : RerankReport();
    to = from;
    to.units += before.units;
    to.left_out += before.left_out;
    to.tokens += before.tokens;
    to.milliseconds += before.milliseconds;
    to.attention.clear();
    to.links.clear();
}

}  // namespace

Found merge_found(std::vector<std::pair<size_t, SearchResult>> found, uint32_t budget_tokens,
                  uint32_t max_spans) {
    Found merged;
    if (found.size() == 1) {
        merged.result = std::move(found[0].second);
        merged.stores.assign(merged.result.spans.size(), found[0].first);
        merged.units.emplace_back(found[0].first, std::move(merged.result.attention.units));
        return merged;
    }
    for (auto& [store, result] : found) {
        merged.units.emplace_back(store, std::move(result.attention.units));
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
        if (a.second.evidence_found != b.second.evidence_found) return a.second.evidence_found;
        return a.second.evidence_score > b.second.evidence_score;
    });
    merged.result = found[0].second;
    // The quote is of the store whose evidence is best; its span is the first to be taken or goes.
    const size_t quoted = merged.result.quote.span_index;
    merged.result.quote.found = false;
    merged.result.spans.clear();
    merged.result.attention.spans.clear();
    merged.result.timings_ms.clear();
    merged.result.notes.clear();
    merged.result.weights.clear();  // each store has its own
    merged.result.rerank = {};
    merged.result.rerank.why = found[0].second.rerank.why;
    merged.result.rerank.model = found[0].second.rerank.model;
    merged.result.used_tokens = 0;
    merged.result.postings = merged.result.postings_read = 0;
    const bool any = found[0].second.evidence_found;
    size_t ranks = 0;
    for (auto& [store, result] : found) {
        add_timings(result, merged.result);
        add_rerank(result.rerank, merged.result.rerank);
        if (any && !result.evidence_found) result.spans.clear();
        ranks = std::max(ranks, result.spans.size());
    }
    for (size_t rank = 0; rank < ranks; ++rank) {
        for (auto& [store, result] : found) {
            if (max_spans > 0 && merged.result.spans.size() == max_spans) return merged;
            if (rank >= result.spans.size()) continue;
            const bool taken = take(result, rank, store, budget_tokens, merged);
            if (taken && &result == &found[0].second && rank == quoted && result.quote.found) {
                merged.result.quote.found = true;
                merged.result.quote.span_index = merged.result.spans.size() - 1;
            }
        }
    }
    return merged;
}

}  // namespace s3attn::server

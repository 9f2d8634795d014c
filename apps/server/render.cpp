#include "render.h"

#include <algorithm>
#include <cmath>

namespace s3attn::server {
namespace {

constexpr size_t kMostBins = 480;  // of a document's heat map; a wide screen shows no more

void add_place(const Service& service, const Found& found, size_t i, Json& json) {
    const Span& span = found.result.spans[i];
    if (found.inline_store) {
        json["document_index"] = found.inline_store->number_of(span.doc_id).value_or(0);
        json["name"] = span.path;
    } else {
        json["store"] = service.stores()[found.stores[i]].name;
        json["name"] = service.stores().name_of(found.stores[i], span.path);
    }
    apps::add_place(span, json);
}

double rounded(double value, double digits = 1e6) { return std::round(value * digits) / digits; }

// Units [first, last) of one document, spread over bins of equal numbers of bytes.
Json document_heat(const std::vector<UnitAttention>& units, size_t first, size_t last) {
    const uint64_t bytes = std::max<uint64_t>(1, units[last - 1].byte_end);
    const size_t bins = std::min(kMostBins, last - first);
    std::vector<double> s3(bins), bm25(bins);
    double total = 0;
    const double bytes_per_bin = static_cast<double>(bytes) / static_cast<double>(bins);
    for (size_t u = first; u < last; ++u) {
        const double attention = units[u].score_of("s3"), words = units[u].score_of("bm25");
        const double begin = static_cast<double>(units[u].byte_begin);
        const double end = std::max(begin + 1, static_cast<double>(units[u].byte_end));
        for (size_t bin = static_cast<size_t>(begin / bytes_per_bin); bin < bins; ++bin) {
            const double from = static_cast<double>(bin) * bytes_per_bin;
            const double share = std::min(end, from + bytes_per_bin) - std::max(begin, from);
            if (share <= 0) break;
            s3[bin] += attention * share / (end - begin);
            bm25[bin] = std::max(bm25[bin], words);
        }
        total += attention;
    }
    for (double& value : s3) value = rounded(value, 1e8);
    for (double& value : bm25) value = rounded(value, 1e4);
    return {{"doc_id", units[first].doc_id.value},
            {"bytes", bytes},
            {"units", last - first},
            {"mass", rounded(total)},
            {"s3", s3},
            {"bm25", bm25}};
}

Json link_json(const AttentionLink& link) {
    return {{"question_token", link.question_token},
            {"head", link.head},
            {"begin", link.byte_begin},
            {"end", link.byte_end},
            {"cosine", rounded(link.cosine, 1e4)},
            {"mass", rounded(link.mass, 1e8)}};
}

}  // namespace

Json document_json(const Service& service, size_t store, const DocumentInfo& document) {
    Json json = {{"store", service.stores()[store].name},
                 {"name", service.stores().name_of(store, document.path)}};
    apps::add_document(document, json);
    return json;
}

Json scan_json(const ScanStatus& status) {
    Json json = {{"id", status.id},
                 {"store", status.store},
                 {"name", status.name},
                 {"state", to_string(status.state)},
                 {"done", status.progress.done},
                 {"total", status.progress.total},
                 {"unit", status.progress.unit},
                 {"tokens", status.tokens},
                 {"tokens_per_s", rounded(status.progress.tokens_per_s, 10)}};
    if (status.eta_s >= 0 && !status.ended()) json["eta_s"] = rounded(status.eta_s, 10);
    if (status.doc_id.value > 0) json["doc_id"] = status.doc_id.value;
    if (!status.outcome.empty()) json["outcome"] = status.outcome;
    if (!status.error.empty()) json["error"] = status.error;
    if (!status.notes.empty()) json["notes"] = status.notes;
    return json;
}

Json found_json(const Service& service, const Found& found, const std::vector<uint32_t>& numbers) {
    const SearchResult& result = found.result;
    Json json = {
        {"question", result.question},
        {"method", result.method},
        {"evidence_found", result.evidence_found},
        {"evidence_score", result.evidence_score},
        {"evidence_floor", result.evidence_floor},
        {"budget_tokens", result.budget_tokens},
        {"used_tokens", result.used_tokens},
        {"passed_over",
         {{"units", result.passed_over}, {"best_needs_tokens", result.passed_over_tokens}}},
        {"model", result.model},
        {"adapter", result.adapter},
        {"quote", apps::quote_json(result)},
        {"spans", Json::array()},
        {"rerank", apps::to_json(result.rerank)},
        {"timings_ms", result.timings_ms}};
    if (!result.notes.empty()) json["notes"] = result.notes;
    if (result.quote.found) {
        if (found.inline_store) {
            json["quote"]["name"] = result.spans[result.quote.span_index].path;
            json["quote"]["path"] = json["quote"]["name"];
        } else {
            const size_t store = found.stores[result.quote.span_index];
            json["quote"]["store"] = service.stores()[store].name;
            json["quote"]["name"] = service.stores().name_of(store, json["quote"]["path"]);
        }
        if (result.quote.span_index < numbers.size()) {
            json["quote"]["number"] = numbers[result.quote.span_index];
        }
    }
    for (size_t i = 0; i < result.spans.size(); ++i) {
        const Span& span = result.spans[i];
        Json item;
        if (i < numbers.size()) item["number"] = numbers[i];
        add_place(service, found, i, item);
        apps::add_evidence(span, item);
        json["spans"].push_back(std::move(item));
    }
    return json;
}

Json attention_json(const Service& service, const Found& found) {
    const Attention& attention = found.result.attention;
    Json json = {{"question_tokens", attention.question_tokens},
                 {"heads", Json::array()},
                 {"documents", Json::array()},
                 {"spans", Json::array()}};
    for (const AttentionHead& head : attention.heads) {
        json["heads"].push_back({{"layer", head.layer}, {"query_head", head.query_head}});
    }
    for (const auto& [store, units] : found.units) {
        for (size_t first = 0; first < units.size();) {
            size_t last = first;
            while (last < units.size() && units[last].doc_id == units[first].doc_id) ++last;
            Json heat = document_heat(units, first, last);
            heat["store"] = service.stores()[store].name;
            json["documents"].push_back(std::move(heat));
            first = last;
        }
    }
    for (const SpanAttention& span : attention.spans) {
        Json links = Json::array();
        for (const AttentionLink& link : span.links) links.push_back(link_json(link));
        json["spans"].push_back({{"lexical_share", rounded(span.lexical_share, 1e4)},
                                 {"shared_words", span.shared_words},
                                 {"links", std::move(links)}});
        if (attention.context_tokens.empty()) continue;
        Json context = Json::array();
        for (const RerankReport::Link& link : span.context) {
            context.push_back({{"question_token", link.question_token},
                               {"begin", link.byte_begin},
                               {"end", link.byte_end},
                               {"attention", rounded(link.attention, 1e8)}});
        }
        json["spans"].back()["context_share"] = rounded(span.context_share);
        json["spans"].back()["context"] = std::move(context);
    }
    if (!attention.context_tokens.empty()) json["context_tokens"] = attention.context_tokens;
    return json;
}

Json citations_json(const Service& service, const Found& found, const AskResult& result) {
    Json citations = Json::array();
    for (const Citation& citation : result.citations) {
        Json json = {{"number", citation.number}};
        add_place(service, found, citation.span_index, json);
        json["text"] = found.result.spans[citation.span_index].text;
        citations.push_back(std::move(json));
    }
    return citations;
}

}  // namespace s3attn::server

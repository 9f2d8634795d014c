#include "output.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "options.h"

namespace s3attn::cli {
namespace {

Json to_json(const std::vector<ReadNote>& notes) {
    Json json = Json::array();
    for (const ReadNote& note : notes) {
        std::string kind = to_string(note.kind);
        std::replace(kind.begin(), kind.end(), '_', ' ');
        json.push_back({{"kind", kind},
                        {"place", note.place},
                        {"count", note.count},
                        {"message", note.message}});
    }
    return json;
}

}  // namespace

std::string quoted(const std::string& text) {
    std::string out = "    ";
    for (const char c : text) {
        if (c == '\r') continue;
        out += c;
        if (c == '\n') out += "    ";
    }
    return out;
}

Json to_json(const Span& span) {
    Json json;
    apps::add_place(span, json);
    apps::add_evidence(span, json);
    return json;
}

Json rerank_line(const RerankReport& rerank) {
    Json json = {{"arrow", "units -> read again in context"}};
    json.update(apps::to_json(rerank));
    if (rerank.links.empty()) return json;
    json["tokens_of_question"] = rerank.question_tokens;
    json["links"] = Json::array();
    for (const RerankReport::Link& link : rerank.links) {
        json["links"].push_back({{"question_token", link.question_token},
                                 {"unit", link.unit_id.value},
                                 {"looks_at", link.text},
                                 {"byte_begin", link.byte_begin},
                                 {"byte_end", link.byte_end},
                                 {"attention", link.attention}});
    }
    return json;
}

Json to_json(const SearchResult& result) {
    Json json;
    json["question"] = result.question;
    json["method"] = result.method;
    json["budget_tokens"] = result.budget_tokens;
    json["used_tokens"] = result.used_tokens;
    json["question_tokens"] = result.question_tokens;
    if (result.documents_in_store > 0) {
        json["documents_searched"] = result.documents_searched;
        json["documents_in_store"] = result.documents_in_store;
    }
    json["model"] = result.model;
    json["adapter"] = result.adapter;
    json["evidence_found"] = result.evidence_found;
    json["evidence_score"] = result.evidence_score;
    json["evidence_floor"] = result.evidence_floor;
    json["passed_over"] = {{"units", result.passed_over},
                           {"best_needs_tokens", result.passed_over_tokens}};
    json["spans"] = Json::array();
    for (const Span& span : result.spans) json["spans"].push_back(to_json(span));
    if (result.postings > 0) {
        json["postings"] = result.postings;
        json["postings_read"] = result.postings_read;
        json["postings_read_share"] =
            static_cast<double>(result.postings_read) / static_cast<double>(result.postings);
    }
    json["rerank"] = apps::to_json(result.rerank);
    if (!result.notes.empty()) json["notes"] = result.notes;
    for (const VoiceScore& each : result.weights) json["weights"][each.voice] = each.score;
    if (result.quote.found) json["quote"] = apps::quote_json(result);
    json["timings_ms"] = result.timings_ms;
    return json;
}

Json to_json(const AskResult& result) {
    Json json = to_json(result.search);
    for (size_t i = 0; i < result.numbers.size(); ++i) {
        json["spans"][i]["number"] = result.numbers[i];
    }
    json["quote"] = apps::quote_json(result.search);
    json["answer"] = result.answer;
    json["reader"] = result.reader;
    json["cut"] = result.cut;
    json["answerable"] = result.answerable;
    json["withhold_below"] = result.withhold_below;
    json["withheld"] = result.withheld;
    json["sentences"] = apps::sentences_json(result);
    json["unfounded"] = apps::unfounded_json(result);
    if (!result.notes.empty()) json["notes"] = result.notes;
    json["citations"] = Json::array();
    for (const Citation& citation : result.citations) {
        const Span& span = result.search.spans[citation.span_index];
        json["citations"].push_back({{"number", citation.number},
                                     {"span", citation.span_index},
                                     {"path", span.path},
                                     {"byte_begin", span.byte_begin},
                                     {"byte_end", span.byte_end},
                                     {"heading", span.heading}});
    }
    json["prompt_tokens"] = result.prompt_tokens;
    json["answer_tokens"] = result.answer_tokens;
    json["stopped_at_limit"] = result.stopped_at_limit;
    json["cancelled"] = result.cancelled;
    if (result.history_left_out > 0) json["history_left_out"] = result.history_left_out;
    json["ttft_ms"] = result.ttft_ms;
    for (const auto& [stage, ms] : result.timings_ms) json["timings_ms"][stage] = ms;
    return json;
}

Json to_json(const IndexReport& report) {
    Json json;
    json["tokens"] = report.tokens;
    json["seconds"] = report.seconds;
    json["tokens_per_s"] = report.tokens_per_s;
    json["vectors"] = report.vectors;
    json["bytes"] = report.bytes;
    json["bytes_per_token"] = report.bytes_per_token;
    json["store_tokens"] = report.store_tokens;
    json["peak_rss_bytes"] = report.peak_rss_bytes;
    json["cancelled"] = report.cancelled;
    json["files"] = Json::array();
    json["skipped"] = Json::array();
    for (const FileOutcome& file : report.files) {
        if (file.kind == FileOutcome::Kind::kSkipped) {
            json["skipped"].push_back(
                {{"path", file.path}, {"reason", file.reason}, {"notes", to_json(file.notes)}});
            continue;
        }
        json["files"].push_back({{"path", file.path},
                                 {"doc_id", file.doc_id.value},
                                 {"outcome", to_string(file.kind)},
                                 {"tokens", file.tokens},
                                 {"bytes", file.bytes},
                                 {"partly_read", file.partly_read()},
                                 {"notes", to_json(file.notes)}});
        if (file.kind == FileOutcome::Kind::kRenamed) {
            json["files"].back()["renamed_from"] = file.renamed_from;
        }
    }
    json["gone"] = Json::array();
    for (const DocumentInfo& document : report.gone) {
        json["gone"].push_back({{"doc_id", document.doc_id.value}, {"path", document.path}});
    }
    json["pruned"] = report.pruned;
    json["notes"] = to_json(report.notes);
    json["passed_over"] = report.passed_over;
    json["timings_ms"] = report.timings_ms;
    json["device"] = report.device;
    if (report.device == "cuda") {
        json["scan_busy"] = report.scan_busy;
        if (report.device_utilization >= 0) json["device_utilization"] = report.device_utilization;
        json["device_memory_bytes"] = report.device_memory_bytes;
    }
    return json;
}

Json to_json(const DocumentInfo& document) {
    Json json;
    apps::add_document(document, json);
    json["source_hash"] = document.source_hash;
    return json;
}

Json to_json(const VerifyReport& report) {
    return {{"ok", true},
            {"documents", report.documents},
            {"units", report.units},
            {"segments", report.segments},
            {"postings", report.postings},
            {"bytes", report.bytes},
            {"orphans_removed", report.orphans_removed}};
}

Json to_json(const ExportReport& report) {
    return {{"documents", report.documents},
            {"units", report.units},
            {"segments", report.segments},
            {"bytes", report.bytes}};
}

Json to_json(const MergeReport& report) {
    return {{"added", report.added},         {"replaced", report.replaced},
            {"unchanged", report.unchanged}, {"tokens", report.tokens},
            {"documents", report.documents}, {"store_tokens", report.store_tokens},
            {"bytes", report.bytes},         {"cancelled", report.cancelled}};
}

static Json to_json(const FeatureOccurrence& occurrence) {
    const uint64_t length = occurrence.token_end - occurrence.token_begin;
    return {{"doc_id", occurrence.doc_id.value},
            {"path", occurrence.path},
            {"position", occurrence.position.value},
            {"activation", occurrence.activation},
            {"token", occurrence.context.substr(occurrence.token_begin, length)},
            {"byte_begin", occurrence.byte_begin},
            {"token_begin", occurrence.token_begin},
            {"token_end", occurrence.token_end},
            {"context", occurrence.context}};
}

Json to_json(const InspectReport& report) {
    Json json;
    json["fingerprint"] = report.fingerprint;
    json["documents"] = report.documents;
    json["units"] = report.units;
    json["tokens"] = report.tokens;
    json["segments"] = report.segments;
    json["postings"] = report.postings;
    json["catalog_bytes"] = report.catalog_bytes;
    json["segment_bytes"] = report.segment_bytes;
    json["heads"] = report.heads;
    json["latents"] = report.latents;
    json["k"] = report.k;
    json["posting_length_histogram"] = report.posting_length_histogram;
    json["densest"] = Json::array();
    for (const auto& [feature, length] : report.densest) {
        json["densest"].push_back({{"slot", report.latents > 0 ? feature / report.latents : 0},
                                   {"latent", report.latents > 0 ? feature % report.latents : 0},
                                   {"postings", length}});
    }
    json["dead_features"] = report.dead_features;
    json["dense_features"] = report.dense_features;
    if (!report.parts.empty()) json["parts"] = Json::object();
    for (const auto& [part, bytes] : report.parts) {
        const double tokens = std::max(1.0, static_cast<double>(report.tokens));
        json["parts"][part] = {{"bytes", bytes},
                               {"bytes_per_token", static_cast<double>(bytes) / tokens}};
    }
    json["feature_postings"] = report.feature_postings;
    json["frequency"] = report.tokens == 0 ? 0.0
                                           : static_cast<double>(report.feature_postings) /
                                                 static_cast<double>(report.tokens);
    json["mean_activation"] = report.mean_activation;
    json["likes"] = Json::array();
    for (const TokenPreference& liked : report.likes) {
        json["likes"].push_back({{"token", liked.token},
                                 {"count", liked.count},
                                 {"mean_activation", liked.mean_activation}});
    }
    json["occurrences"] = Json::array();
    for (const FeatureOccurrence& occurrence : report.occurrences) {
        json["occurrences"].push_back(to_json(occurrence));
    }
    return json;
}

namespace {

// "0:01:05"
std::string clock_time(uint64_t ms) {
    const uint64_t seconds = ms / 1000;
    return fmt::format("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}

}  // namespace

std::string location(const Span& span) {
    std::string where = span.path;
    if (span.page > 0) {
        where += fmt::format(", page {}", span.page);
    } else if (span.line_begin == span.line_end) {
        where += fmt::format(", line {}", span.line_begin);
    } else {
        where += fmt::format(", lines {}-{}", span.line_begin, span.line_end);
    }
    where += fmt::format(", bytes {}-{}", span.byte_begin, span.byte_end);
    if (span.offsets == OffsetSpace::kExtracted) where += " of the extracted text";
    if (span.time_end_ms > 0) {
        where +=
            fmt::format(", at {}-{}", clock_time(span.time_begin_ms), clock_time(span.time_end_ms));
    }
    if (!span.heading.empty()) where += ", in " + span.heading;
    return where;
}

void print_spans(const SearchResult& result, const std::vector<uint32_t>& numbers) {
    for (size_t i = 0; i < result.spans.size(); ++i) {
        const Span& span = result.spans[i];
        const uint32_t number = numbers.empty() ? static_cast<uint32_t>(i + 1) : numbers[i];
        std::printf("[%u] %s  (score %.3f", number, location(span).c_str(), span.score);
        for (const VoiceScore& each : span.scores) {
            const int digits = each.voice == "bm25" ? 2 : 4;
            std::printf(", %s %.*f", each.voice.c_str(), digits, each.score);
        }
        std::printf(")\n");
        if (!span.columns.empty()) std::printf("    (columns: %s)\n", span.columns.c_str());
        std::printf("%s\n\n", quoted(span.text).c_str());
    }
}

}  // namespace s3attn::cli

#include "json/result_json.h"

namespace s3attn::apps {

void add_place(const Span& span, Json& json) {
    json["doc_id"] = span.doc_id.value;
    json["path"] = span.path;
    json["offsets"] = to_string(span.offsets);
    json["byte_begin"] = span.byte_begin;
    json["byte_end"] = span.byte_end;
    if (span.page > 0) {
        json["page"] = span.page;
    } else {
        json["line_begin"] = span.line_begin;
        json["line_end"] = span.line_end;
    }
    json["heading"] = span.heading;
    if (!span.columns.empty()) json["columns"] = span.columns;
    if (span.time_end_ms > 0) {
        json["time_begin_ms"] = span.time_begin_ms;
        json["time_end_ms"] = span.time_end_ms;
    }
}

void add_evidence(const Span& span, Json& json) {
    json["text"] = span.text;
    json["score"] = span.score;
    json["score_s3"] = span.score_of("s3");
    json["score_bm25"] = span.score_of("bm25");
    for (const VoiceScore& each : span.scores) json["score_" + each.voice] = each.score;
    json["tokens"] = span.tokens;
}

Json quote_json(const SearchResult& result) {
    const Quote& quote = result.quote;
    if (!quote.found || quote.span_index >= result.spans.size()) return nullptr;
    const Span& span = result.spans[quote.span_index];
    Json json = {{"text", quote.text},
                 {"span", quote.span_index},
                 {"doc_id", span.doc_id.value},
                 {"path", span.path},
                 {"offsets", to_string(span.offsets)},
                 {"byte_begin", quote.byte_begin},
                 {"byte_end", quote.byte_end},
                 {"exact_bytes", quote.exact_bytes},
                 {"text_begin", quote.text_begin},
                 {"text_end", quote.text_end},
                 {"sentences", quote.sentences},
                 {"score", quote.score},
                 {"milliseconds", quote.milliseconds}};
    if (span.page > 0) {
        json["page"] = span.page;
    } else {
        json["line_begin"] = quote.line_begin;
        json["line_end"] = quote.line_end;
    }
    json["heading"] = span.heading;
    return json;
}

Json sentences_json(const AskResult& result) {
    Json json = Json::array();
    for (const AnswerSentence& each : result.sentences) {
        json.push_back({{"begin", each.begin},
                        {"end", each.end},
                        {"supported", each.supported},
                        {"numbers", each.numbers}});
    }
    return json;
}

Json unfounded_json(const AskResult& result) {
    Json json = Json::array();
    for (const UnfoundedWord& each : result.unfounded) {
        json.push_back({{"begin", each.begin},
                        {"end", each.end},
                        {"text", each.text},
                        {"kind", each.number ? "number" : "name"}});
    }
    return json;
}

void add_document(const DocumentInfo& document, Json& json) {
    json["doc_id"] = document.doc_id.value;
    json["path"] = document.path;
    json["format"] = document.format;
    json["encoding"] = document.encoding;
    json["offsets"] = to_string(document.offsets);
    json["source_bytes"] = document.source_bytes;
    json["tokens"] = document.tokens;
    json["units"] = document.units;
    json["complete"] = document.complete;
    json["indexed_at"] = document.indexed_at;
    json["missing"] = document.missing;
    json["title"] = document.title;
    json["date"] = document.date;
    if (!document.date.empty()) json["date_of"] = document.date_of_file ? "file" : "document";
    json["properties"] = document.properties;
    json["described"] = document.described;
}

Json to_json(const RerankReport& rerank) {
    Json json = {{"done", rerank.done}};
    if (!rerank.model.empty()) json["model"] = rerank.model;
    if (!rerank.done) {
        json["why"] = rerank.why.empty() ? "off" : rerank.why;
        return json;
    }
    json["device"] = rerank.on_device ? "cuda" : "cpu";
    json["units"] = rerank.units;
    json["left_out"] = rerank.left_out;
    json["tokens"] = rerank.tokens;
    json["milliseconds"] = rerank.milliseconds;
    json["attention"] = Json::array();
    for (const RerankReport::UnitShare& unit : rerank.attention) {
        json["attention"].push_back({{"unit", unit.unit_id.value},
                                     {"share", unit.share},
                                     {"first_place", unit.first_place + 1}});
    }
    return json;
}

std::string dump(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace s3attn::apps

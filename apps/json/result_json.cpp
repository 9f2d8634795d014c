#include "json/result_json.h"

namespace s3attn::apps {

const char* to_string(Method method) {
    switch (method) {
        case Method::kS3: return "s3";
        case Method::kBm25: return "bm25";
        case Method::kHybrid: return "hybrid";
    }
    return "hybrid";
}

const char* to_string(OffsetSpace space) {
    return space == OffsetSpace::kSource ? "source" : "extracted";
}

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
}

void add_evidence(const Span& span, Json& json) {
    json["text"] = span.text;
    json["score"] = span.score;
    json["score_s3"] = span.score_s3;
    json["score_bm25"] = span.score_bm25;
    json["tokens"] = span.tokens;
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
}

std::string dump(const Json& json, int indent) {
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

}  // namespace s3attn::apps

// How results are printed: JSON for programs, text for people.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "json/result_json.h"
#include "s3attn/engine.h"
#include "s3attn/trainer.h"
#include "s3attn/types.h"

namespace s3attn::cli {

using apps::dump;
using apps::Json;

Json to_json(const Span& span);
Json to_json(const SearchResult& result);
Json to_json(const AskResult& result);
Json to_json(const IndexReport& report);
Json to_json(const DocumentInfo& document);
Json to_json(const VerifyReport& report);
Json to_json(const ExportReport& report);
Json to_json(const MergeReport& report);
Json to_json(const InspectReport& report);
Json to_json(const TrainReport& report);
Json to_json(const SweepReport& report);
// For --explain: with which question token looked where.
Json rerank_line(const RerankReport& rerank);
Json to_json(const ContextHeadReport& report);

// Indents every line of a quoted text.
std::string quoted(const std::string& text);

// "book.md, lines 12-15, bytes 300-720, in Title > Chapter" or "paper.pdf, page 3, bytes ... of the
// extracted text".
std::string location(const Span& span);
void print_spans(const SearchResult& result, const std::vector<uint32_t>& numbers);

}  // namespace s3attn::cli

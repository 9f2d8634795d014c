// Results as JSON, the same for HTTP and MCP.
#pragma once

#include <vector>

#include "errors.h"
#include "service.h"

namespace s3attn::server {

Json document_json(const Service& service, size_t store, const DocumentInfo& document);
Json scan_json(const ScanStatus& status);

// Evidence: spans with numbers where given, and what was measured.
Json found_json(const Service& service, const Found& found, const std::vector<uint32_t>& numbers);
// The heat map of each document, and the reasons of each span; with SearchOptions::attention.
Json attention_json(const Service& service, const Found& found);
// `citations` of a chat completion.
Json citations_json(const Service& service, const Found& found, const AskResult& result);

}  // namespace s3attn::server

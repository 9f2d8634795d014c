// Results of the engine as JSON: what the command line and the server both print. Fields are added
// to the object that is given, so that each can put its own in front.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "s3attn/engine.h"
#include "s3attn/types.h"

namespace s3attn::apps {

using Json = nlohmann::ordered_json;

// Where a span stands: document, bytes, page or lines; below which headings, in the rows of which
// columns, and of subtitles at what time, where it has these.
void add_place(const Span& span, Json& json);
// What it says, and why it was chosen: "score_s3" and "score_bm25" always (0 where the method did
// not ask that voice), "score_NAME" of any other voice that was asked.
void add_evidence(const Span& span, Json& json);
// What the documents say themselves; null where nothing was found.
Json quote_json(const SearchResult& result);
// Which sentences of an answer are supported, and its unfounded numbers and names.
Json sentences_json(const AskResult& result);
Json unfounded_json(const AskResult& result);
void add_document(const DocumentInfo& document, Json& json);
// What the second stage did and what it cost, or why there was none.
Json to_json(const RerankReport& rerank);

// Of a search with SearchOptions::explain: one line for each arrow; none without.
std::vector<std::string> explain_lines(const SearchResult& result);

// Bytes that are no valid UTF-8 are shown as U+FFFD. indent < 0: one line.
std::string dump(const Json& json, int indent = -1);

}  // namespace s3attn::apps

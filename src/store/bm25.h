// Word search: BM25 of FTS5 over the units' text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace s3attn {

// The question's words as the index's tokenizer (unicode61, before stemming) sees them, in order,
// repeated ones repeated. Any bytes are fine.
Result<std::vector<std::string>> question_words(Database& db, std::string_view question);

Result<std::vector<StoreReader::Match>> search_words(Database& db, std::string_view question,
                                                     uint32_t limit);

}  // namespace s3attn

// A part of a document's text.
#pragma once

#include <cstdint>
#include <string>

#include "outcome.h"
#include "s3attn/store.h"

namespace s3attn::server {

constexpr uint64_t kMostTextBytes = 1 << 20;  // of one answer; the client asks again for more
constexpr uint64_t kDefaultTextBytes = 64 << 10;

// Exactly the range where the text's bytes are the document's, widened to whole characters; whole
// units elsewhere. Narrows [begin, end) to what was given.
std::string slice(const DocumentRange& range, uint64_t& begin, uint64_t& end);

}  // namespace s3attn::server

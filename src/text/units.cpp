#include "text/units.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/sentences.h"

namespace s3attn::text {
namespace {

size_t distance(size_t a, size_t b) { return a > b ? a - b : b - a; }

// Without a sentence boundary: behind the last word that fits, else the last character.
size_t cut_without_sentence(std::string_view text, size_t max_bytes) {
    const size_t limit = character_boundary(text, max_bytes);
    for (size_t i = limit; i > 0; --i) {
        if (!may_be_whitespace(static_cast<unsigned char>(text[i]))) continue;
        if (whitespace_length(text.substr(i)) == 0) continue;
        const size_t length = trim_end(text.substr(0, i)).size();
        if (length > 0) return length;
    }
    if (limit > 0) return limit;
    size_t length = 1;  // a single character is longer than max_bytes
    while (length < text.size() && utf8_continues(text[length])) {
        ++length;
    }
    return length;
}

}  // namespace

UnitLimits unit_limits(const ReaderOptions& options) {
    UnitLimits limits{};
    limits.max_bytes = std::max<size_t>(options.max_unit_bytes, 16);
    limits.target_bytes = std::clamp<size_t>(options.target_unit_bytes, 1, limits.max_bytes);
    limits.min_bytes = std::min<size_t>(options.min_unit_bytes, limits.target_bytes);
    return limits;
}

size_t first_block_length(std::string_view text, bool complete, const UnitLimits& limits) {
    const size_t whole = trim_end(text).size();
    const bool fits = complete && whole <= limits.max_bytes;
    if (fits && whole <= limits.target_bytes + limits.min_bytes) return whole;
    size_t best = 0;
    auto sentences = split_sentences(text.substr(0, character_boundary(text, text.size())));
    // Where the view ends is no boundary when the paragraph goes on.
    if (!complete && !sentences.empty()) sentences.pop_back();
    for (const auto& [begin, end] : sentences) {
        if (end > limits.max_bytes) break;
        if (best == 0 ||
            distance(end, limits.target_bytes) <= distance(best, limits.target_bytes)) {
            best = end;
        }
    }
    if (best > 0) {
        const bool crumb_left = complete && whole - best < limits.min_bytes;
        return crumb_left && fits ? whole : best;
    }
    if (fits) return whole;
    return cut_without_sentence(text, limits.max_bytes);
}

Result<RegionEnd> find_region_end(TextWindow& window, uint64_t position, uint64_t limit,
                                  uint32_t breaks, bool pages) {
    S3ATTN_CHECK(window.ensure(position + limit));
    const std::string_view text = window.view(position, position + limit);
    const bool all = window.complete() && position + limit >= window.end();
    size_t i = 0;
    while (i < text.size()) {
        const auto byte = static_cast<unsigned char>(text[i]);
        // Spaces inside a line, by far the most common whitespace, end nothing.
        if (byte > ' ' && !may_be_whitespace(byte)) {
            ++i;
            continue;
        }
        const SpaceRun run = space_run(text.substr(i));
        if (run.length == 0) {
            ++i;
            continue;
        }
        if (run.breaks >= breaks || (pages && run.form_feed)) return RegionEnd{true, position + i};
        if (i + run.length == text.size() && all) return RegionEnd{true, position + i};
        i += run.length;
    }
    if (all) return RegionEnd{true, position + text.size()};
    return RegionEnd{};
}

}  // namespace s3attn::text

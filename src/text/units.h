// Pieces: the paragraphs, lines and headings that units are packed from. A source of pieces reads
// a TextWindow; UnitReader packs what it gives. Both decide from content alone, never from where a
// window ends, so that a file always yields the same units.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "s3attn/result.h"
#include "text/document_reader.h"
#include "text/text_window.h"

namespace s3attn::text {

struct UnitLimits {
    size_t min_bytes, target_bytes, max_bytes;
};
// The options' limits, made consistent (min <= target <= max, max >= 16).
UnitLimits unit_limits(const ReaderOptions& options);

struct Piece {
    uint64_t begin = 0, end = 0;  // text positions; no whitespace at either end
    bool heading = false;         // goes with what follows
    bool cut = false;             // a block of a longer paragraph: never packed with what follows
    bool barrier = false;         // never packed with what is in front (a page, a chapter begins)
    uint8_t level = 0;            // of a heading, 1 the highest; 0: not known
    std::shared_ptr<const std::string> columns = {};  // of the table whose rows it holds
};

class PieceSource {
  public:
    virtual ~PieceSource() = default;
    // Pieces in order; all text between them is whitespace. False at the end.
    virtual Result<bool> next(Piece& piece) = 0;
};

// Bytes of the first block of `text`, whole sentences where it has them, else up to whitespace,
// else up to a character boundary; at most max_bytes. Text begins with no whitespace and the block
// ends with none. `complete`: the paragraph ends with `text`; otherwise more follows.
size_t first_block_length(std::string_view text, bool complete, const UnitLimits& limits);

// How much of a paragraph first_block_length wants to see.
inline size_t block_lookahead(const UnitLimits& limits) {
    return limits.max_bytes + limits.min_bytes + 64;
}

// The end of the region that begins at `position`: where the first run of whitespace with at least
// `breaks` line ends (or a form feed, with `pages`) begins, or the document's last text. Not found
// within `limit` bytes: false.
struct RegionEnd {
    bool found = false;
    uint64_t end = 0;
};
Result<RegionEnd> find_region_end(TextWindow& window, uint64_t position, uint64_t limit,
                                  uint32_t breaks, bool pages);

}  // namespace s3attn::text

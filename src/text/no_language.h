// Runs of text that are no language: base64, hex dumps, data URIs, minified programs. They stay in
// the text, between units, so that every offset holds, and are not scanned: a picture in a Markdown
// file would cost more than the report around it.
//
// The bounds leave alone what people write and ask for: identifiers, checksums, keys, links, text
// in scripts without spaces, ordinary source code.
#pragma once

#include <cstdint>
#include <deque>

#include "text/units.h"

namespace s3attn::text {

// What ends in front of a text.
enum class RunInFront {
    kNone,
    kDirectly,  // a run that its view cut
    kUri,       // the same, a data URI
    kAbove,     // a run, and white space behind it
};
// The first run in `text` that begins before `limit`, [begin, end); empty when there is none.
struct NoLanguage {
    size_t begin = 0, end = 0;
    bool open_uri = false;  // a data URI that goes on where `text` ends
    bool empty() const { return end <= begin; }
};
NoLanguage find_no_language(std::string_view text, size_t limit, RunInFront front);

// Takes such runs out of pieces.
class NoLanguageFilter {
  public:
    // Appends to `pieces` what of `piece` is language, as pieces; maybe nothing.
    Status split(TextWindow& window, const Piece& piece, std::deque<Piece>& pieces);
    // Runs so far, their bytes, and where the first begins.
    uint64_t runs() const { return runs_; }
    uint64_t bytes() const { return bytes_; }
    uint64_t first() const { return first_; }

  private:
    NoLanguage find_in(TextWindow& window, uint64_t at, const Piece& piece) const;
    void keep(TextWindow& window, const Piece& piece, uint64_t begin, uint64_t end,
              std::deque<Piece>& pieces);

    uint64_t runs_ = 0, bytes_ = 0, first_ = 0;
    uint64_t until_ = 0;                    // text in front of it is judged already
    uint64_t dropped_ = 0;                  // bytes since the last piece that was kept
    RunInFront front_ = RunInFront::kNone;  // what ends at until_
};

}  // namespace s3attn::text

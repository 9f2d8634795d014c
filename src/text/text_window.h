// A document as one long UTF-8 text of which only a window is in memory. Positions are absolute
// (bytes of decoded text); each maps to the offset in the source file it was decoded from.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"
#include "text/source_file.h"
#include "text/whitespace.h"

namespace s3attn::text {

// Turns source bytes into valid UTF-8.
class Decoder {
  public:
    virtual ~Decoder() = default;
    // Appends the decoded `bytes` to `text` and returns how many bytes were used; the rest is
    // given again with more behind it. `last`: nothing follows, all must be used. `offsets`, when
    // not null, gets for each appended byte the offset of its character within `bytes`.
    virtual size_t decode(std::string_view bytes, bool last, std::string& text,
                          std::vector<uint64_t>* offsets) = 0;
    // Whether a byte of text is a byte of source, so that offsets need not be recorded.
    virtual bool keeps_length() const = 0;
};

// UTF-8 to UTF-8; each byte that is not part of a valid character becomes '?', a NUL a space.
std::unique_ptr<Decoder> make_utf8_decoder();
// Any encoding ICU knows; what cannot be decoded becomes U+FFFD, a NUL a space. kUnsupported: not
// known.
Result<std::unique_ptr<Decoder>> make_converter(const std::string& encoding);

class TextWindow {
  public:
    // Decodes `source` from `begin` (behind a byte order mark), `step` bytes at a time.
    TextWindow(std::shared_ptr<SourceFile> source, uint64_t begin, std::unique_ptr<Decoder> decoder,
               size_t step);
    // A text that is in memory already and its own source.
    explicit TextWindow(std::string whole);

    // Makes text up to `end` available, or all there is. After it, end() >= `end` or complete().
    Status ensure(uint64_t end) {
        if (complete_ || end <= this->end()) return {};
        return load(end);
    }
    uint64_t begin() const { return begin_; }
    uint64_t end() const { return begin_ + (text_.size() - head_); }
    bool complete() const { return complete_; }
    // Text in [from, to), which must be available; cut at end().
    std::string_view view(uint64_t from, uint64_t to) const;
    uint64_t source_offset(uint64_t position) const;
    void discard_before(uint64_t position);

  private:
    Status load(uint64_t end);

    std::shared_ptr<SourceFile> source_;
    std::unique_ptr<Decoder> decoder_;
    size_t step_ = 0;
    uint64_t read_offset_ = 0;       // of the next byte to read
    std::string raw_;                // read, not yet decoded
    uint64_t first_source_ = 0;      // source offset of position 0, where lengths are kept
    std::string text_;               // from begin_ - head_
    std::vector<uint64_t> offsets_;  // parallel to text_, where lengths are not kept
    size_t head_ = 0;                // discarded bytes still at the front of text_
    uint64_t begin_ = 0;
    bool complete_ = false;
};

// The whitespace at `position`, however long. kUnsupported above 64 MiB of it.
Result<SpaceRun> skip_space(TextWindow& window, uint64_t position, const std::string& path);

}  // namespace s3attn::text

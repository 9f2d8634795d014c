// Packs pieces into units: the DocumentReader behind every format.
#pragma once

#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "text/document_reader.h"
#include "text/no_language.h"
#include "text/units.h"

namespace s3attn::text {

// (text position, source line) pairs in order: from that position on, the text is from that line
// (or page).
using LineMap = std::vector<std::pair<uint64_t, uint32_t>>;

// From that text position on, what is spoken at that time.
struct SpokenAt {
    uint64_t position = 0, begin_ms = 0, end_ms = 0;
};
using TimeMap = std::vector<SpokenAt>;

enum class Place {
    kCountLines,  // line ends of the text itself
    kMapLines,    // the LineMap
    kMapPages,    // the LineMap, which has pages instead of lines
};

// What a heading says, without the marks that its format puts around it.
std::string heading_label(std::string_view source);

class UnitReader : public DocumentReader {
  public:
    UnitReader(DocumentHeader header, std::unique_ptr<TextWindow> window,
               std::unique_ptr<PieceSource> pieces, const UnitLimits& limits, Place place,
               LineMap lines = {});
    void set_times(TimeMap times) { times_ = std::move(times); }
    const DocumentHeader& header() const override { return header_; }
    Result<bool> next(Unit& unit) override;

  private:
    // What is being packed.
    struct Group {
        std::vector<Piece> pieces;
        bool all_headings = true;
        bool sealed = false;  // holds a paragraph that stands by itself
        uint64_t begin() const { return pieces.front().begin; }
        uint64_t end() const { return pieces.back().end; }
        uint64_t size() const { return end() - begin(); }
    };
    Result<bool> peek();  // whether queue_ has a piece, after reading one if it was empty
    void add(Group& group, const Piece& piece) const;
    bool joins(const Group& group, const Piece& piece) const;
    Status cut_front_if_it_helps(const Group& group);
    void fill(const Group& group, Unit& unit);
    void widen_lines(const Group& group, Unit& unit) const;
    uint32_t line_at(uint64_t position);
    void note_heading(const Piece& piece);
    void fill_place(const Group& group, Unit& unit);
    void note_no_language();
    void find_no_language_place(uint64_t before);

    DocumentHeader header_;
    std::unique_ptr<TextWindow> window_;
    std::unique_ptr<PieceSource> pieces_;
    UnitLimits limits_;
    Place place_;
    LineMap lines_;
    TimeMap times_;
    std::vector<std::pair<uint8_t, std::string>> headings_;  // above what comes next, by level
    NoLanguageFilter no_language_;
    uint32_t no_language_place_ = 0;  // line or page of the first run; 0: not known yet
    bool noted_ = false;
    bool barrier_waits_ = false;  // of a piece in which nothing can be seen
    std::deque<Piece> queue_;  // read, not yet packed
    uint64_t last_end_ = 0;    // of the previous unit
    uint64_t counted_to_ = 0;  // line ends in front of this position are counted
    uint32_t count_ = 1;
    char counted_last_ = '\0';  // the byte in front of counted_to_
};

}  // namespace s3attn::text

// Superscripts and subscripts in plain text: kept apart from what they follow.
//   10<sup>6</sup>       10^6       (x^(n+1) where the content is more than a number or a word)
//   H<sub>2</sub>O       H_2O
//   1804<sup>12</sup>    1804[12]   a note mark: a link to a note, or a number behind a year, a
//   word
//                                   of four letters or more, or a full stop
//   1<sup>st</sup>       1st        an ordinal
//   1<sup>1</sup>/<sub>2</sub>  1 1/2
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace s3attn::text {

class ScriptMarks {
  public:
    enum class Kind {
        kSuperscript,
        kSubscript,
        kNote,
        kPerhapsNote,  // a link to a place, right behind a word: a note mark where it is a number
    };
    // `text`: of the block being built; it outlives this.
    explicit ScriptMarks(std::string& text) : text_(text) {}

    // What is appended to the text between open and close is the mark's content.
    void open(Kind kind) { open_.push_back({kind, text_.size()}); }
    // The innermost mark turned out to be a link to a note.
    void make_note();
    void close();
    bool any_open() const { return !open_.empty(); }
    // Call before `next` is appended: a mark that has just ended stays apart from it.
    void before(std::string_view next);
    // The text has been taken and begins anew. Marks still open say nothing any more.
    void begin_text();

  private:
    struct Open {
        Kind kind;
        size_t begin;
        bool broken = false;  // a block ended inside
    };
    void append(Kind kind, const std::string& content);
    void append_power(const std::string& content);
    bool finish_fraction(const std::string& content);

    std::string& text_;
    std::vector<Open> open_;
    static constexpr size_t kNone = static_cast<size_t>(-1);
    size_t caret_ = kNone;         // of the last superscript, for fractions
    size_t end_ = kNone;           // of the last mark
    bool apart_from_all_ = false;  // the last mark ends in a word of its own
};

// Whether a character that begins or ends a word stands at the front or the end of `text`.
bool begins_with_word(std::string_view text);
bool ends_with_word(std::string_view text);

}  // namespace s3attn::text

// Ends an answer that repeats itself: small models that decode greedily fall into loops.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace s3attn {

// Feed pieces of any size; the concatenated output does not depend on where they were cut.
// A loop is a text of up to kMaxPeriod bytes three times in a row (short ones more often: kMinRun
// bytes of repetition); it comes out once, up to the end of its sentence. Whatever stops repeating
// before that passes unchanged. Only text that repeats what stands before it is held back, so the
// delay is a few bytes unless a repetition is under way. Case and the one or two
// digits that may number a line do not count as differences.
class LoopGuard {
  public:
    static constexpr size_t kMaxPeriod = 512;
    static constexpr size_t kMinRun = 40;        // "no, no, no" is no loop
    static constexpr size_t kMinBlankRun = 200;  // without a letter or digit: rules, tables

    // What may be shown after this piece. Empty for good once looping() is true.
    std::string feed(std::string_view piece);
    // What was held back; empty in a loop.
    std::string finish();
    bool looping() const { return looping_; }

  private:
    void append(char c);
    char folded(char c);
    bool is_loop(size_t period) const;
    size_t end_of_first(size_t period) const;

    std::string text_;
    std::string folded_;       // text_ as it is compared
    std::vector<size_t> run_;  // [period]: trailing bytes equal to the byte `period` before them
    size_t shown_ = 0;
    size_t end_ = 0;       // in a loop: where the text ends
    int line_digits_ = 0;  // at the start of the line so far; -1 once anything else came
    bool looping_ = false;
};

}  // namespace s3attn

// Ends the answers of small readers: after so many sentences, or at one that says nothing new.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace s3attn {

class AnswerEnd {
  public:
    // 0 sentences: whatever is fed passes, always.
    explicit AnswerEnd(uint32_t most_sentences) : most_(most_sentences) {}

    // What may be shown of this piece; empty once ended() is true, which it becomes with the first
    // letter behind the last sentence. The concatenated output does not depend on where pieces were
    // cut.
    std::string feed(std::string_view piece);
    bool ended() const { return ended_; }
    // Whether it was a sentence without a new word that ended it.
    bool repeated() const { return repeated_; }

  private:
    bool is_new(std::string_view sentence);

    uint32_t most_;
    std::string text_;
    size_t shown_ = 0;
    size_t seen_ = 0;  // complete sentences that were looked at
    std::set<std::string> words_;
    bool ended_ = false, repeated_ = false;
};

}  // namespace s3attn

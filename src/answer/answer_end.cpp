#include "answer/answer_end.h"

#include <algorithm>

#include "retrieve/words.h"
#include "text/sentences.h"

namespace s3attn {
namespace {

constexpr size_t kFewestWords = 3;  // a sentence of fewer content words is no repetition

}  // namespace

// Whether the sentence has a content word that none before it had; takes its words in.
bool AnswerEnd::is_new(std::string_view sentence) {
    const std::vector<std::string> stems = content_word_set(sentence);
    bool brings = stems.size() < kFewestWords;
    for (const std::string& stem : stems) brings |= words_.insert(stem).second;
    return brings;
}

std::string AnswerEnd::feed(std::string_view piece) {
    if (most_ == 0) return std::string(piece);
    if (ended_) return {};
    text_ += piece;
    const auto sentences = split_sentences(text_);
    // The last one may go on.
    const size_t complete = sentences.empty() ? 0 : sentences.size() - 1;
    for (; seen_ < complete && !ended_; ++seen_) {
        const auto [begin, end] = sentences[seen_];
        repeated_ = !is_new(std::string_view(text_).substr(begin, end - begin));
        ended_ = repeated_ || seen_ + 1 == most_;
        if (ended_) text_.resize(end);
    }
    // White space waits for what follows it, so that none stands behind the last sentence.
    const size_t end = text_.find_last_not_of(" \t\r\n") + 1;
    if (end <= shown_) return {};
    const std::string out = text_.substr(shown_, end - shown_);
    shown_ += out.size();
    return out;
}

}  // namespace s3attn

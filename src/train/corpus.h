// Plain text in, prose paragraphs out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn {

struct CorpusFile {
    std::string name;  // without directory
    std::string hash;  // XXH3-128 of the bytes
    uint64_t bytes = 0;
    uint32_t paragraphs = 0;  // taken from it
};
struct ParagraphPlace {
    uint32_t file = 0;     // into Corpus::files
    uint32_t ordinal = 0;  // among the paragraphs taken from that file
};
struct Corpus {
    std::vector<std::string> paragraphs;  // prose of 45 to 220 words, distinct, shuffled
    std::vector<ParagraphPlace> places;   // of each paragraph
    std::vector<std::string> other;       // everything else (code, lists), shuffled blocks
    std::vector<CorpusFile> files;
};

// kNotFound / kIo / kUnsupported for a file that is missing, unreadable or not text.
Result<Corpus> read_corpus(const std::vector<std::string>& paths, uint64_t seed, ProgressSink& sink,
                           const CancelToken& cancel);

// "a @-@ b , c" -> "a-b, c": undoes the spaced punctuation of WikiText. Text that is not written
// that way comes back unchanged.
std::string join_spaced_punctuation(std::string_view text);
// Cuts the text of one unit of a document into prose paragraphs.
std::vector<std::string> prose_paragraphs(std::string_view unit);
// What white space divides; where a script is written without it (Chinese, Japanese, Thai ...),
// what ICU's dictionaries do.
uint32_t count_words(std::string_view text);
// A text for a word index that looks for spaces: scripts without them as ICU's words with spaces
// between. Other text comes back unchanged.
std::string with_spaces_between_words(std::string_view text);
// Whether no space belongs between a text that ends so and one that begins so.
bool joined_without_space(std::string_view before, std::string_view after);

struct ClozePair {
    std::string question;   // a sentence ...
    std::string paragraph;  // ... and its paragraph without it
    uint32_t source = 0;    // which paragraph that is
};
// At most `wanted` pairs from the first paragraphs that allow one (three sentences, one of them of
// 7 to 30 words).
std::vector<ClozePair> make_cloze_pairs(const std::vector<std::string>& paragraphs, uint32_t wanted,
                                        uint64_t seed);

}  // namespace s3attn

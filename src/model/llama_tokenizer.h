// llama.cpp's tokenizer with exact byte offsets, proved piece by piece against the text.
#pragma once

#include <llama.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/language_model.h"
#include "s3attn/result.h"

namespace s3attn {

class LlamaTokenizer final : public Tokenizer {
  public:
    // `vocab` must outlive the tokenizer; `model_name` is for messages. kUnsupported for
    // tokenizers whose pieces do not spell the text (WordPiece, Unigram, ...).
    static Result<std::unique_ptr<LlamaTokenizer>> make(const llama_vocab* vocab,
                                                        const std::string& model_name);

    Result<Tokens> tokenize(std::string_view text) const override;
    Result<uint32_t> count(std::string_view text) const override;

    std::string_view piece(int32_t id) const;

  private:
    LlamaTokenizer(const llama_vocab* vocab, std::string model_name);

    // Ids of one segment, and how many bytes of the pieces precede the text.
    struct Encoded {
        std::vector<int32_t> ids;
        size_t prefix = 0;
    };
    Result<Encoded> encode(std::string_view segment, bool first) const;
    Status append_offsets(std::string_view segment, const Encoded& encoded, uint64_t base,
                          Tokens& out) const;
    // Tokenizes a segment. Text that the vocabulary takes for a control token in spite of
    // parse_special = false (SPM merges up to "</s>"; user-defined end-of-turn tokens) is cut
    // apart, `depth` times at most, so that it stays text.
    Status append_segment(std::string_view segment, uint64_t base, int depth, Tokens& out) const;
    std::vector<size_t> control_cuts(std::string_view segment, const Encoded& encoded) const;
    // Same length; characters that the vocabulary cannot spell become '?'.
    std::string with_known_characters(std::string_view segment) const;
    bool is_control(int32_t id) const;

    const llama_vocab* vocab_;
    std::string model_name_;
    bool adds_space_ = false;  // the tokenizer puts a space in front of every text
    std::string pieces_;       // of all ids, one after another
    std::vector<uint32_t> piece_begin_;
};

// Same length, valid UTF-8: each byte that is not part of a valid character becomes '?'.
std::string with_valid_utf8(std::string_view text);

// Where the segment that starts at `begin` ends: at most kSegmentBytes on, preferably before a
// space between two letters (there every tokenizer cuts anyway), else after a newline, else
// between characters.
constexpr size_t kSegmentBytes = 64 * 1024;
size_t segment_end(std::string_view text, size_t begin);

}  // namespace s3attn

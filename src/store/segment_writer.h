// Writes one segment file front to back, holding two blocks of postings per slot.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "adapter/codes.h"
#include "s3attn/result.h"
#include "store/block_codec.h"
#include "store/output_file.h"
#include "store/segment_format.h"
#include "store/store.h"

namespace s3attn {

// What the catalogue keeps of a segment.
struct SegmentSummary {
    uint64_t base = 0, n_tokens = 0, n_postings = 0, bytes = 0;
    uint64_t checksum = 0;  // of the footer: stands for the whole file
};

// kInvalidArgument when a shape is outside the format's limits.
Status check_shape(const StoreShape& shape);
// kInvalidArgument when codes do not fit the shape or are not ascending and distinct per token.
Status check_codes(const StoreShape& shape, const CodeBatch& codes);

class SegmentWriter {
  public:
    static Result<std::unique_ptr<SegmentWriter>> create(const std::string& path, uint64_t base,
                                                         const StoreShape& shape);

    // Codes of the next tokens. All or nothing: codes that fail check_codes() leave no trace.
    Status add_codes(const CodeBatch& codes);

    // Posting by posting, for merges. `token` lies in [n_tokens(), n_tokens() + kBlockTokens) from
    // the last advance_to() on; per slot and feature, tokens ascend.
    void add_posting(uint32_t slot, uint64_t token, uint16_t feature, uint8_t activation);
    // All postings of tokens below `token` have been added; jumps over tokens without postings.
    Status advance_to(uint64_t token);

    uint64_t n_tokens() const { return n_tokens_; }
    // Writes directory and footer and syncs. Without finish() the file is removed.
    Result<SegmentSummary> finish();

  private:
    SegmentWriter(std::unique_ptr<OutputFile> file, uint64_t base, const StoreShape& shape);
    Status write_header();
    Status flush_block();

    std::unique_ptr<OutputFile> file_;
    uint64_t base_;
    StoreShape shape_;
    uint64_t n_tokens_ = 0;
    uint64_t block_begin_ = 0;  // first token of the block being filled
    uint64_t n_postings_ = 0;
    uint64_t header_checksum_ = 0;
    std::vector<std::array<std::vector<Posting>, 2>> slots_;  // [slot][this block, next block]
    std::vector<segment_format::DirectoryEntry> directory_;
    BlockEncoder encoder_;
    std::string block_;
};

}  // namespace s3attn

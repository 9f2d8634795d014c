// The codes of a store token by token: the postings turned back into what was added.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "adapter/codes.h"
#include "s3attn/result.h"
#include "store/segment.h"
#include "store/store.h"

namespace s3attn {

// Decodes one block at a time; fastest when positions ascend.
class CodeReader {
  public:
    // `segments` ascend by base and must outlive the reader.
    CodeReader(const StoreShape& shape, const std::vector<std::shared_ptr<const Segment>>& segments)
        : shape_(shape), segments_(segments) {}

    // Codes of the positions [begin, begin + n_tokens), which a segment must hold.
    Status read(uint64_t begin, uint32_t n_tokens, CodeBatch& codes);

  private:
    Status load_block(uint64_t position);

    StoreShape shape_;
    const std::vector<std::shared_ptr<const Segment>>& segments_;
    std::optional<uint64_t> block_begin_;  // position of the first token of block_
    CodeBatch block_;
    BlockScratch scratch_;
};

}  // namespace s3attn

// One immutable feature segment: per head slot, blocks of kBlockTokens positions; inside a block
// the postings are grouped by feature. docs/formats/segment.md specifies the bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "adapter/codes.h"
#include "s3attn/result.h"

namespace s3attn {

struct StoreShape;

inline constexpr uint32_t kBlockTokens = 16384;

// Postings of one (slot, block), grouped by feature: those of feature f are the indices
// [feature_begin[f], feature_begin[f + 1]) of position and activation, positions ascending.
// Valid while the Segment and the scratch it was read into live.
// Scorers work on several postings at a time: this many entries past the end of `position` and
// `activation` may be read, whatever they hold.
inline constexpr uint32_t kReadSlack = 16;
struct BlockView {
    uint32_t n_tokens = 0;                    // positions are < n_tokens
    std::span<const uint32_t> feature_begin;  // [latents + 1]
    std::span<const uint16_t> position;       // within the block
    std::span<const uint8_t> activation;      // never 0
};
// Where one list of an encoded block stands.
struct ListPlace {
    uint32_t offset = 0;  // from the block's begin
    uint16_t n = 0;       // postings
    uint8_t least = 0, greatest = 0;
};
// Arrays to read into, kept between reads; they may be longer than what they hold.
struct BlockScratch {
    std::vector<uint32_t> feature_begin;
    std::vector<uint16_t> position;
    std::vector<uint8_t> activation;
    std::vector<ListPlace> places;  // [latents]
};

class Segment {
  public:
    virtual ~Segment() = default;
    virtual uint64_t base() const = 0;  // global position of its first token
    virtual uint64_t n_tokens() const = 0;
    virtual uint32_t n_slots() const = 0;
    virtual uint32_t latents() const = 0;
    virtual uint32_t k() const = 0;
    virtual uint64_t n_postings() const = 0;
    virtual uint64_t bytes() const = 0;
    virtual uint32_t n_blocks() const = 0;  // ceil(n_tokens / kBlockTokens)
    // 0 for a block or slot that is not there.
    virtual uint32_t block_postings(uint32_t slot, uint32_t block) const = 0;
    // Decodes one block, every bound and the block's checksum verified. Thread-safe with one
    // scratch per thread.
    virtual Result<BlockView> read_block(uint32_t slot, uint32_t block,
                                         BlockScratch& scratch) const = 0;
    // The same, but only the lists of `features` (ascending, distinct, below latents()):
    // feature_begin has an entry for each of them and one more, so list i is features[i]'s.
    virtual Result<BlockView> read_features(uint32_t slot, uint32_t block,
                                            std::span<const uint32_t> features,
                                            BlockScratch& scratch) const = 0;
};

Result<std::shared_ptr<const Segment>> open_segment(const std::string& path);
// Writes codes as a segment file and syncs it; the caller renames and registers it.
Status write_segment(const std::string& path, uint64_t base, const StoreShape& shape,
                     const CodeBatch& codes);
// Whole-file check; kCorrupt names the first inconsistency and its byte offset.
Status verify_segment(const std::string& path);

}  // namespace s3attn

// A mapped segment file: what the store knows of a Segment beyond the interface of the scorers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/files.h"
#include "store/segment.h"
#include "store/segment_format.h"

namespace s3attn {

class SegmentFile final : public Segment {
  public:
    static Result<std::shared_ptr<SegmentFile>> open(const std::string& path);

    uint64_t base() const override { return header_.base; }
    uint64_t n_tokens() const override { return footer_.n_tokens; }
    uint32_t n_slots() const override { return header_.n_slots; }
    uint32_t latents() const override { return header_.latents; }
    uint32_t k() const override { return header_.k; }
    uint64_t n_postings() const override { return footer_.n_postings; }
    uint64_t bytes() const override { return footer_.file_bytes; }
    uint32_t n_blocks() const override;
    uint32_t block_postings(uint32_t slot, uint32_t block) const override;
    Result<BlockView> read_block(uint32_t slot, uint32_t block,
                                 BlockScratch& scratch) const override;
    Result<BlockView> read_features(uint32_t slot, uint32_t block,
                                    std::span<const uint32_t> features,
                                    BlockScratch& scratch) const override;

    uint64_t checksum() const { return footer_.checksum; }
    const std::string& path() const { return path_; }
    const std::shared_ptr<MappedFile>& file() const { return file_; }
    // Every block, with its checksum whatever was read before; at most k postings per token.
    Status verify() const;

  private:
    SegmentFile(std::string path, std::shared_ptr<MappedFile> file)
        : path_(std::move(path)), file_(std::move(file)) {}
    Status check_ends();
    Status check_directory() const;
    segment_format::DirectoryEntry entry(uint64_t index) const;
    Error corrupt(uint64_t offset, const std::string& what) const;
    uint32_t block_tokens(uint32_t block) const;
    // `features` null: all.
    Result<BlockView> read(uint32_t slot, uint32_t block, const std::span<const uint32_t>* features,
                           BlockScratch& scratch) const;

    std::string path_;
    std::shared_ptr<MappedFile> file_;
    segment_format::Header header_{};
    segment_format::Footer footer_{};
    // [block * n_slots + slot]: what was right once. Set by any thread; losing an update to
    // another thread's only means that something is checked again.
    static constexpr uint8_t kChecksum = 1, kContents = 2;
    std::unique_ptr<std::atomic<uint8_t>[]> verified_;
};

struct SegmentRow;

// Opens the segment that a row of the catalogue names; kCorrupt if it is missing or another one.
Result<std::shared_ptr<SegmentFile>> open_named_segment(const std::string& directory,
                                                        const SegmentRow& row,
                                                        const StoreShape& shape);

}  // namespace s3attn

#include <xxhash.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "store/block_codec.h"
#include "store/catalog.h"
#include "store/segment_file.h"

namespace s3attn {

using namespace segment_format;

namespace {
static_assert(sizeof(Footer) >= kDecodeSlack, "the last block may be read beyond its end");
}

Result<std::shared_ptr<SegmentFile>> SegmentFile::open(const std::string& path) {
    S3ATTN_TRY(auto file, MappedFile::open(path));
    std::shared_ptr<SegmentFile> segment(new SegmentFile(path, std::move(file)));
    S3ATTN_CHECK(segment->check_ends());
    S3ATTN_CHECK(segment->check_directory());
    const uint64_t blocks = static_cast<uint64_t>(segment->n_blocks()) * segment->n_slots();
    segment->verified_ = std::make_unique<std::atomic<uint8_t>[]>(blocks);
    return segment;
}

Error SegmentFile::corrupt(uint64_t offset, const std::string& what) const {
    return make_error(ErrorCode::kCorrupt,
                      "'" + path_ + "', byte " + std::to_string(offset) + ": " + what);
}

// Header and footer: enough to trust every number in them.
Status SegmentFile::check_ends() {
    const auto bytes = file_->bytes();
    if (bytes.size() < sizeof(Header) + sizeof(DirectoryEntry) + sizeof(Footer)) {
        return corrupt(bytes.size(), "too short for a segment");
    }
    header_ = load<Header>(bytes.data());
    if (!std::equal(std::begin(kMagic), std::end(kMagic), header_.magic)) {
        return corrupt(0, "not a segment file");
    }
    if (header_.version != kVersion) {
        return make_error(ErrorCode::kUnsupported,
                          "'" + path_ + "' has segment format " + std::to_string(header_.version) +
                              "; this program reads format " + std::to_string(kVersion) +
                              ": index the documents anew into a new store");
    }
    if (header_.checksum != XXH3_64bits(&header_, offsetof(Header, checksum))) {
        return corrupt(0, "the header does not match its checksum");
    }
    if (header_.flags != 0 || header_.reserved[0] != 0 || header_.reserved[1] != 0 ||
        header_.base >= kMaxPosition || header_.n_slots < 1 || header_.n_slots > kMaxSlots ||
        header_.latents < 1 || header_.latents > kMaxLatents || header_.k < 1 ||
        header_.k > kMaxK || header_.block_tokens != kBlockTokens) {
        return corrupt(0, "the header is out of the format's limits");
    }
    const uint64_t footer_at = bytes.size() - sizeof(Footer);
    footer_ = load<Footer>(bytes.data() + footer_at);
    if (!std::equal(std::begin(kEndMagic), std::end(kEndMagic), footer_.magic)) {
        return corrupt(footer_at, "the end of the segment is missing (truncated?)");
    }
    if (footer_.checksum != XXH3_64bits(&footer_, offsetof(Footer, checksum))) {
        return corrupt(footer_at, "the footer does not match its checksum");
    }
    if (footer_.file_bytes != bytes.size() || footer_.header_checksum != header_.checksum ||
        footer_.n_tokens < 1 || footer_.n_tokens > kMaxTokens ||
        footer_.n_tokens > kMaxPosition - header_.base || footer_.directory_offset > footer_at) {
        return corrupt(footer_at, "the footer does not belong to this file");
    }
    const uint64_t entries = static_cast<uint64_t>(n_blocks()) * header_.n_slots;
    const uint64_t directory_bytes = footer_at - footer_.directory_offset;
    if (directory_bytes / sizeof(DirectoryEntry) != entries ||
        directory_bytes % sizeof(DirectoryEntry) != 0) {
        return corrupt(footer_.directory_offset, "the directory has a wrong length");
    }
    return {};
}

Status SegmentFile::check_directory() const {
    const uint64_t footer_at = file_->bytes().size() - sizeof(Footer);
    const auto* directory = file_->bytes().data() + footer_.directory_offset;
    if (footer_.directory_checksum !=
        XXH3_64bits(directory, footer_at - footer_.directory_offset)) {
        return corrupt(footer_.directory_offset, "the directory does not match its checksum");
    }
    uint64_t end = sizeof(Header), postings = 0;
    const uint64_t entries = static_cast<uint64_t>(n_blocks()) * header_.n_slots;
    for (uint64_t i = 0; i < entries; ++i) {
        const DirectoryEntry e = entry(i);
        const uint64_t at = footer_.directory_offset + i * sizeof(DirectoryEntry);
        const auto block = static_cast<uint32_t>(i / header_.n_slots);
        if (e.offset != end || e.length > footer_.directory_offset - end) {
            return corrupt(at, "a block does not begin where the one before ends");
        }
        if ((e.length == 0) != (e.n_postings == 0) ||
            e.n_postings > static_cast<uint64_t>(block_tokens(block)) * header_.k) {
            return corrupt(at, "a block has an impossible number of postings");
        }
        end += e.length;
        postings += e.n_postings;
    }
    if (end != footer_.directory_offset || postings != footer_.n_postings) {
        return corrupt(footer_.directory_offset, "the directory does not add up");
    }
    return {};
}

uint32_t SegmentFile::n_blocks() const {
    return static_cast<uint32_t>((footer_.n_tokens + kBlockTokens - 1) / kBlockTokens);
}

uint32_t SegmentFile::block_tokens(uint32_t block) const {
    return static_cast<uint32_t>(std::min<uint64_t>(
        kBlockTokens, footer_.n_tokens - static_cast<uint64_t>(block) * kBlockTokens));
}

DirectoryEntry SegmentFile::entry(uint64_t index) const {
    return load<DirectoryEntry>(file_->bytes().data() + footer_.directory_offset +
                                index * sizeof(DirectoryEntry));
}

uint32_t SegmentFile::block_postings(uint32_t slot, uint32_t block) const {
    if (slot >= n_slots() || block >= n_blocks()) return 0;
    return entry(static_cast<uint64_t>(block) * n_slots() + slot).n_postings;
}

Result<BlockView> SegmentFile::read_block(uint32_t slot, uint32_t block,
                                          BlockScratch& scratch) const {
    return read(slot, block, nullptr, scratch);
}

Result<BlockView> SegmentFile::read_features(uint32_t slot, uint32_t block,
                                             std::span<const uint32_t> features,
                                             BlockScratch& scratch) const {
    return read(slot, block, &features, scratch);
}

Result<BlockView> SegmentFile::read(uint32_t slot, uint32_t block,
                                    const std::span<const uint32_t>* features,
                                    BlockScratch& scratch) const {
    if (slot >= n_slots() || block >= n_blocks()) {
        return make_error(ErrorCode::kInvalidArgument, "'" + path_ + "' has no block " +
                                                           std::to_string(block) + " of slot " +
                                                           std::to_string(slot));
    }
    const uint64_t index = static_cast<uint64_t>(block) * n_slots() + slot;
    const DirectoryEntry e = entry(index);
    // The map may have changed since open(): bounds again, they cost nothing.
    if (e.offset > footer_.directory_offset || e.length > footer_.directory_offset - e.offset ||
        e.n_postings > static_cast<uint64_t>(kBlockTokens) * k()) {
        return corrupt(footer_.directory_offset + index * sizeof e, "the directory changed");
    }
    const uint32_t tokens = block_tokens(block);
    if (e.length == 0) {
        scratch.feature_begin.assign((features ? features->size() : latents()) + 1, 0);
        scratch.position.resize(std::max<size_t>(scratch.position.size(), kReadSlack));
        scratch.activation.resize(std::max<size_t>(scratch.activation.size(), kReadSlack));
        return BlockView{tokens, scratch.feature_begin, std::span(scratch.position).first(0),
                         std::span(scratch.activation).first(0)};
    }
    const EncodedBlock encoded{reinterpret_cast<const uint8_t*>(file_->bytes().data()) + e.offset,
                               e.length, latents(), tokens, e.n_postings};
    const auto failed = [&](const char* what) {
        return corrupt(e.offset, "block " + std::to_string(block) + " of slot " +
                                     std::to_string(slot) + " " + what);
    };
    // Contents are checked by whoever decodes all of them first; the checksum by the first reader.
    const uint8_t known = verified_[index].load(std::memory_order_relaxed);
    if (known == 0 && XXH3_64bits(encoded.data, encoded.length) != e.checksum) {
        return failed("does not match its checksum");
    }
    const bool check = !features && known != kContents;
    const char* problem = features ? decode_features(encoded, *features, scratch)
                                   : decode_block(encoded, check, scratch);
    if (problem) return failed(problem);
    if (check || known == 0) {
        verified_[index].store(check ? kContents : kChecksum, std::memory_order_relaxed);
    }
    const uint32_t n = scratch.feature_begin.back();
    return BlockView{tokens, scratch.feature_begin, std::span(scratch.position).first(n),
                     std::span(scratch.activation).first(n)};
}

Status SegmentFile::verify() const {
    BlockScratch scratch;
    std::vector<uint16_t> per_token;
    for (uint32_t block = 0; block < n_blocks(); ++block) {
        for (uint32_t slot = 0; slot < n_slots(); ++slot) {
            const uint64_t index = static_cast<uint64_t>(block) * n_slots() + slot;
            verified_[index].store(0, std::memory_order_relaxed);
            S3ATTN_TRY(const BlockView view, read_block(slot, block, scratch));
            per_token.assign(view.n_tokens, 0);
            for (const uint16_t position : view.position) {
                if (++per_token[position] > k()) {
                    return corrupt(entry(index).offset,
                                   "block " + std::to_string(block) + " of slot " +
                                       std::to_string(slot) + " has more than " +
                                       std::to_string(k()) + " postings at position " +
                                       std::to_string(position));
                }
            }
        }
    }
    return {};
}

Result<std::shared_ptr<SegmentFile>> open_named_segment(const std::string& directory,
                                                        const SegmentRow& row,
                                                        const StoreShape& shape) {
    const std::string path = directory + "/" + row.file;
    S3ATTN_TRY(auto segment, SegmentFile::open(path));
    if (segment->checksum() != row.checksum || segment->base() != row.base ||
        segment->n_tokens() != row.n_tokens || segment->bytes() != row.bytes) {
        return make_error(ErrorCode::kCorrupt,
                          "'" + path + "' is not the segment that the catalogue names");
    }
    if (segment->n_slots() != shape.n_slots || segment->latents() != shape.latents ||
        segment->k() != shape.k) {
        return make_error(ErrorCode::kCorrupt,
                          "'" + path + "' has other slots, latents or k than its store");
    }
    return segment;
}

Result<std::shared_ptr<const Segment>> open_segment(const std::string& path) {
    S3ATTN_TRY(std::shared_ptr<const Segment> segment, SegmentFile::open(path));
    return segment;
}

Status verify_segment(const std::string& path) {
    S3ATTN_TRY(const auto segment, SegmentFile::open(path));
    return segment->verify();
}

}  // namespace s3attn

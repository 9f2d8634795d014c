#include "store/segment_writer.h"

#include <xxhash.h>

#include <algorithm>
#include <cstddef>

#include "store/segment.h"

namespace s3attn {

using namespace segment_format;

namespace {

template <class T>
std::string_view bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

}  // namespace

Status check_shape(const StoreShape& shape) {
    const auto outside = [](const char* name, uint32_t value, uint32_t limit) {
        return make_error(ErrorCode::kInvalidArgument,
                          std::string("the adapter has ") + name + " = " + std::to_string(value) +
                              "; a store takes 1 to " + std::to_string(limit));
    };
    if (shape.n_slots < 1 || shape.n_slots > kMaxSlots) {
        return outside("head slots", shape.n_slots, kMaxSlots);
    }
    if (shape.latents < 1 || shape.latents > kMaxLatents) {
        return outside("latents", shape.latents, kMaxLatents);
    }
    if (shape.k < 1 || shape.k > kMaxK) return outside("k", shape.k, kMaxK);
    return {};
}

Status check_codes(const StoreShape& shape, const CodeBatch& codes) {
    const auto bad = [](const std::string& what) {
        return make_error(ErrorCode::kInvalidArgument, "codes cannot be stored: " + what);
    };
    if (codes.n_slots != shape.n_slots || codes.k != shape.k) {
        return bad("they have " + std::to_string(codes.n_slots) +
                   " slots of k = " + std::to_string(codes.k) + ", the store has " +
                   std::to_string(shape.n_slots) + " of k = " + std::to_string(shape.k));
    }
    const uint64_t n = static_cast<uint64_t>(codes.n_tokens) * codes.n_slots * codes.k;
    if (codes.feature.size() != n || codes.activation.size() != n) {
        return bad("the arrays do not have n_tokens x n_slots x k entries");
    }
    for (uint64_t group = 0; group < n; group += codes.k) {
        int32_t previous = -1;
        for (uint64_t i = group; i < group + codes.k; ++i) {
            if (codes.activation[i] == 0) continue;
            const int32_t feature = codes.feature[i];
            if (feature >= static_cast<int32_t>(shape.latents)) {
                return bad("feature " + std::to_string(feature) + " of token " +
                           std::to_string(i / codes.k / codes.n_slots) + " is not below " +
                           std::to_string(shape.latents));
            }
            if (feature <= previous) {
                return bad("the features of token " + std::to_string(i / codes.k / codes.n_slots) +
                           " are not ascending and distinct");
            }
            previous = feature;
        }
    }
    return {};
}

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::create(const std::string& path, uint64_t base,
                                                             const StoreShape& shape) {
    S3ATTN_CHECK(check_shape(shape));
    if (base >= kMaxPosition) {
        return make_error(ErrorCode::kInvalidArgument, "the store has no positions left");
    }
    S3ATTN_TRY(auto file, OutputFile::create(path));
    std::unique_ptr<SegmentWriter> writer(new SegmentWriter(std::move(file), base, shape));
    S3ATTN_CHECK(writer->write_header());
    return writer;
}

SegmentWriter::SegmentWriter(std::unique_ptr<OutputFile> file, uint64_t base,
                             const StoreShape& shape)
    : file_(std::move(file)), base_(base), shape_(shape), slots_(shape.n_slots) {}

Status SegmentWriter::write_header() {
    Header header{};
    std::copy(std::begin(kMagic), std::end(kMagic), header.magic);
    header.version = kVersion;
    header.base = base_;
    header.n_slots = shape_.n_slots;
    header.latents = shape_.latents;
    header.k = shape_.k;
    header.block_tokens = kBlockTokens;
    header.checksum = XXH3_64bits(&header, offsetof(Header, checksum));
    header_checksum_ = header.checksum;
    return file_->write(bytes_of(header));
}

Status SegmentWriter::add_codes(const CodeBatch& codes) {
    S3ATTN_CHECK(check_codes(shape_, codes));
    for (uint32_t t = 0; t < codes.n_tokens; ++t) {
        for (uint32_t slot = 0; slot < shape_.n_slots; ++slot) {
            const size_t group = (static_cast<size_t>(t) * shape_.n_slots + slot) * shape_.k;
            for (size_t i = group; i < group + shape_.k; ++i) {
                if (codes.activation[i] == 0) continue;
                add_posting(slot, n_tokens_, codes.feature[i], codes.activation[i]);
            }
        }
        S3ATTN_CHECK(advance_to(n_tokens_ + 1));
    }
    return {};
}

void SegmentWriter::add_posting(uint32_t slot, uint64_t token, uint16_t feature,
                                uint8_t activation) {
    const uint64_t in_block = token - block_begin_;  // < 2 * kBlockTokens
    slots_[slot][in_block / kBlockTokens].push_back(
        {static_cast<uint16_t>(in_block % kBlockTokens), feature, activation});
}

Status SegmentWriter::advance_to(uint64_t token) {
    if (token > kMaxTokens || token > kMaxPosition - base_) {
        return make_error(ErrorCode::kInvalidArgument,
                          "'" + file_->path() + "': a segment holds at most " +
                              std::to_string(kMaxTokens) + " tokens; commit more often");
    }
    n_tokens_ = token;
    while (token - block_begin_ >= kBlockTokens) S3ATTN_CHECK(flush_block());
    return {};
}

Status SegmentWriter::flush_block() {
    const auto tokens =
        static_cast<uint32_t>(std::min<uint64_t>(kBlockTokens, n_tokens_ - block_begin_));
    for (auto& [current, next] : slots_) {
        block_.clear();
        if (!encoder_.encode(current, shape_.latents, tokens, block_)) {
            return make_error(ErrorCode::kInternal,
                              "'" + file_->path() + "': a feature stands twice at one position");
        }
        directory_.push_back({file_->size(), static_cast<uint32_t>(block_.size()),
                              static_cast<uint32_t>(current.size()),
                              XXH3_64bits(block_.data(), block_.size())});
        n_postings_ += current.size();
        S3ATTN_CHECK(file_->write(block_));
        current.clear();
        std::swap(current, next);
    }
    block_begin_ += kBlockTokens;
    return {};
}

Result<SegmentSummary> SegmentWriter::finish() {
    if (n_tokens_ == 0) {
        return make_error(ErrorCode::kInvalidArgument,
                          "'" + file_->path() + "': a segment without tokens cannot be written");
    }
    if (n_tokens_ > block_begin_) S3ATTN_CHECK(flush_block());
    Footer footer{};
    footer.n_tokens = n_tokens_;
    footer.n_postings = n_postings_;
    footer.directory_offset = file_->size();
    const size_t directory_bytes = directory_.size() * sizeof(DirectoryEntry);
    footer.directory_checksum = XXH3_64bits(directory_.data(), directory_bytes);
    footer.header_checksum = header_checksum_;
    footer.file_bytes = file_->size() + directory_bytes + sizeof(Footer);
    footer.checksum = XXH3_64bits(&footer, offsetof(Footer, checksum));
    std::copy(std::begin(kEndMagic), std::end(kEndMagic), footer.magic);
    S3ATTN_CHECK(file_->write({reinterpret_cast<const char*>(directory_.data()), directory_bytes}));
    S3ATTN_CHECK(file_->write(bytes_of(footer)));
    S3ATTN_CHECK(file_->finish());
    return SegmentSummary{base_, n_tokens_, n_postings_, footer.file_bytes, footer.checksum};
}

Status write_segment(const std::string& path, uint64_t base, const StoreShape& shape,
                     const CodeBatch& codes) {
    S3ATTN_TRY(auto writer, SegmentWriter::create(path, base, shape));
    S3ATTN_CHECK(writer->add_codes(codes));
    S3ATTN_TRY([[maybe_unused]] auto summary, writer->finish());
    return {};
}

}  // namespace s3attn

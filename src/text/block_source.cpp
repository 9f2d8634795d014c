#include "text/block_source.h"

#include <algorithm>

namespace s3attn::text {

BlockSource::BlockSource(TextWindow& window, const UnitLimits& limits, std::vector<Block> blocks,
                         std::string path)
    : window_(window), limits_(limits), blocks_(std::move(blocks)), path_(std::move(path)) {}

Result<bool> BlockSource::next(Piece& piece) {
    piece = Piece{};
    if (!splitting_) return begin_block(piece);
    S3ATTN_TRY(const SpaceRun space, skip_space(window_, position_, path_));
    position_ += space.length;
    const Block& block = blocks_[index_];
    if (position_ >= block.end) {
        splitting_ = false;
        ++index_;
        return begin_block(piece);
    }
    return cut(piece, block.end);
}

Result<bool> BlockSource::begin_block(Piece& piece) {
    if (index_ == blocks_.size()) return false;
    const Block& block = blocks_[index_];
    S3ATTN_CHECK(window_.ensure(std::min(block.end, block.begin + limits_.max_bytes)));
    piece.barrier = block.barrier;
    piece.columns = block.columns;
    const size_t most = block.table ? limits_.target_bytes + limits_.min_bytes : limits_.max_bytes;
    if (block.end - block.begin <= std::min(most, limits_.max_bytes)) {
        piece.begin = block.begin;
        piece.end = block.end;
        piece.heading = block.heading;
        piece.level = block.level;
        piece.cut = block.part;
        ++index_;
        return true;
    }
    splitting_ = true;
    position_ = block.begin;
    return cut(piece, block.end);
}

Result<bool> BlockSource::cut(Piece& piece, uint64_t end) {
    const size_t limit = block_lookahead(limits_);
    const bool lines = blocks_[index_].lines;
    piece.columns = blocks_[index_].columns;
    uint64_t stop = std::min<uint64_t>(end, position_ + limit);
    bool complete = stop == end;
    if (lines) {
        S3ATTN_TRY(const RegionEnd line, find_region_end(window_, position_, limit, 1, false));
        if (line.found && line.end <= end) {
            stop = line.end;
            complete = true;
        }
    }
    S3ATTN_CHECK(window_.ensure(stop + 4));
    std::string_view text = window_.view(position_, stop + (complete ? 0 : 4));
    if (!complete) text = text.substr(0, character_boundary(text, limit));
    piece.begin = position_;
    if (lines && complete && text.size() <= limits_.max_bytes) {
        piece.end = position_ = stop;
        return true;
    }
    const size_t length = first_block_length(text, complete, limits_);
    piece.cut = true;
    piece.end = position_ = position_ + length;
    return true;
}

}  // namespace s3attn::text

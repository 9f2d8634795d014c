// Pieces from blocks whose places are known beforehand (Markdown, HTML, DOCX, EPUB).
#pragma once

#include <memory>
#include <vector>

#include "text/units.h"

namespace s3attn::text {

struct Block {
    uint64_t begin = 0, end = 0;  // text positions, trimmed, in order
    bool heading = false;
    bool lines = false;    // too long for one unit: cut at line ends (code, tables), not sentences
    bool barrier = false;  // begins a chapter: never packed with what is in front
    bool part = false;     // of a table: never packed with what follows
    uint8_t level = 0;     // of a heading, 1 the highest; 0: not known
    bool table = false;    // with `lines`: rows, cut apart where they are more than a unit's worth
    std::shared_ptr<const std::string> columns = {};  // their names, "City | Year"
};

class BlockSource : public PieceSource {
  public:
    BlockSource(TextWindow& window, const UnitLimits& limits, std::vector<Block> blocks,
                std::string path);
    Result<bool> next(Piece& piece) override;

  private:
    Result<bool> begin_block(Piece& piece);
    Result<bool> cut(Piece& piece, uint64_t end);

    TextWindow& window_;
    UnitLimits limits_;
    std::vector<Block> blocks_;
    std::string path_;
    size_t index_ = 0;
    uint64_t position_ = 0;  // inside blocks_[index_] when splitting_
    bool splitting_ = false;
};

}  // namespace s3attn::text

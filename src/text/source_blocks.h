// Texts whose source is read as it stands, cut into blocks by the rules of their markup:
// reStructuredText, Org, LaTeX, source code, Markdown.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "text/block_source.h"
#include "text/formats.h"

namespace s3attn::text {

// A line without its line end.
struct SourceLine {
    std::string_view text;
    uint64_t begin = 0;  // in the whole text
    size_t indent = 0;   // bytes of white space in front
    bool blank = false;
    uint64_t end() const { return begin + text.size(); }
};
std::vector<SourceLine> source_lines(std::string_view text);

// Blocks from ranges of lines. Every line is given once and in order; blank ones around a block are
// no part of it.
class LineBlocks {
  public:
    explicit LineBlocks(const std::vector<SourceLine>& lines) : lines_(lines) {}
    // Lines [first, last) as one block.
    void add(size_t first, size_t last, const Block& kind = {});
    std::vector<Block> take() { return std::move(blocks_); }

  private:
    const std::vector<SourceLine>& lines_;
    std::vector<Block> blocks_;
};

using BlockFinder = std::function<Result<std::vector<Block>>(
    std::string_view text, const UnitLimits& limits, DocumentHeader& header)>;
// Finds the blocks of the whole text, then streams it from the file. What is larger than the limit
// of formats that are parsed whole is read as plain text, with a note that says `name`.
OpenResult open_in_blocks(OpenRequest request, const std::string& name, const BlockFinder& find);

}  // namespace s3attn::text

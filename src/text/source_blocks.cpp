#include "text/source_blocks.h"

#include <algorithm>

#include "text/encoding.h"
#include "text/html.h"
#include "text/unit_reader.h"

namespace s3attn::text {

std::vector<SourceLine> source_lines(std::string_view text) {
    std::vector<SourceLine> lines;
    size_t begin = 0;
    while (begin < text.size()) {
        const size_t end = std::min(text.find_first_of("\r\n", begin), text.size());
        SourceLine line;
        line.text = text.substr(begin, end - begin);
        line.begin = begin;
        line.indent = std::min(line.text.find_first_not_of(" \t\f"), line.text.size());
        line.blank = trim(line.text).empty();
        lines.push_back(line);
        const bool two = end + 1 < text.size() && text[end] == '\r' && text[end + 1] == '\n';
        begin = end + (two ? 2 : 1);
    }
    return lines;
}

void LineBlocks::add(size_t first, size_t last, const Block& kind) {
    while (first < last && lines_[first].blank) ++first;
    while (last > first && lines_[last - 1].blank) --last;
    if (first == last) return;
    Block block = kind;
    const std::string_view front = trim(lines_[first].text);
    block.begin =
        lines_[first].begin + static_cast<uint64_t>(front.data() - lines_[first].text.data());
    const std::string_view back = trim_end(lines_[last - 1].text);
    block.end = lines_[last - 1].begin + back.size();
    blocks_.push_back(block);
}

OpenResult open_in_blocks(OpenRequest request, const std::string& name, const BlockFinder& find) {
    S3ATTN_TRY(const TextEncoding encoding, find_encoding(*request.source));
    const uint64_t most = request.options.max_parse_bytes;
    if (encoding.source_bytes > most) {
        add_note(request.header.notes, {ReadNote::Kind::kConverted,
                                        {},
                                        0,
                                        "larger than " + std::to_string(most) +
                                            " bytes: read as plain text, not as " + name});
        return open_text(std::move(request));
    }
    S3ATTN_TRY(const std::string text, decode_whole(*request.source, {}, most, request.header));
    const UnitLimits limits = unit_limits(request.options);
    S3ATTN_TRY(std::vector<Block> blocks, find(text, limits, request.header));
    S3ATTN_TRY(std::unique_ptr<Decoder> decoder, make_decoder(encoding));
    auto window = std::make_unique<TextWindow>(request.source, encoding.bom_bytes,
                                               std::move(decoder), request.window_bytes);
    auto pieces =
        std::make_unique<BlockSource>(*window, limits, std::move(blocks), request.header.path);
    return std::unique_ptr<DocumentReader>(
        std::make_unique<UnitReader>(std::move(request.header), std::move(window),
                                     std::move(pieces), limits, Place::kCountLines));
}

}  // namespace s3attn::text

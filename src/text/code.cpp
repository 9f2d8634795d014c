// Source code: units end at blank lines and where definitions begin, never inside a line.
#include <algorithm>
#include <array>

#include "text/source_blocks.h"

namespace s3attn::text {
namespace {

// Words that begin a definition in one language or another.
bool defines(std::string_view line) {
    static constexpr std::array<std::string_view, 34> kWords = {
        "def",      "class",     "async",    "fn",        "pub",     "func",      "function",
        "fun",      "struct",    "enum",     "impl",      "trait",   "interface", "namespace",
        "template", "public",    "private",  "protected", "export",  "abstract",  "final",
        "sub",      "module",    "package",  "type",      "typedef", "union",     "CREATE",
        "create",   "procedure", "protocol", "extension", "object",  "static"};
    const std::string_view text = trim(line);
    const size_t end = std::min(text.find_first_of(" \t(<"), text.size());
    return end < text.size() &&
           std::find(kWords.begin(), kWords.end(), text.substr(0, end)) != kWords.end();
}

// Comments and decorators that stand above a definition.
bool leads(std::string_view line) {
    const std::string_view text = trim(line);
    for (const std::string_view sign : {"#", "//", "/*", "*", "@", "--", "[["}) {
        if (text.starts_with(sign)) return true;
    }
    return false;
}

std::vector<Block> find_code(std::string_view text) {
    const std::vector<SourceLine> lines = source_lines(text);
    LineBlocks out(lines);
    Block kind;
    kind.lines = true;
    size_t first = 0;
    const auto end_at = [&](size_t end) {
        out.add(first, end, kind);
        first = end;
    };
    for (size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].blank) {
            end_at(i);
        } else if (i > first && defines(lines[i].text)) {
            size_t begin = i;
            while (begin > first && leads(lines[begin - 1].text)) --begin;
            end_at(begin);
        }
    }
    end_at(lines.size());
    return out.take();
}

}  // namespace

OpenResult open_code(OpenRequest request) {
    return open_in_blocks(
        std::move(request), "source code",
        [](std::string_view text, const UnitLimits&,
           DocumentHeader&) -> Result<std::vector<Block>> { return find_code(text); });
}

}  // namespace s3attn::text

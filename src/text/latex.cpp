// LaTeX: sections, and environments that stay whole; the text is the source.
#include <algorithm>
#include <array>

#include "text/source_blocks.h"

namespace s3attn::text {
namespace {

// 1 for \part; 0: the line begins no section.
uint8_t section_level(std::string_view line) {
    static constexpr std::array<std::string_view, 7> kSections = {
        "\\part",          "\\chapter",   "\\section",     "\\subsection",
        "\\subsubsection", "\\paragraph", "\\subparagraph"};
    for (size_t i = 0; i < kSections.size(); ++i) {
        if (!line.starts_with(kSections[i])) continue;
        const std::string_view rest = line.substr(kSections[i].size());
        if (rest.starts_with("{") || rest.starts_with("*{") || rest.starts_with("[")) {
            return static_cast<uint8_t>(i + 1);
        }
    }
    return 0;
}

// Tables, code and formulas: "\begin{tabular}" -> "tabular"; "" for others.
std::string_view whole_environment(std::string_view line) {
    static constexpr std::array<std::string_view, 14> kWhole = {
        "verbatim", "lstlisting", "minted", "table",  "tabular",     "longtable", "tabularx",
        "equation", "align",      "gather", "figure", "tikzpicture", "algorithm", "multline"};
    constexpr std::string_view kBegin = "\\begin{";
    if (!line.starts_with(kBegin)) return {};
    const std::string_view name = line.substr(kBegin.size(), line.find('}') - kBegin.size());
    std::string_view plain = name;
    if (plain.ends_with('*')) plain.remove_suffix(1);
    return std::find(kWhole.begin(), kWhole.end(), plain) != kWhole.end() ? name
                                                                          : std::string_view{};
}

class LatexBlocks {
  public:
    explicit LatexBlocks(std::string_view text) : lines_(source_lines(text)), out_(lines_) {}

    std::vector<Block> find() {
        size_t first = 0;  // of the paragraph
        for (size_t i = 0; i < lines_.size();) {
            const std::string_view line = trim(lines_[i].text);
            const uint8_t level = section_level(line);
            const std::string_view environment = whole_environment(line);
            if (!lines_[i].blank && level == 0 && environment.empty()) {
                ++i;
                continue;
            }
            out_.add(first, i);
            if (level > 0) {
                Block heading;
                heading.heading = line.ends_with('}') || line.find("}%") != line.npos ||
                                  line.find("}\\label") != line.npos;
                heading.level = level;
                const size_t end = title_end(i);
                out_.add(i, end, heading);
                i = end;
            } else if (!environment.empty()) {
                Block whole;
                whole.lines = true;
                const size_t end = end_of(i, environment);
                out_.add(i, end, whole);
                i = end;
            } else {
                ++i;
            }
            first = i;
        }
        out_.add(first, lines_.size());
        return out_.take();
    }

  private:
    // A title may go on over some lines.
    size_t title_end(size_t first) const {
        int depth = 0;
        for (size_t i = first; i < std::min(first + 5, lines_.size()); ++i) {
            if (lines_[i].blank) return std::max(i, first + 1);
            for (const char c : lines_[i].text) depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            if (depth <= 0) return i + 1;
        }
        return first + 1;
    }

    size_t end_of(size_t first, std::string_view environment) const {
        const std::string end = "\\end{" + std::string(environment) + "}";
        for (size_t i = first; i < lines_.size(); ++i) {
            if (lines_[i].text.find(end) != std::string_view::npos) return i + 1;
        }
        return first + 1;
    }

    std::vector<SourceLine> lines_;
    LineBlocks out_;
};

}  // namespace

OpenResult open_latex(OpenRequest request) {
    return open_in_blocks(
        std::move(request), "LaTeX",
        [](std::string_view text, const UnitLimits&,
           DocumentHeader&) -> Result<std::vector<Block>> { return LatexBlocks(text).find(); });
}

}  // namespace s3attn::text

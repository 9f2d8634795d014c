// reStructuredText: titles, literal blocks and tables; the text is the source.
#include <algorithm>

#include "base/utf8.h"
#include "text/document_info.h"
#include "text/source_blocks.h"

namespace s3attn::text {
namespace {

// Whether a line is an underline: one mark of punctuation, again and again.
bool is_rule(std::string_view line) {
    constexpr std::string_view kMarks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
    line = trim_end(line);
    return line.size() >= 2 && kMarks.find(line.front()) != kMarks.npos &&
           line.find_first_not_of(line.front()) == line.npos;
}

// Characters, so that an underline of a title in Greek is long enough.
size_t width(std::string_view text) {
    return static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return !utf8_continues(c); }));
}

bool is_table_rule(std::string_view line) {
    line = trim(line);
    return line.size() >= 4 && (line.front() == '+' || line.front() == '=') &&
           line.find_first_not_of("+-= ") == line.npos;
}

class RstBlocks {
  public:
    explicit RstBlocks(std::string_view text) : lines_(source_lines(text)), out_(lines_) {}

    std::vector<Block> find() {
        for (size_t i = 0; i < lines_.size();) {
            if (lines_[i].blank) {
                ++i;
            } else if (const size_t title = title_length(i); title > 0) {
                Block heading;
                heading.heading = true;
                heading.level = level_;
                out_.add(i, i + title, heading);
                i += title;
            } else {
                i = add_body(i);
            }
        }
        return out_.take();
    }

  private:
    // Lines of a title that begins at `i`: 2, or 3 with a line above it; 0: there is none.
    size_t title_length(size_t i) {
        const auto fits = [&](size_t text, size_t rule) {
            return rule < lines_.size() && !lines_[text].blank && !is_rule(lines_[text].text) &&
                   is_rule(lines_[rule].text) && lines_[rule].indent == 0 &&
                   width(trim_end(lines_[rule].text)) + 1 >= width(trim(lines_[text].text));
        };
        if (i + 2 < lines_.size() && is_rule(lines_[i].text) && fits(i + 1, i + 2) &&
            lines_[i].text.front() == lines_[i + 2].text.front()) {
            set_level(std::string(2, lines_[i].text.front()));
            return 3;
        }
        const bool alone = i == 0 || lines_[i - 1].blank;
        if (alone && lines_[i].indent == 0 && fits(i, i + 1) &&
            lines_[i + 1].text.find_first_of(" ") == std::string_view::npos) {
            set_level(std::string(1, lines_[i + 1].text.front()));
            return 2;
        }
        return 0;
    }

    // Titles of one look are of one level, in the order in which they come.
    void set_level(const std::string& look) {
        auto known = std::find(looks_.begin(), looks_.end(), look);
        if (known == looks_.end()) known = looks_.insert(looks_.end(), look);
        level_ = static_cast<uint8_t>(std::min<size_t>(known - looks_.begin() + 1, 255));
    }

    // A paragraph, with the indented text that belongs to a directive or follows a "::".
    size_t add_body(size_t first) {
        size_t last = first;
        const bool table = is_table_rule(lines_[first].text);
        while (last < lines_.size() && !lines_[last].blank) ++last;
        const bool directive = lines_[first].text.substr(lines_[first].indent).starts_with("..");
        const bool literal = trim_end(lines_[last - 1].text).ends_with("::");
        Block block;
        block.lines = table || directive;
        if (directive || literal) {
            const size_t indent = directive ? lines_[first].indent : lines_[last - 1].indent;
            size_t inside = last;
            for (size_t i = last; i < lines_.size(); ++i) {
                if (lines_[i].blank) continue;
                if (lines_[i].indent <= indent) break;
                inside = i + 1;
            }
            block.lines = block.lines || inside > last;
            last = std::max(last, inside);
        }
        out_.add(first, last, block);
        return last;
    }

    std::vector<SourceLine> lines_;
    LineBlocks out_;
    std::vector<std::string> looks_;
    uint8_t level_ = 0;
};

}  // namespace

OpenResult open_rst(OpenRequest request) {
    return open_in_blocks(
        std::move(request), "reStructuredText",
        [](std::string_view text, const UnitLimits&,
           DocumentHeader& header) -> Result<std::vector<Block>> {
            read_field_lines(text, ":", header);
            return RstBlocks(text).find();
        });
}

}  // namespace s3attn::text

// Org: headlines, blocks, drawers and tables; the text is the source.
#include <algorithm>

#include "text/document_info.h"
#include "text/source_blocks.h"

namespace s3attn::text {
namespace {

std::string lower(std::string_view text) {
    std::string copy(text);
    for (char& c : copy) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return copy;
}

class OrgBlocks {
  public:
    explicit OrgBlocks(std::string_view text) : lines_(source_lines(text)), out_(lines_) {}

    std::vector<Block> find() {
        for (size_t i = 0; i < lines_.size();) {
            const std::string_view line = lines_[i].text;
            const size_t stars = std::min(line.find_first_not_of('*'), line.size());
            if (lines_[i].blank) {
                ++i;
            } else if (stars > 0 && stars < line.size() && line[stars] == ' ') {
                Block heading;
                heading.heading = true;
                heading.level = static_cast<uint8_t>(std::min<size_t>(stars, 255));
                out_.add(i, i + 1, heading);
                ++i;
            } else {
                i = add_body(i);
            }
        }
        return out_.take();
    }

  private:
    // Behind the line that ends what begins at `first`, as far as there is one.
    size_t end_of(size_t first, const std::string& end) const {
        for (size_t i = first + 1; i < lines_.size(); ++i) {
            if (lower(trim(lines_[i].text)).starts_with(end)) return i + 1;
        }
        return first;
    }

    size_t add_body(size_t first) {
        const std::string line = lower(trim(lines_[first].text));
        size_t last = first;
        Block block;
        if (line.starts_with("#+begin_")) {
            const size_t word = std::min(line.find_first_of(" \t"), line.size());
            last = end_of(first, "#+end_" + line.substr(8, word - 8));
        } else if (line == ":properties:" || line == ":logbook:") {
            last = end_of(first, ":end:");
        }
        block.lines = last > first || line.front() == '|' || line.starts_with("#+");
        if (last == first) {
            last = first + 1;
            const bool table = line.front() == '|';
            while (last < lines_.size() && !lines_[last].blank &&
                   lines_[last].text.front() != '*' &&
                   (trim(lines_[last].text).front() == '|') == table &&
                   !lower(trim(lines_[last].text)).starts_with("#+begin_")) {
                ++last;
            }
        }
        out_.add(first, last, block);
        return last;
    }

    std::vector<SourceLine> lines_;
    LineBlocks out_;
};

}  // namespace

OpenResult open_org(OpenRequest request) {
    return open_in_blocks(
        std::move(request), "Org",
        [](std::string_view text, const UnitLimits&,
           DocumentHeader& header) -> Result<std::vector<Block>> {
            read_field_lines(text, "#+", header);
            return OrgBlocks(text).find();
        });
}

}  // namespace s3attn::text

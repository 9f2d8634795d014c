#include "text/pdf_text.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include "text/pdf_line_end.h"
#include "text/pdf_noise.h"
#include "text/whitespace.h"

namespace s3attn::text {
namespace {

constexpr size_t kFlushBytes = 1 << 16;

// What one look at all pages tells.
struct Survey {
    PdfFurniture furniture;
    WordsOfDocument words;
};

Result<Survey> survey(const std::shared_ptr<SourceFile>& layout, uint64_t most_bytes) {
    Survey found;
    PdfLayout pages(layout, most_bytes);
    PdfPage page;
    for (;;) {
        S3ATTN_TRY(const bool any, pages.next(page));
        if (!any) break;
        found.furniture.add(page);
        for (const PdfLine& line : page.lines) found.words.add(line);
    }
    found.furniture.finish();
    return found;
}

class PdfTextWriter {
  public:
    PdfTextWriter(const Survey& survey, const ReaderOptions& options, PdfText& result)
        : survey_(survey), options_(options), result_(result) {}

    Status add(const PdfPage& page);
    Status finish();

  private:
    std::vector<const PdfLine*> body_of(const PdfPage& page);
    bool judge(const std::vector<const PdfLine*>& body);
    Status add_line(const PdfLine& line, bool first, bool joins);
    void break_line(std::string_view separator);
    Status write(std::string_view text);
    Status flush();
    uint64_t position() const { return result_.bytes + buffer_.size(); }

    const Survey& survey_;
    const ReaderOptions& options_;
    PdfText& result_;
    std::string buffer_;     // not written yet
    std::string hyphen_;     // that the last line ended with, not written yet
    std::string last_;       // the last line's text, without it
    LineShape last_shape_;   // of the last line on its page
    bool open_ = false;      // the last page ended with a line of text
    uint64_t left_out_ = 0;  // lines of repeating headers and footers
    std::vector<std::pair<uint32_t, std::string>> kept_;  // the first of each, and its page
};

std::vector<const PdfLine*> PdfTextWriter::body_of(const PdfPage& page) {
    std::vector<const PdfLine*> body;
    bool begins_flow = false;
    for (size_t i = 0; i < page.lines.size(); ++i) {
        const auto kind = survey_.furniture.kind(result_.page_count - 1, i);
        if (kind == PdfFurniture::Line::kBody) {
            body.push_back(&page.lines[i]);
            continue;
        }
        if (kind == PdfFurniture::Line::kRepeated) ++left_out_;
        if (kind == PdfFurniture::Line::kFirst) {
            kept_.emplace_back(result_.page_count, text_of_line(page.lines[i]));
        }
        begins_flow = begins_flow || page.lines[i].begins_flow;
    }
    return body;
}

// False: the page is not worth reading. Names what is wrong with it.
bool PdfTextWriter::judge(const std::vector<const PdfLine*>& body) {
    LetterProfile letters;
    for (const PdfLine* line : body) {
        for (const PdfWord& word : line->words) letters.add(word.text);
    }
    if (letters.is_noise()) {
        result_.unreadable.push_back(result_.page_count);
        return false;
    }
    if (letters.is_damaged()) {
        add_note(result_.notes,
                 {ReadNote::Kind::kUnread, page_list({result_.page_count}), letters.unreadable,
                  std::to_string(letters.unreadable) +
                      " characters are unreadable, their font does not say what they are: run OCR "
                      "(ocrmypdf --force-ocr IN OUT)"});
    }
    return true;
}

Status PdfTextWriter::add(const PdfPage& page) {
    ++result_.page_count;
    const std::vector<const PdfLine*> body = body_of(page);
    if (body.empty()) result_.without_text.push_back(result_.page_count);
    if (body.empty() || !judge(body)) {
        open_ = false;
        return {};
    }
    const bool joins = open_ && goes_on_over_page(last_ + hyphen_, last_shape_, *body.front());
    bool first = true;
    for (const PdfLine* line : body) {
        S3ATTN_CHECK(add_line(*line, first, joins));
        first = false;
    }
    last_shape_ = shape_of(*body.back(), body);
    open_ = true;
    return {};
}

void PdfTextWriter::break_line(std::string_view separator) {
    buffer_ += hyphen_;
    hyphen_.clear();
    if (position() > 0) buffer_ += separator;
}

Status PdfTextWriter::add_line(const PdfLine& line, bool first, bool joins) {
    std::string text = text_of_line(line);
    const bool new_page = first && !joins;
    std::string_view rest = text;
    if (!hyphen_.empty() && !new_page && (first || !line.begins_flow)) {
        const std::string_view word = rest.substr(0, std::min(rest.find(' '), rest.size()));
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        if (!keeps_hyphen(hyphen_, last_, word, survey_.words)) hyphen_.clear();
        buffer_ += hyphen_;
        hyphen_.clear();
        if (first) result_.pages.emplace_back(position(), result_.page_count);
        buffer_ += word;
        if (!rest.empty()) buffer_ += '\n';
    } else {
        break_line(new_page ? "\n\n\f" : !first && line.begins_flow ? "\n\n" : "\n");
        if (first) result_.pages.emplace_back(position(), result_.page_count);
    }
    hyphen_ = hyphen_at_end(text);
    last_ = text.substr(0, text.size() - hyphen_.size());
    if (!rest.empty()) {
        buffer_ += rest.substr(0, rest.size() - std::min(rest.size(), hyphen_.size()));
    } else {
        // The line was one word that ends with a hyphen: it is in the buffer already.
        buffer_.resize(buffer_.size() - hyphen_.size());
    }
    return buffer_.size() >= kFlushBytes ? flush() : Status{};
}

Status PdfTextWriter::flush() {
    S3ATTN_CHECK(write_all(result_.text->fd(), buffer_, result_.text->path()));
    result_.bytes += buffer_.size();
    buffer_.clear();
    if (result_.bytes <= options_.child_output_bytes) return {};
    return make_error(ErrorCode::kUnsupported, result_.text->path() + " holds more than " +
                                                   std::to_string(options_.child_output_bytes) +
                                                   " bytes of text; split the PDF");
}

Status PdfTextWriter::finish() {
    buffer_ += hyphen_;
    hyphen_.clear();
    uint32_t previous = 0;
    for (const auto& [page, text] : kept_) {
        buffer_ += page == previous ? "\n" : "\n\n\f";
        if (page != previous) result_.pages.emplace_back(position(), page);
        buffer_ += text;
        previous = page;
    }
    if (left_out_ > 0) {
        add_note(result_.notes,
                 {ReadNote::Kind::kLeftOut,
                  {},
                  left_out_,
                  std::to_string(left_out_) +
                      " lines of page headers and footers that repeat: each stands once, at the "
                      "end of the text"});
    }
    return flush();
}

}  // namespace

std::string page_list(const std::vector<uint32_t>& pages) {
    std::string list;
    for (size_t i = 0; i < pages.size();) {
        size_t last = i;
        while (last + 1 < pages.size() && pages[last + 1] == pages[last] + 1) ++last;
        if (i > 0) list += last + 1 == pages.size() ? " and " : ", ";
        list += std::to_string(pages[i]);
        if (last > i) list += "-" + std::to_string(pages[last]);
        i = last + 1;
    }
    return (pages.size() == 1 ? "page " : "pages ") + list;
}

Result<PdfText> read_pdf_text(std::shared_ptr<SourceFile> layout, const ReaderOptions& options) {
    S3ATTN_TRY(const Survey found, survey(layout, options.max_parse_bytes));
    PdfText result;
    S3ATTN_TRY(result.text, SourceFile::temporary(layout->path()));
    PdfTextWriter writer(found, options, result);
    PdfLayout pages(layout, options.max_parse_bytes);
    PdfPage page;
    for (;;) {
        S3ATTN_TRY(const bool any, pages.next(page));
        if (!any) break;
        S3ATTN_CHECK(writer.add(page));
    }
    S3ATTN_CHECK(writer.finish());
    result.info = pages.info();
    return result;
}

}  // namespace s3attn::text

// Scanned pages of a PDF, and picture files.
#include <algorithm>
#include <map>
#include <set>

#include "base/descriptor.h"
#include "text/child_process.h"
#include "text/ocr.h"
#include "text/whitespace.h"

namespace s3attn::text {
namespace {

constexpr uint32_t kLongestSide = 3508;  // pixels: A4 at 300 dots an inch
constexpr uint64_t kMostPixels = 100'000'000;
constexpr uint64_t kMostPicture = 256ull << 20;
constexpr uint32_t kMostTiffPages = 100'000;

Result<std::shared_ptr<SourceFile>> render(const OpenRequest& request, uint32_t page) {
    const std::string program = find_program("pdftoppm");
    if (program.empty()) {
        return make_error(ErrorCode::kUnsupported,
                          "pdftoppm, which draws pages, is not installed: "
                          "apt-get install poppler-utils");
    }
    S3ATTN_TRY(std::shared_ptr<SourceFile> picture, SourceFile::temporary(request.header.path));
    ChildLimits limits;
    limits.seconds = std::max(request.options.child_seconds, 1u);
    limits.output_bytes = kMostPicture;
    const std::string number = std::to_string(page);
    S3ATTN_TRY(const ChildOutcome outcome,
               run_child({program, "-q", "-f", number, "-l", number, "-gray", "-scale-to",
                          std::to_string(kLongestSide), "/proc/self/fd/0"},
                         request.source->fd(), picture->fd(), limits));
    if (outcome.exit_code != 0 || outcome.output_limit) {
        return make_error(ErrorCode::kUnsupported, "pdftoppm could not draw the page");
    }
    return picture;
}

// `layout` with some of its pages exchanged.
class PageExchange {
  public:
    PageExchange(const SourceFile& from, const SourceFile& to) : from_(from), to_(to) {}

    Status run(const std::map<uint32_t, const OcrPage*>& pages) {
        std::string line;
        uint32_t page = 0;
        bool leave_out = false;
        for (;;) {
            S3ATTN_TRY(const bool any, next_line(line));
            if (!any) return flush(0);
            const std::string_view tag = trim(line);
            if (tag.starts_with("<page ")) {
                const auto found = pages.find(++page);
                leave_out = found != pages.end();
                if (leave_out) out_ += found->second->layout;
            }
            if (!leave_out) out_ += line;
            if (tag.starts_with("</page>")) leave_out = false;
            S3ATTN_CHECK(flush(1 << 20));
        }
    }

  private:
    Result<bool> next_line(std::string& line) {
        for (;;) {
            const size_t end = buffer_.find('\n', at_);
            if (end != buffer_.npos) {
                line.assign(buffer_, at_, end + 1 - at_);
                at_ = end + 1;
                return true;
            }
            buffer_.erase(0, at_);
            at_ = 0;
            const size_t have = buffer_.size();
            buffer_.resize(have + (1 << 16));
            S3ATTN_TRY(const size_t got, from_.read_at(offset_, buffer_.data() + have, 1 << 16));
            buffer_.resize(have + got);
            offset_ += got;
            if (got == 0) return false;  // what pdftotext writes ends with a line end
        }
    }
    Status flush(size_t above) {
        if (out_.size() <= above) return {};
        S3ATTN_CHECK(write_all(to_.fd(), out_, to_.path()));
        out_.clear();
        return {};
    }

    const SourceFile &from_, &to_;
    std::string buffer_, out_;
    size_t at_ = 0;
    uint64_t offset_ = 0;
};

uint64_t big_endian(std::string_view bytes) {
    uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return value;
}

// The directories of a TIFF file, one a page, and the pixels of the largest.
struct TiffPages {
    uint32_t pages = 0;
    uint64_t pixels = 0;
};
class TiffReader {
  public:
    explicit TiffReader(const SourceFile& file) : file_(file) {
        little_ = number(0, 2, false) == 0x4949;
    }
    TiffPages read() {
        TiffPages found;
        for (uint64_t at = number(4, 4, little_);
             at != 0 && found.pages < kMostTiffPages && seen_.insert(at).second;) {
            const uint64_t entries = number(at, 2, little_);
            uint64_t width = 0, height = 0;
            for (uint64_t i = 0; i < entries; ++i) {
                const uint64_t entry = at + 2 + 12 * i;
                const uint64_t tag = number(entry, 2, little_);
                const int size = number(entry + 2, 2, little_) == 3 ? 2 : 4;
                if (tag == 256) width = number(entry + 8, size, little_);
                if (tag == 257) height = number(entry + 8, size, little_);
            }
            found.pixels = std::max(found.pixels, width * height);
            ++found.pages;
            at = number(at + 2 + 12 * entries, 4, little_);
        }
        return found;
    }

  private:
    uint64_t number(uint64_t at, int size, bool little) const {
        std::string bytes(static_cast<size_t>(size), '\0');
        const auto got = file_.read_at(at, bytes.data(), bytes.size());
        if (!got.ok() || *got != bytes.size()) return 0;
        if (little) std::reverse(bytes.begin(), bytes.end());
        return big_endian(bytes);
    }
    const SourceFile& file_;
    bool little_ = false;
    std::set<uint64_t> seen_;
};

// The frame header of a JPEG behind its other segments.
uint64_t jpeg_pixels(const SourceFile& file) {
    uint64_t at = 2;
    for (int segment = 0; segment < 10000; ++segment) {
        std::string head(9, '\0');
        const auto got = file.read_at(at, head.data(), head.size());
        if (!got.ok() || *got < head.size() || head[0] != '\xFF') return 0;
        const auto kind = static_cast<unsigned char>(head[1]);
        const bool frame =
            kind >= 0xC0 && kind <= 0xCF && kind != 0xC4 && kind != 0xC8 && kind != 0xCC;
        const std::string_view bytes = head;
        if (frame) return big_endian(bytes.substr(5, 2)) * big_endian(bytes.substr(7, 2));
        at += 2 + std::max<uint64_t>(2, big_endian(bytes.substr(2, 2)));
    }
    return 0;
}

TiffPages look_at(const SourceFile& file) {
    std::string head(24, '\0');
    const auto got = file.read_at(0, head.data(), head.size());
    if (!got.ok() || *got < head.size()) return {};
    const std::string_view bytes = head;
    if (bytes.starts_with("\x89PNG")) {
        return {1, big_endian(bytes.substr(16, 4)) * big_endian(bytes.substr(20, 4))};
    }
    if (bytes.starts_with("\xFF\xD8")) return {1, jpeg_pixels(file)};
    return TiffReader(file).read();
}

const char* kind_of_picture(const SourceFile& file) {
    char first = 0;
    [[maybe_unused]] const auto got = file.read_at(0, &first, 1);
    return first == '\x89' ? "a PNG image" : first == '\xFF' ? "a JPEG image" : "a TIFF image";
}

std::string number_of(size_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

}  // namespace

Status add_ocr_pages(const OpenRequest& request, const std::vector<uint32_t>& wanted,
                     const std::shared_ptr<SourceFile>& layout, PdfText& text) {
    std::vector<std::pair<uint32_t, OcrPage>> read;
    std::vector<ReadNote> notes;
    for (const uint32_t page : wanted) {
        auto found = read_picture(request.header.source_hash, page, -1,
                                  [&] { return render(request, page); });
        if (found.ok()) {
            read.emplace_back(page, std::move(*found));
        } else if (found.error().code == ErrorCode::kCancelled) {
            return found.error();
        } else {
            add_note(notes, {ReadNote::Kind::kUnread, page_list({page}), 1, found.error().message});
        }
    }
    std::map<uint32_t, const OcrPage*> exchange;
    for (const auto& [number, page] : read) {
        if (page.words > 0) exchange[number] = &page;
    }
    if (!exchange.empty()) {
        S3ATTN_TRY(auto exchanged, SourceFile::temporary(request.header.path));
        S3ATTN_CHECK(PageExchange(*layout, *exchanged).run(exchange));
        S3ATTN_TRY(text, read_pdf_text(std::move(exchanged), request.options));
    }
    // They are empty pages now, which need no further OCR.
    for (const auto& [number, page] : read) {
        if (page.words == 0) std::erase(text.without_text, number);
    }
    note_ocr(read, text.page_count, notes);
    for (ReadNote& note : notes) add_note(text.notes, std::move(note));
    return {};
}

OpenResult open_image(OpenRequest request) {
    DocumentHeader& header = request.header;
    const std::string& path = header.path;
    if (!has_ocr()) {
        return make_error(ErrorCode::kUnsupported,
                          path + " looks like " + kind_of_picture(*request.source) + "; " +
                              ocr_advice("run OCR (ocrmypdf, tesseract) to get its text"));
    }
    const TiffPages about = look_at(*request.source);
    if (about.pages == 0 || about.pixels == 0) {
        return make_error(ErrorCode::kCorrupt, path + " is a damaged picture; copy it again");
    }
    if (about.pixels > kMostPixels) {
        return make_error(ErrorCode::kUnsupported, path + " has " +
                                                       std::to_string(about.pixels / 1'000'000) +
                                                       " million pixels, more than the " +
                                                       std::to_string(kMostPixels / 1'000'000) +
                                                       " that are read; make it smaller");
    }
    S3ATTN_TRY(auto layout, SourceFile::temporary(path));
    std::vector<std::pair<uint32_t, OcrPage>> read;
    std::vector<ReadNote> notes;
    std::string last_problem;
    for (uint32_t page = 1; page <= about.pages; ++page) {
        const int tiff_page = about.pages > 1 ? static_cast<int>(page) - 1 : -1;
        auto found = read_picture(header.source_hash, page, tiff_page, [&] {
            return Result<std::shared_ptr<SourceFile>>(request.source);
        });
        if (!found.ok()) {
            if (found.error().code == ErrorCode::kCancelled) return found.error();
            last_problem = found.error().message;
            add_note(notes, {ReadNote::Kind::kUnread, page_list({page}), 1, last_problem});
            found = OcrPage();
        }
        // A page for a page, so that numbers are those of the file.
        const std::string empty = "<page width=\"595\" height=\"842\">\n</page>\n";
        S3ATTN_CHECK(write_all(layout->fd(), found->layout.empty() ? empty : found->layout, path));
        read.emplace_back(page, std::move(*found));
    }
    S3ATTN_TRY(PdfText text, read_pdf_text(std::move(layout), request.options));
    if (text.bytes == 0) {
        return make_error(ErrorCode::kUnsupported,
                          path + ": OCR finds no text in " + number_of(about.pages, "page") +
                              (last_problem.empty() ? "" : " (" + last_problem + ")"));
    }
    note_ocr(read, about.pages, notes);
    for (ReadNote& note : notes) add_note(header.notes, std::move(note));
    for (ReadNote& note : text.notes) add_note(header.notes, std::move(note));
    return read_pages(std::move(request), std::move(text));
}

}  // namespace s3attn::text

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "text/child_process.h"
#include "text/formats.h"
#include "text/ocr.h"
#include "text/pdf_beside.h"
#include "text/pdf_text.h"
#include "text/plain_text.h"
#include "text/unit_reader.h"

namespace s3attn::text {
namespace {

// The first line of a converter's messages that says something, for an error.
std::string first_message(const std::string& messages) {
    const std::string_view trimmed = trim(messages);
    return std::string(trimmed.substr(0, std::min(trimmed.find('\n'), trimmed.size())));
}

Status judge(const std::string& path, const ChildOutcome& outcome, const ReaderOptions& options) {
    if (outcome.timed_out || outcome.signal == SIGXCPU) {
        return make_error(ErrorCode::kUnsupported,
                          path + ": pdftotext did not finish in " +
                              std::to_string(options.child_seconds) +
                              " s and was stopped; split the PDF or convert it by hand");
    }
    if (outcome.output_limit) {
        return make_error(ErrorCode::kUnsupported,
                          path + ": pdftotext wrote more than " +
                              std::to_string(options.child_output_bytes) +
                              " bytes of text and was stopped; split the PDF");
    }
    if (outcome.exit_code == 0) return {};
    if (outcome.messages.find("ncorrect password") != std::string::npos) {
        return make_error(ErrorCode::kUnsupported,
                          path +
                              " is an encrypted PDF; remove its password first "
                              "(qpdf --decrypt --password=... IN OUT)");
    }
    if (outcome.exit_code == 3) {
        return make_error(ErrorCode::kUnsupported,
                          path + " is a PDF that forbids copying its text");
    }
    std::string reason = first_message(outcome.messages);
    if (outcome.signal != 0) {
        reason = "pdftotext was ended by signal " + std::to_string(outcome.signal);
    } else if (reason.empty()) {
        reason = "pdftotext ended with code " + std::to_string(outcome.exit_code);
    }
    return make_error(ErrorCode::kCorrupt, path + " is a damaged PDF (" + reason +
                                               "); copy it again or repair it (qpdf IN OUT)");
}

// Of all pages or of those listed: which have images.
std::vector<uint32_t> pages_with_images(const OpenRequest& request,
                                        const std::vector<uint32_t>& pages) {
    const std::string program = find_program("pdfimages");
    if (program.empty()) return pages;
    auto spool = SourceFile::temporary(request.header.path);
    if (!spool.ok()) return pages;
    ChildLimits limits;
    limits.seconds = std::max(request.options.child_seconds, 1u);
    limits.output_bytes = request.options.max_parse_bytes;
    const auto outcome = run_child({program, "-list", "/proc/self/fd/0"}, request.source->fd(),
                                   (*spool)->fd(), limits);
    const auto list = (*spool)->read_all(request.options.max_parse_bytes);
    if (!outcome.ok() || outcome->exit_code != 0 || !list.ok()) return pages;
    std::vector<uint32_t> found;
    std::istringstream lines(*list);
    for (std::string line; std::getline(lines, line);) {
        const auto page = static_cast<uint32_t>(std::strtoul(line.c_str(), nullptr, 10));
        const bool asked = std::binary_search(pages.begin(), pages.end(), page);
        if (asked && (found.empty() || found.back() != page)) found.push_back(page);
    }
    return found;
}

std::string hold(const std::vector<uint32_t>& pages) {
    return pages.size() == 1 ? "holds" : "hold";
}

// Names the pages that give nothing. An error where that is all of them and there is no text
// `beside` them either.
Status judge_pages(const OpenRequest& request, const PdfText& text, uint64_t beside,
                   std::vector<ReadNote>& notes) {
    const std::string& path = request.header.path;
    const std::vector<uint32_t>& empty = text.without_text;
    if (beside == 0 && empty.size() == text.page_count) {
        return make_error(ErrorCode::kUnsupported,
                          path + " is a PDF with no text layer: " +
                              ocr_advice("run OCR first (ocrmypdf IN OUT)"));
    }
    if (beside == 0 && empty.size() + text.unreadable.size() == text.page_count) {
        return make_error(ErrorCode::kUnsupported,
                          path +
                              " is a PDF whose text is unreadable, its fonts do not say what their "
                              "letters are: " +
                              ocr_advice("run OCR first (ocrmypdf --force-ocr IN OUT)"));
    }
    const std::string of_all = " of " + std::to_string(text.page_count) + " pages ";
    if (!text.unreadable.empty()) {
        const size_t count = text.unreadable.size();
        add_note(notes, {ReadNote::Kind::kUnread, page_list(text.unreadable), count,
                         std::to_string(count) + of_all + hold(text.unreadable) +
                             " unreadable text, the fonts do not say what their letters are: " +
                             ocr_advice("run OCR (ocrmypdf --force-ocr IN OUT)")});
    }
    if (empty.empty()) return {};
    const std::vector<uint32_t> scans = pages_with_images(request, empty);
    if (!scans.empty()) {
        add_note(notes,
                 {ReadNote::Kind::kUnread, page_list(scans), scans.size(),
                  std::to_string(scans.size()) + of_all + hold(scans) + " no text, only images: " +
                      ocr_advice("run OCR (ocrmypdf --skip-text IN OUT)")});
    }
    std::vector<uint32_t> blank;
    std::set_difference(empty.begin(), empty.end(), scans.begin(), scans.end(),
                        std::back_inserter(blank));
    if (!blank.empty()) {
        add_note(notes, {ReadNote::Kind::kLeftOut, page_list(blank), blank.size(),
                         std::to_string(blank.size()) + of_all + hold(blank) +
                             " neither text nor images"});
    }
    return {};
}

// pdftotext reads what it can of a damaged file; only its messages tell.
void note_damage(const ChildOutcome& outcome, std::vector<ReadNote>& notes) {
    static constexpr std::string_view kLoss[] = {"xref",       "XRef",    "trailer", "Couldn't",
                                                 "Bad ",       "Missing", "stream",  "EOF",
                                                 "Unexpected", "Page",    "page"};
    // What concerns the looks of a page only.
    static constexpr std::string_view kLooks[] = {"font",           "Font", "olor",
                                                  "Marked Content", "ICC",  "Annot"};
    std::istringstream lines(outcome.messages);
    for (std::string line; std::getline(lines, line);) {
        const auto has = [&](std::string_view sign) { return line.find(sign) != line.npos; };
        if (!line.starts_with("Syntax Error") ||
            std::none_of(std::begin(kLoss), std::end(kLoss), has) ||
            std::any_of(std::begin(kLooks), std::end(kLooks), has)) {
            continue;
        }
        add_note(notes, {ReadNote::Kind::kUnread,
                         {},
                         0,
                         "the PDF is damaged and was read as far as it goes (" + line +
                             "); copy it again or repair it (qpdf IN OUT)"});
        return;
    }
}

}  // namespace

// pdftotext runs to its end before the first unit is given: a slow consumer would otherwise hold
// it at its full pipe and run into its time limit, and a damaged PDF would be noticed late. Its
// output waits in temporary files, not in memory.
OpenResult open_pdf(OpenRequest request) {
    DocumentHeader& header = request.header;
    const std::string program = find_program("pdftotext");
    if (program.empty()) {
        return make_error(ErrorCode::kUnsupported,
                          header.path +
                              " is a PDF, and pdftotext, which reads those, is not "
                              "installed: apt-get install poppler-utils");
    }
    S3ATTN_TRY(std::shared_ptr<SourceFile> layout, SourceFile::temporary(header.path));
    ChildLimits limits;
    limits.seconds = std::max(request.options.child_seconds, 1u);
    // The places of the words take several times the room of their letters.
    limits.output_bytes = request.options.child_output_bytes * 4;
    const std::vector<std::string> arguments = {program, "-enc",         "UTF-8",           "-eol",
                                                "unix",  "-bbox-layout", "/proc/self/fd/0", "-"};
    S3ATTN_TRY(const ChildOutcome outcome,
               run_child(arguments, request.source->fd(), layout->fd(), limits));
    S3ATTN_CHECK(judge(header.path, outcome, request.options));
    S3ATTN_TRY(PdfText text, read_pdf_text(layout, request.options));
    if (has_ocr() && !(text.without_text.empty() && text.unreadable.empty())) {
        std::vector<uint32_t> wanted = pages_with_images(request, text.without_text);
        wanted.insert(wanted.end(), text.unreadable.begin(), text.unreadable.end());
        std::sort(wanted.begin(), wanted.end());
        S3ATTN_CHECK(add_ocr_pages(request, wanted, layout, text));
    }
    note_damage(outcome, header.notes);
    S3ATTN_TRY(const uint64_t beside, add_beside_pages(request, text));
    S3ATTN_CHECK(judge_pages(request, text, beside, header.notes));
    for (ReadNote& note : text.notes) add_note(header.notes, std::move(note));
    return read_pages(std::move(request), std::move(text));
}

OpenResult read_pages(OpenRequest request, PdfText text) {
    DocumentHeader& header = request.header;
    header.encoding = "UTF-8";
    header.offsets = OffsetSpace::kExtracted;
    auto window =
        std::make_unique<TextWindow>(text.text, 0, make_utf8_decoder(), request.window_bytes);
    const UnitLimits units = unit_limits(request.options);
    PlainTextOptions plain;
    plain.pages = true;
    auto pieces = std::make_unique<PlainTextSource>(*window, units, plain, header.path);
    return std::unique_ptr<DocumentReader>(
        std::make_unique<UnitReader>(std::move(header), std::move(window), std::move(pieces), units,
                                     Place::kMapPages, std::move(text.pages)));
}

}  // namespace s3attn::text

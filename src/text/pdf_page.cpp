#include "text/pdf_page.h"

#include <cstdlib>

#include "text/child_process.h"
#include "text/whitespace.h"

namespace s3attn::text {
namespace {

constexpr uint64_t kMostInfoBytes = 64 << 10;
constexpr uint64_t kMostLayoutBytes = 64 << 20;
constexpr uint64_t kMostImageBytes = 32 << 20;
constexpr uint64_t kMostPageBytes = 16 << 20;  // of words in memory
constexpr uint64_t kMostMemory = 1ull << 30;

Error failed(const PdfPageRequest& request, const std::string& program,
             const ChildOutcome& outcome) {
    const std::string place = request.name + ", page " + std::to_string(request.page) + ": ";
    if (outcome.messages.find("Wrong page range") != std::string::npos) {
        return make_error(ErrorCode::kNotFound, place + "there is no such page");
    }
    if (outcome.timed_out || outcome.output_limit) {
        return make_error(ErrorCode::kUnsupported,
                          place + program +
                              " took too long or wrote too much and was stopped; look "
                              "at the document's text, or at the file itself");
    }
    const std::string_view said = trim(outcome.messages);
    return make_error(ErrorCode::kUnsupported,
                      place + program + " cannot show it (" +
                          std::string(said.substr(0, std::min(said.find('\n'), said.size()))) +
                          "); look at the document's text, or at the file itself");
}

// What `program` writes about the one page of the file.
Result<std::shared_ptr<SourceFile>> written_by(const std::string& program,
                                               const PdfPageRequest& request,
                                               const std::vector<std::string>& options,
                                               const std::vector<std::string>& behind,
                                               uint64_t most_bytes) {
    const std::string path = find_program(program);
    if (path.empty()) {
        return make_error(ErrorCode::kUnsupported, program +
                                                       ", which shows pages of PDFs, is not "
                                                       "installed: apt-get install "
                                                       "poppler-utils");
    }
    const std::string page = std::to_string(request.page);
    std::vector<std::string> arguments = {path, "-f", page, "-l", page};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.push_back("/proc/self/fd/0");
    arguments.insert(arguments.end(), behind.begin(), behind.end());
    S3ATTN_TRY(std::shared_ptr<SourceFile> output, SourceFile::temporary(request.name));
    const ChildLimits limits{request.seconds, most_bytes, kMostMemory};
    S3ATTN_TRY(const ChildOutcome outcome,
               run_child(arguments, request.file, output->fd(), limits));
    if (outcome.exit_code != 0) return failed(request, program, outcome);
    return output;
}

// The number behind the last ':' of the line that begins with `name`.
uint32_t number_of(std::string_view info, std::string_view name, std::string_view last = {}) {
    while (!info.empty()) {
        const std::string_view line = info.substr(0, info.find('\n'));
        info.remove_prefix(std::min(info.size(), line.size() + 1));
        const size_t colon = line.rfind(':');
        if (colon == line.npos || !line.starts_with(name)) continue;
        if (!trim(line.substr(0, colon)).ends_with(last)) continue;
        return static_cast<uint32_t>(
            std::strtoul(std::string(line.substr(colon + 1)).c_str(), nullptr, 10));
    }
    return 0;
}

}  // namespace

Result<PdfPageView> view_pdf_page(const PdfPageRequest& request, std::string_view passage) {
    S3ATTN_TRY(const auto about, written_by("pdfinfo", request, {}, {}, kMostInfoBytes));
    S3ATTN_TRY(const std::string info, about->read_all(kMostInfoBytes));
    S3ATTN_TRY(auto words,
               written_by("pdftotext", request, {"-enc", "UTF-8", "-eol", "unix", "-bbox-layout"},
                          {"-"}, kMostLayoutBytes));
    PdfPage page;
    S3ATTN_TRY(const bool any, PdfLayout(std::move(words), kMostPageBytes).next(page));
    if (!any)
        return make_error(ErrorCode::kUnsupported, request.name + ": pdftotext wrote no page");
    PdfPageView view;
    view.pages = number_of(info, "Pages:");
    view.width = page.width;
    view.height = page.height;
    // pdftotext turns the words of a turned page and not the page.
    if (number_of(info, "Page ", "rot") % 180 == 90) std::swap(view.width, view.height);
    view.marked = boxes_of_passage(page, passage);
    return view;
}

Result<std::string> draw_pdf_page(const PdfPageRequest& request, uint32_t width) {
    S3ATTN_TRY(const auto image,
               written_by("pdftoppm", request,
                          {"-png", "-scale-to-x", std::to_string(width), "-scale-to-y", "-1"}, {},
                          kMostImageBytes));
    return image->read_all(kMostImageBytes);
}

}  // namespace s3attn::text

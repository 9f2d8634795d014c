#include <signal.h>

#include <algorithm>

#include "text/child_process.h"
#include "text/formats.h"
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

Status require_text(TextWindow& window, const std::string& path) {
    S3ATTN_TRY(const SpaceRun space, skip_space(window, 0, path));
    if (!window.complete() || space.length < window.end()) return {};
    return make_error(ErrorCode::kUnsupported,
                      path + " is a PDF with no text layer: run OCR first (ocrmypdf IN OUT)");
}

}  // namespace

// pdftotext runs to its end before the first unit is given: a slow consumer would otherwise hold
// it at its full pipe and run into its time limit, and a damaged PDF would be noticed late. Its
// output waits in a temporary file, not in memory.
OpenResult open_pdf(OpenRequest request) {
    DocumentHeader& header = request.header;
    const std::string program = find_program("pdftotext");
    if (program.empty()) {
        return make_error(ErrorCode::kUnsupported,
                          header.path +
                              " is a PDF, and pdftotext, which reads those, is not "
                              "installed: apt-get install poppler-utils");
    }
    S3ATTN_TRY(std::shared_ptr<SourceFile> spool, SourceFile::temporary(header.path));
    ChildLimits limits;
    limits.seconds = std::max(request.options.child_seconds, 1u);
    limits.output_bytes = request.options.child_output_bytes;
    // Without -layout, pdftotext undoes columns and keeps paragraphs in reading order.
    const std::vector<std::string> arguments = {program,           "-enc", "UTF-8", "-eol", "unix",
                                                "/proc/self/fd/0", "-"};
    S3ATTN_TRY(const ChildOutcome outcome,
               run_child(arguments, request.source->fd(), spool->fd(), limits));
    S3ATTN_CHECK(judge(header.path, outcome, request.options));
    header.encoding = "UTF-8";
    header.offsets = OffsetSpace::kExtracted;
    auto window = std::make_unique<TextWindow>(spool, 0, make_utf8_decoder(), request.window_bytes);
    S3ATTN_CHECK(require_text(*window, header.path));
    const UnitLimits units = unit_limits(request.options);
    PlainTextOptions plain;
    plain.pages = true;
    auto pieces = std::make_unique<PlainTextSource>(*window, units, plain, header.path);
    return std::unique_ptr<DocumentReader>(std::make_unique<UnitReader>(
        std::move(header), std::move(window), std::move(pieces), units, Place::kCountPages));
}

}  // namespace s3attn::text

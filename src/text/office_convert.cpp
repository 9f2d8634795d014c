// DOC and RTF, through a converter as a child: LibreOffice, which makes a DOCX of them, else
// antiword or unrtf, which lose more of what a page shows.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "text/child_process.h"
#include "text/formats.h"
#include "text/html.h"
#include "text/plain_text.h"
#include "text/unit_reader.h"

namespace s3attn::text {
namespace {

namespace fs = std::filesystem;

// A directory that goes with all that a converter left in it.
class WorkDirectory {
  public:
    WorkDirectory() {
        const char* given = std::getenv("TMPDIR");
        path_ = std::string(given != nullptr && *given != '\0' ? given : "/tmp") + "/s3attn-XXXXXX";
        if (::mkdtemp(path_.data()) == nullptr) path_.clear();
    }
    ~WorkDirectory() {
        std::error_code ignored;
        if (!path_.empty()) fs::remove_all(path_, ignored);
    }
    WorkDirectory(const WorkDirectory&) = delete;
    WorkDirectory& operator=(const WorkDirectory&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// The program itself: the script around it would leave it behind when it is stopped.
std::string find_office() {
    const std::string script = find_program("soffice");
    if (script.empty()) return {};
    std::error_code error;
    const fs::path program = fs::canonical(script, error).parent_path() / "soffice.bin";
    return !error && ::access(program.c_str(), X_OK) == 0 ? program.string() : std::string();
}

Error not_finished(const std::string& path, const std::string& program,
                   const ChildOutcome& outcome) {
    const std::string trouble = outcome.timed_out      ? "did not finish in time and was stopped"
                                : outcome.output_limit ? "wrote more than the limit"
                                : outcome.signal != 0
                                    ? "was ended by signal " + std::to_string(outcome.signal)
                                    : "could not read it";
    return make_error(ErrorCode::kCorrupt, path + ": " + program + " " + trouble +
                                               "; save the document as DOCX or as plain text");
}

ChildLimits limits_of(const OpenRequest& request) {
    ChildLimits limits;
    limits.seconds = std::max(request.options.child_seconds, 1u);
    limits.output_bytes = request.options.child_output_bytes;
    return limits;
}

// `filter` is LibreOffice's name of the format: left to itself it reads a damaged file as text.
OpenResult through_office(OpenRequest request, const std::string& office, const std::string& ending,
                          const std::string& filter) {
    const WorkDirectory work;
    const std::string& path = request.header.path;
    if (work.path().empty()) {
        return make_error(ErrorCode::kIo, "cannot make a temporary directory for " + path +
                                              "; set TMPDIR to a directory that can be written");
    }
    const std::string in = work.path() + "/in." + ending;
    S3ATTN_TRY(const std::string bytes, request.source->read_all(request.options.max_parse_bytes));
    std::ofstream(in, std::ios::binary) << bytes;
    S3ATTN_TRY(const std::shared_ptr<SourceFile> nothing, SourceFile::temporary(path));
    const std::vector<std::string> arguments = {
        office,
        "--headless",
        "--norestore",
        "--nologo",
        "--nolockcheck",
        "-env:UserInstallation=file://" + work.path() + "/user",
        "--infilter=" + filter,
        "--convert-to",
        "docx:MS Word 2007 XML",
        "--outdir",
        work.path(),
        in};
    // With a new profile it asks by this code to be started once more.
    constexpr int kStartAgain = 81;
    ChildOutcome outcome;
    for (int start = 0; start < 3 && (start == 0 || outcome.exit_code == kStartAgain); ++start) {
        S3ATTN_TRY(outcome, run_child(arguments, nothing->fd(), nothing->fd(), limits_of(request)));
    }
    auto converted = SourceFile::open(work.path() + "/in.docx");
    if (!converted.ok()) return not_finished(path, "LibreOffice", outcome);
    request.source = *converted;
    return open_docx(std::move(request));
}

// The output of `program`, which reads its standard input.
Result<std::shared_ptr<SourceFile>> output_of(const OpenRequest& request,
                                              const std::string& program,
                                              std::vector<std::string> arguments) {
    S3ATTN_TRY(std::shared_ptr<SourceFile> out, SourceFile::temporary(request.header.path));
    arguments.insert(arguments.begin(), program);
    S3ATTN_TRY(const ChildOutcome outcome,
               run_child(arguments, request.source->fd(), out->fd(), limits_of(request)));
    if (outcome.exit_code != 0 || outcome.output_limit) {
        return not_finished(request.header.path, fs::path(program).filename().string(), outcome);
    }
    return out;
}

void note_loss(OpenRequest& request, const std::string& message) {
    add_note(request.header.notes, {ReadNote::Kind::kLeftOut, {}, 0, message});
}

Error missing(const std::string& path, const char* what, const char* packages) {
    return make_error(ErrorCode::kUnsupported, path + " is " + what +
                                                   ", and no program that reads those is "
                                                   "installed: apt-get install " +
                                                   packages);
}

}  // namespace

OpenResult open_doc(OpenRequest request) {
    if (const std::string office = find_office(); !office.empty()) {
        return through_office(std::move(request), office, "doc", "MS Word 97");
    }
    const std::string program = find_program("antiword");
    if (program.empty()) {
        return missing(request.header.path, "a Word document of before 2007",
                       "libreoffice-writer-nogui (or antiword)");
    }
    S3ATTN_TRY(request.source, output_of(request, program, {"-m", "UTF-8.txt", "-w", "0", "-"}));
    note_loss(request,
              "read with antiword, which leaves out the numbers of lists, raised and struck text; "
              "install libreoffice-writer-nogui for these");
    DocumentHeader& header = request.header;
    header.encoding = "UTF-8";
    header.offsets = OffsetSpace::kExtracted;
    auto window =
        std::make_unique<TextWindow>(request.source, 0, make_utf8_decoder(), request.window_bytes);
    const UnitLimits limits = unit_limits(request.options);
    auto pieces =
        std::make_unique<PlainTextSource>(*window, limits, PlainTextOptions{}, header.path);
    return std::unique_ptr<DocumentReader>(std::make_unique<UnitReader>(
        std::move(header), std::move(window), std::move(pieces), limits, Place::kCountLines));
}

OpenResult open_rtf(OpenRequest request) {
    if (const std::string office = find_office(); !office.empty()) {
        return through_office(std::move(request), office, "rtf", "Rich Text Format");
    }
    const std::string program = find_program("unrtf");
    if (program.empty()) {
        return missing(request.header.path, "an RTF document",
                       "libreoffice-writer-nogui (or unrtf)");
    }
    S3ATTN_TRY(const std::shared_ptr<SourceFile> out,
               output_of(request, program, {"--html", "--nopict"}));
    S3ATTN_TRY(const std::string html, out->read_all(request.options.max_parse_bytes));
    note_loss(request,
              "read with unrtf, which leaves out footnotes, headers and footers; install "
              "libreoffice-writer-nogui for these");
    request.header.encoding = "UTF-8";
    std::string valid;
    make_utf8_decoder()->decode(html, true, valid, nullptr);
    ExtractedText text;
    S3ATTN_CHECK(extract_html(valid, request.header.path, {true, false}, text));
    return text.finish(std::move(request), Place::kCountLines);
}

}  // namespace s3attn::text

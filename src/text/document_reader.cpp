#include "text/document_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <exception>

#include "text/detect.h"
#include "text/encoding.h"
#include "text/formats.h"
#include "text/ocr.h"
#include "text/plain_text.h"
#include "text/unit_reader.h"

namespace s3attn {
namespace text {
namespace {

bool is_line_oriented(const std::string& path) {
    const std::string extension = extension_of(path);
    return extension == "jsonl" || extension == "ndjson" || extension == "log";
}

// What reads a format, and the name that it has in stores and in `--type`.
struct Reader {
    Format format;
    std::string_view name;
    OpenResult (*open)(OpenRequest);
};
constexpr Reader kReaders[] = {{Format::kText, "text", open_text},
                               {Format::kMarkdown, "markdown", open_markdown},
                               {Format::kHtml, "html", open_html},
                               {Format::kPdf, "pdf", open_pdf},
                               {Format::kDocx, "docx", open_docx},
                               {Format::kEpub, "epub", open_epub},
                               {Format::kMail, "mail", open_mail},
                               {Format::kPptx, "pptx", open_pptx},
                               {Format::kXlsx, "xlsx", open_xlsx},
                               {Format::kOdt, "odt", open_odf},
                               {Format::kOds, "ods", open_odf},
                               {Format::kOdp, "odp", open_odf},
                               {Format::kDoc, "doc", open_doc},
                               {Format::kRtf, "rtf", open_rtf},
                               {Format::kNotebook, "ipynb", open_notebook},
                               {Format::kCsv, "csv", open_csv},
                               {Format::kSubtitles, "subtitles", open_subtitles},
                               {Format::kRst, "rst", open_rst},
                               {Format::kOrg, "org", open_org},
                               {Format::kLatex, "latex", open_latex},
                               {Format::kCode, "code", open_code},
                               {Format::kImage, "image", open_image}};

OpenResult open_as(Format format, OpenRequest request) {
    const auto* const reader =
        std::find_if(std::begin(kReaders), std::end(kReaders),
                     [format](const Reader& each) { return each.format == format; });
    request.header.format = reader->name;
    return reader->open(std::move(request));
}

Result<uint64_t> size_of(const SourceFile& source) {
    struct stat status {};
    if (::fstat(source.fd(), &status) != 0) {
        return make_error(ErrorCode::kIo, "cannot examine " + source.path());
    }
    return static_cast<uint64_t>(status.st_size);
}

}  // namespace

OpenResult open_text(OpenRequest request) {
    PlainTextOptions plain;
    plain.lines_are_paragraphs = is_line_oriented(request.header.path);
    return open_plain(std::move(request), plain);
}

OpenResult open_plain(OpenRequest request, const PlainTextOptions& plain) {
    S3ATTN_TRY(TextEncoding encoding, find_encoding(*request.source));
    DocumentHeader& header = request.header;
    header.encoding = encoding.name;
    header.source_bytes = encoding.source_bytes;
    header.notes.insert(header.notes.end(), encoding.notes.begin(), encoding.notes.end());
    S3ATTN_TRY(std::unique_ptr<Decoder> decoder, make_decoder(encoding));
    auto window = std::make_unique<TextWindow>(request.source, encoding.bom_bytes,
                                               std::move(decoder), request.window_bytes);
    const UnitLimits limits = unit_limits(request.options);
    auto pieces = std::make_unique<PlainTextSource>(*window, limits, plain, header.path);
    return std::unique_ptr<DocumentReader>(std::make_unique<UnitReader>(
        std::move(header), std::move(window), std::move(pieces), limits, Place::kCountLines));
}

OpenResult open_source(std::shared_ptr<SourceFile> source, const ReaderOptions& options,
                       size_t window_bytes, int depth) {
    const std::string path = source->path();
    try {
        OpenRequest request;
        request.source = std::move(source);
        S3ATTN_TRY(const Detection detection, detect_format(*request.source));
        if (detection.format == Format::kUnsupported) {
            return make_error(ErrorCode::kUnsupported, path + " looks like " + detection.refusal);
        }
        request.header.path = path;
        S3ATTN_TRY(request.header.source_bytes, size_of(*request.source));
        S3ATTN_TRY(request.header.source_hash, request.source->hash());
        request.options = options;
        request.window_bytes = window_bytes;
        request.depth = depth;
        return open_as(detection.format, std::move(request));
    } catch (const std::exception& exception) {  // a parser out of memory
        return make_error(ErrorCode::kUnsupported,
                          path + " cannot be read: " + std::string(exception.what()));
    }
}

OpenResult open_document_windowed(const std::string& path, const ReaderOptions& options,
                                  size_t window_bytes) {
    S3ATTN_TRY(std::shared_ptr<SourceFile> source, SourceFile::open(path));
    return open_source(std::move(source), options, window_bytes, 0);
}

}  // namespace text

void add_note(std::vector<ReadNote>& notes, ReadNote note) {
    constexpr size_t kMost = 100;
    if (notes.size() < kMost) {
        notes.push_back(std::move(note));
        return;
    }
    const auto rest = std::find_if(notes.begin() + kMost, notes.end(),
                                   [&](const ReadNote& other) { return other.kind == note.kind; });
    if (rest == notes.end()) {
        notes.push_back({note.kind, {}, 1, "1 further note of this kind"});
        return;
    }
    ++rest->count;
    rest->message = std::to_string(rest->count) + " further notes of this kind";
}

Result<std::unique_ptr<DocumentReader>> open_document(const std::string& path,
                                                      const ReaderOptions& options) {
    return text::open_document_windowed(path, options, 1 << 16);
}

}  // namespace s3attn

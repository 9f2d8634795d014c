// One opener per format; open_document chooses among them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/document_reader.h"
#include "text/source_file.h"

namespace s3attn::text {

struct OpenRequest {
    std::shared_ptr<SourceFile> source;
    DocumentHeader header;  // path, format and hash are set
    ReaderOptions options;
    size_t window_bytes = 1 << 16;  // how much text is decoded at a time
    int depth = 0;                  // of documents inside documents
};
using OpenResult = Result<std::unique_ptr<DocumentReader>>;

OpenResult open_text(OpenRequest request);
OpenResult open_markdown(OpenRequest request);
OpenResult open_html(OpenRequest request);
OpenResult open_pdf(OpenRequest request);
OpenResult open_docx(OpenRequest request);
OpenResult open_epub(OpenRequest request);
OpenResult open_mail(OpenRequest request);
OpenResult open_pptx(OpenRequest request);
OpenResult open_xlsx(OpenRequest request);
OpenResult open_odf(OpenRequest request);
OpenResult open_doc(OpenRequest request);
OpenResult open_rtf(OpenRequest request);
OpenResult open_notebook(OpenRequest request);
OpenResult open_csv(OpenRequest request);
OpenResult open_subtitles(OpenRequest request);
OpenResult open_rst(OpenRequest request);
OpenResult open_org(OpenRequest request);
OpenResult open_latex(OpenRequest request);
OpenResult open_code(OpenRequest request);

// The names that formats have in stores.
std::vector<std::string> format_names();
// Of a text whose name ends so ("md", "cpp"): "markdown", "code"; "text" where that says nothing.
std::string format_of_ending(std::string_view ending);

// open_text with options of the caller's.
struct PlainTextOptions;
OpenResult open_plain(OpenRequest request, const PlainTextOptions& plain);

// Opens what `source` holds, by content and by the name that it has. `depth`: how many documents it
// lies in (a mail's attachment: 1).
OpenResult open_source(std::shared_ptr<SourceFile> source, const ReaderOptions& options,
                       size_t window_bytes, int depth);

// open_document with a window of `window_bytes`, so that tests can make every boundary be hit.
OpenResult open_document_windowed(const std::string& path, const ReaderOptions& options,
                                  size_t window_bytes);

}  // namespace s3attn::text

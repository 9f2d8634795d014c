// Documents in: any supported file becomes a stream of units (paragraphs, or blocks of sentences).
// Nothing holds a whole plain-text document; formats that must be parsed whole (HTML, office
// formats, mail) are refused above ReaderOptions::max_parse_bytes.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "s3attn/index_report.h"
#include "s3attn/result.h"

namespace s3attn {

// The smallest quotable piece. Units are in document order and do not overlap; all text between
// them is whitespace and other characters that show nothing, or a run that is no language (base64
// and the like), and kept in `gap`:
// concatenating gap + text of all units rebuilds the document up to what follows the last one.
struct Unit {
    std::string gap;   // what stands between the previous unit's end and this unit's begin, UTF-8
    std::string text;  // valid UTF-8 (bytes that are not are replaced, offsets stay exact)
    uint64_t byte_begin = 0, byte_end = 0;  // in the header's OffsetSpace
    uint32_t line_begin = 0, line_end = 0;  // 1-based; 0 where there are pages
    uint32_t page = 0;                      // 1-based; 0 where there are lines
    // Where it stands: the document's title and the headings above it, "Title > Chapter > Section".
    std::string heading;
    // The columns of the table that it holds rows of, where their names do not stand in `text`.
    std::string columns;
    // Of subtitles: when it is spoken, in milliseconds; both 0 elsewhere.
    uint64_t time_begin_ms = 0, time_end_ms = 0;
};

struct DocumentHeader {
    std::string path;
    std::string source;    // as DocumentInfo::source; the store's business, readers leave it empty
    std::string format;    // docs/documents.md has all: "text", "markdown", "html", "pdf", "docx"
    std::string encoding;  // "UTF-8", "UTF-16LE", "ISO-8859-1", ...
    OffsetSpace offsets = OffsetSpace::kSource;
    uint64_t source_bytes = 0;
    std::string source_hash;  // XXH3-128 of the source bytes, hex
    std::string title;        // as the document gives it; empty: it has none
    std::string date;         // of the document, ISO 8601 from the day on; empty: none given
    std::string file_date;    // when the file was last changed, UTC; empty: standard input
    // What it says about itself, keys in lower case: "author", "subject", front matter.
    std::map<std::string, std::string> properties;
    bool described = true;        // as DocumentInfo::described; false only of an older store's
    std::vector<ReadNote> notes;  // complete once next() has returned false
};

struct ReaderOptions {
    uint32_t min_unit_bytes = 200;     // shorter paragraphs are joined with their neighbours ...
    uint32_t target_unit_bytes = 512;  // ... up to this (about 128 tokens)
    uint32_t max_unit_bytes = 2400;    // longer paragraphs are cut into blocks of sentences
    uint64_t max_parse_bytes = 256u << 20;
    uint32_t child_seconds = 300;  // time limit of a converter process (pdftotext, soffice)
    uint64_t child_output_bytes = 1ull << 30;
};

// Appends a note. A document's notes are bounded: after 100, the rest of a kind share one note with
// their number.
void add_note(std::vector<ReadNote>& notes, ReadNote note);

class DocumentReader {
  public:
    virtual ~DocumentReader() = default;
    virtual const DocumentHeader& header() const = 0;
    // Fills `unit` and returns true, or returns false at the end.
    virtual Result<bool> next(Unit& unit) = 0;
};

// Opens a file by content and name. "-" reads standard input (spooled to a temporary file). An
// empty or whitespace-only file opens and yields no unit. kUnsupported says what the file is.
Result<std::unique_ptr<DocumentReader>> open_document(const std::string& path,
                                                      const ReaderOptions& options);

struct InputFile {
    std::string path;
    std::string problem;       // not empty: it cannot be read, and why
    bool passed_over = false;  // found in a directory, a document of a format that is not read
};
struct InputList {
    std::vector<InputFile> files;
    std::vector<ReadNote> notes;                  // what the walk passed over, a folder a line
    std::map<std::string, uint64_t> passed_over;  // all of that, pictures too, by kind of file
};
// Files in `inputs`, directories walked recursively in byte order of paths. Inside directories,
// documents of a known format that is not read have a `problem`; hidden entries, empty files,
// archives, stores of this program, pictures, programs and the like are counted. Links to directories are followed once,
// unless they lead around the directory itself. Named files are never passed over.
InputList expand_inputs(const std::vector<std::string>& inputs, bool recursive);

}  // namespace s3attn

// Helpers of the text layer's tests: temporary files, whole documents read, invariants checked.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "text/document_reader.h"

namespace s3attn::text_test {

// A directory that is removed with everything in it.
class TempDirectory {
  public:
    TempDirectory();
    ~TempDirectory();
    const std::string& path() const { return path_; }
    // Writes a file and returns its path.
    std::string write(const std::string& name, std::string_view bytes) const;

  private:
    std::string path_;
};

struct Document {
    DocumentHeader header;
    std::vector<Unit> units;
    Error error;  // when !ok
    bool ok = false;
    std::string all() const;  // gaps and texts
};

// Never fails the test by itself. `window`: bytes decoded at a time; 0: open_document.
Document read_document(const std::string& path, const ReaderOptions& options = {},
                       size_t window = 0);
// Writes the bytes into a file of that name first.
Document read_bytes(const std::string& name, std::string_view bytes,
                    const ReaderOptions& options = {}, size_t window = 0);

// What must hold for every document, as a message; empty when it holds. `source`: the bytes, for
// UTF-8 sources with offsets in the source.
std::string broken_invariant(const Document& document, const ReaderOptions& options,
                             std::string_view source = {});

// A ZIP archive of these entries, in a temporary file's bytes.
std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& entries,
                      bool store = false);
// A PDF of one page per text; each line of a text is a line of the page. Empty text: an empty page.
std::string pdf_bytes(const std::vector<std::string>& pages, bool encrypted = false);
// The same of content streams; they have the fonts /F1 (Helvetica), /F2 (the same, whose letters
// are said to be private use characters) and pages of 612 x 792 points.
std::string pdf_of_contents(const std::vector<std::string>& contents, bool encrypted = false);
// The same of objects, numbered from 1; the first is the catalogue.
std::string pdf_of_objects(const std::vector<std::string>& objects, bool encrypted = false);
// Content that shows `lines` in /F1 from (72, y) downwards, 14 points apart.
std::string pdf_lines(const std::string& lines, int y = 720, int size = 12, int font = 1);
std::string docx_bytes(const std::string& body);
std::string epub_bytes(const std::vector<std::string>& chapters);

std::string shared_data();  // a directory that may be absent
std::string file_bytes(const std::string& path);
std::string repeat(std::string_view text, size_t times);

}  // namespace s3attn::text_test

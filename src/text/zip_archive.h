// Reading entries of a ZIP archive with a budget: a bomb costs no more than the budget.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "s3attn/result.h"
#include "text/source_file.h"

struct zip;

namespace s3attn::text {

class ZipArchive {
  public:
    // `max_bytes`: of all entries read from it together, uncompressed.
    static Result<std::unique_ptr<ZipArchive>> open(const SourceFile& source, uint64_t max_bytes);
    ~ZipArchive();
    ZipArchive(const ZipArchive&) = delete;
    ZipArchive& operator=(const ZipArchive&) = delete;

    bool contains(const std::string& name) const;
    // kCorrupt names the entry; kUnsupported: encrypted, or over the budget.
    Result<std::string> read(const std::string& name);

  private:
    ZipArchive(zip* archive, std::string path, uint64_t budget)
        : archive_(archive), path_(std::move(path)), budget_(budget), limit_(budget) {}
    zip* archive_;
    std::string path_;
    uint64_t budget_;  // what is left
    uint64_t limit_;
};

// Error about an entry of an archive: "book.epub: word/document.xml: not well-formed".
Error entry_error(const std::string& path, std::string_view entry, std::string_view what);

}  // namespace s3attn::text

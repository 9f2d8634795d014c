// Reading entries of a ZIP archive with a budget: a bomb costs no more than the budget.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "s3attn/index_report.h"
#include "s3attn/result.h"
#include "text/source_file.h"

struct zip;

namespace s3attn::text {

class ZipArchive {
  public:
    // `max_bytes`: of all entries read from it together, uncompressed. Where the list of contents
    // is damaged or cut off, the entries that can still be found (damage() says so then).
    static Result<std::unique_ptr<ZipArchive>> open(const SourceFile& source, uint64_t max_bytes);
    ~ZipArchive();
    ZipArchive(const ZipArchive&) = delete;
    ZipArchive& operator=(const ZipArchive&) = delete;

    // What is wrong with the list of contents; empty: nothing.
    const std::string& damage() const { return damage_; }
    bool contains(const std::string& name) const;
    // The entry of this name, or the one whose name differs only in case, Unicode normal form,
    // percent signs or slashes; empty where there is none.
    std::string find(const std::string& name) const;
    // Of all entries but folders, in the archive's order.
    std::vector<std::string> names() const;
    // kCorrupt names the entry; kUnsupported: encrypted, or over the budget.
    Result<std::string> read(const std::string& name);
    // Whether an entry was refused because the budget is used up.
    bool exhausted() const { return exhausted_; }

  private:
    ZipArchive(zip* archive, std::string path, uint64_t budget)
        : archive_(archive), path_(std::move(path)), budget_(budget), limit_(budget) {}
    zip* archive_;
    mutable std::unordered_map<std::string, std::string> spellings_;  // plain form -> entry
    std::string path_;
    uint64_t budget_;  // what is left
    uint64_t limit_;
    bool exhausted_ = false;
    std::string damage_;
    std::string repaired_;  // the bytes that archive_ reads, where the file's own would not do
};

// "%20" and the like undone.
std::string percent_decoded(std::string_view url);

// The note that a document from a damaged archive needs; its kind is kUnread.
ReadNote damage_note(const ZipArchive& archive);

// Error about an entry of an archive: "book.epub: word/document.xml: not well-formed".
Error entry_error(const std::string& path, std::string_view entry, std::string_view what);
// The error's message for a note that names the document and the entry itself.
std::string without_place(const Error& error, const std::string& path, const std::string& entry);

}  // namespace s3attn::text

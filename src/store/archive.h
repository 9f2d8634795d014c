// The container of an exported store: a ZIP file of uncompressed entries, written and read with
// libzip. docs/formats/export.md says what is in it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"

struct zip;

namespace s3attn {

class ArchiveWriter {
  public:
    // Overwrites `path`.
    static Result<std::unique_ptr<ArchiveWriter>> create(const std::string& path);
    ~ArchiveWriter();  // without finish() nothing is written
    ArchiveWriter(const ArchiveWriter&) = delete;
    ArchiveWriter& operator=(const ArchiveWriter&) = delete;

    // `bytes` must stay as they are until finish().
    Status add(const std::string& name, std::span<const std::byte> bytes);
    // Writes the file and syncs it.
    Status finish();

  private:
    ArchiveWriter(zip* archive, std::string path) : archive_(archive), path_(std::move(path)) {}
    Error failed(const std::string& what) const;
    zip* archive_;
    std::string path_;
};

struct ArchiveEntry {
    std::string name;
    uint64_t bytes = 0;
};

class ArchiveReader {
  public:
    // Refuses what this program would not write: compression, encryption, the same name twice,
    // entries that together are larger than the file.
    static Result<std::unique_ptr<ArchiveReader>> open(const std::string& path);
    ~ArchiveReader();
    ArchiveReader(const ArchiveReader&) = delete;
    ArchiveReader& operator=(const ArchiveReader&) = delete;

    const std::vector<ArchiveEntry>& entries() const { return entries_; }
    // Calls `on_block` with consecutive blocks of entry `index`; exactly its bytes, or an error.
    Status read(size_t index, const std::function<Status(std::string_view)>& on_block);
    // "'FILE', entry 'NAME': WHAT"
    Error corrupt(const std::string& entry, const std::string& what) const;

  private:
    ArchiveReader(zip* archive, std::string path) : archive_(archive), path_(std::move(path)) {}
    Status load_entries(uint64_t file_bytes);
    zip* archive_;
    std::string path_;
    std::vector<ArchiveEntry> entries_;
};

}  // namespace s3attn

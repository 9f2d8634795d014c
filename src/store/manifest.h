// The first entry of an exported store: the names, lengths and checksums of all others.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

inline constexpr char kManifestName[] = "MANIFEST";

struct ManifestFile {
    std::string name;
    uint64_t bytes = 0;
    std::string hash;  // XXH3-128, hex
    bool operator==(const ManifestFile&) const = default;
};

std::string write_manifest(const std::vector<ManifestFile>& files);
// Strict: only what write_manifest() gives is accepted, and only names of a store's files. The
// error is the line and what is wrong with it.
Result<std::vector<ManifestFile>> read_manifest(std::string_view text);

}  // namespace s3attn

// Names inside a store directory (docs/formats/store.md).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace s3attn {

inline constexpr char kCatalogFile[] = "catalog.db";
inline constexpr char kNewCatalogFile[] = "catalog.db.new";
inline constexpr char kLockFile[] = "writer.lock";
inline constexpr char kTemporarySuffix[] = ".tmp";

// "segment-000000000042.seg"
std::string segment_file_name(int64_t segment_id);
// Exactly the names segment_file_name() gives, without or with kTemporarySuffix.
bool is_segment_file_name(std::string_view name);
bool is_temporary_file_name(std::string_view name);

}  // namespace s3attn

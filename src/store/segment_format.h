// The bytes of a segment file; docs/formats/segment.md is the specification.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace s3attn::segment_format {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

inline constexpr unsigned char kMagic[8] = {0x89, 'S', '3', 'S', 'E', 'G', '\r', '\n'};
inline constexpr unsigned char kEndMagic[8] = {'S', '3', 'S', 'E', 'G', 'E', 'N', 'D'};
inline constexpr uint32_t kVersion = 2;
inline constexpr uint32_t kMaxSlots = 1024;
inline constexpr uint32_t kMaxLatents = 65536;
inline constexpr uint32_t kMaxK = 256;
inline constexpr uint64_t kMaxTokens = 0xFFFFFFFFull;
inline constexpr uint64_t kMaxPosition = 1ull << 63;
inline constexpr uint32_t kNoCount = 255;  // count byte: the count stands among the long counts

struct Header {
    unsigned char magic[8];
    uint32_t version;
    uint32_t flags;
    uint64_t base;
    uint32_t n_slots;
    uint32_t latents;
    uint32_t k;
    uint32_t block_tokens;
    uint64_t reserved[2];
    uint64_t checksum;  // of the bytes before
};
static_assert(sizeof(Header) == 64);

struct DirectoryEntry {
    uint64_t offset;
    uint32_t length;
    uint32_t n_postings;
    uint64_t checksum;
};
static_assert(sizeof(DirectoryEntry) == 24);

struct Footer {
    uint64_t n_tokens;
    uint64_t n_postings;
    uint64_t directory_offset;
    uint64_t directory_checksum;
    uint64_t header_checksum;
    uint64_t file_bytes;
    uint64_t checksum;  // of the bytes before
    unsigned char magic[8];
};
static_assert(sizeof(Footer) == 64);

template <class T>
T load(const void* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

}  // namespace s3attn::segment_format

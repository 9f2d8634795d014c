// Captured rows in a file, so that experiments need not scan again.
#pragma once

#include <cstdio>
#include <string>

#include "train/capture.h"

namespace s3attn {

inline bool write_values(std::FILE* file, const void* data, size_t bytes) {
    return bytes == 0 || std::fwrite(data, 1, bytes, file) == bytes;
}
inline bool read_values(std::FILE* file, void* data, size_t bytes) {
    return bytes == 0 || std::fread(data, 1, bytes, file) == bytes;
}

inline bool save_rows(std::FILE* file, const RowStore& store) {
    const uint64_t n = store.size();
    if (!write_values(file, &n, sizeof n)) return false;
    for (const auto& [key, rows] : store) {
        const uint64_t head[4] = {key.layer, key.head, rows.d(), rows.halves().size()};
        if (!write_values(file, head, sizeof head) ||
            !write_values(file, rows.offset().data(), rows.offset().size() * 4) ||
            !write_values(file, rows.halves().data(), rows.halves().size() * 2)) {
            return false;
        }
    }
    return true;
}

inline bool load_rows(std::FILE* file, RowStore& store) {
    uint64_t n = 0;
    if (!read_values(file, &n, sizeof n)) return false;
    for (uint64_t i = 0; i < n; ++i) {
        uint64_t head[4];
        if (!read_values(file, head, sizeof head)) return false;
        std::vector<float> offset(head[2]);
        std::vector<uint16_t> halves(head[3]);
        if (!read_values(file, offset.data(), offset.size() * 4) ||
            !read_values(file, halves.data(), halves.size() * 2)) {
            return false;
        }
        store.emplace(HeadKey{static_cast<uint32_t>(head[0]), static_cast<uint32_t>(head[1])},
                      HalfRows::from_stored(static_cast<uint32_t>(head[2]), std::move(offset),
                                            std::move(halves)));
    }
    return true;
}

}  // namespace s3attn

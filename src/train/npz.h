// NumPy's archive of arrays (.npz): a zip file of .npy files, written without holding an array
// whole.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

struct NpzArray {
    std::string name;
    std::string type;  // NumPy's: "<f4", "<i4", "<u2", "|u1"
    std::vector<uint64_t> shape;
    uint32_t item_bytes = 4;
    // Writes items [begin, begin + n) of the array in C order.
    std::function<void(uint64_t begin, uint64_t n, char* out)> fill;

    uint64_t items() const;
};

// Under a temporary name first. kIo names the file.
Status write_npz(const std::string& path, const std::vector<NpzArray>& arrays);

}  // namespace s3attn

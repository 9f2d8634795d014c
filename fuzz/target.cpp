#include "target.h"

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace s3attn::fuzz {

namespace fs = std::filesystem;

Scratch::Scratch() {
    const bool in_memory = ::access("/dev/shm", W_OK | X_OK) == 0;
    const fs::path root = in_memory ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string pattern = (root / "s3attn-fuzz-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) fail("no temporary directory");
    path_ = pattern;
}

Scratch::~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

void write_file(const std::string& path, const void* bytes, size_t size) {
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
    if (!file.flush()) fail("cannot write " + path);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void fail(const std::string& what) {
    std::fprintf(stderr, "fuzz target: %s\n", what.c_str());
    ::abort();
}

}  // namespace s3attn::fuzz

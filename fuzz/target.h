// What every fuzz target has besides LLVMFuzzerTestOneInput: inputs to start from, made by the code
// under test itself, so that they follow the formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace s3attn::fuzz {

std::vector<std::string> seeds();

// A directory in memory that is gone when the process ends.
class Scratch {
  public:
    Scratch();
    ~Scratch();
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

void write_file(const std::string& path, const void* bytes, size_t size);
std::string read_file(const std::string& path);
// Says what is wrong and aborts: how a target reports a wrong answer.
[[noreturn]] void fail(const std::string& what);

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

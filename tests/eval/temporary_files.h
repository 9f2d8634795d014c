// A folder for one test's files.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace s3attn::eval {

class TemporaryFiles {
  public:
    TemporaryFiles() {
        std::string name = (std::filesystem::temp_directory_path() / "s3attn-eval-XXXXXX").string();
        path_ = mkdtemp(name.data());
    }
    ~TemporaryFiles() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    std::string write(const std::string& name, const std::string& text) const {
        std::ofstream(path_ + "/" + name, std::ios::binary) << text;
        return path_ + "/" + name;
    }

  private:
    std::string path_;
};

}  // namespace s3attn::eval

// An adapter of which one file has any bytes. The first byte of the input says which.
#include <algorithm>
#include <filesystem>

#include "../tests/adapter/random_adapter.h"
#include "adapter/adapter.h"
#include "target.h"

namespace s3attn::fuzz {
namespace {

namespace fs = std::filesystem;

struct Files {
    Scratch scratch;
    std::string directory = scratch / "adapter";
    std::vector<std::string> names;     // below directory, sorted
    std::vector<std::string> contents;  // as saved

    Files() {
        const Adapter adapter = test::random_adapter(1, 8, 16, 2);
        if (const Status saved = save_adapter(adapter, directory); !saved.ok()) {
            fail(saved.error().message);
        }
        for (const auto& entry : fs::recursive_directory_iterator(directory)) {
            if (entry.is_regular_file()) {
                names.push_back(fs::relative(entry.path(), directory).string());
            }
        }
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) contents.push_back(read_file(path(name)));
    }
    std::string path(const std::string& name) const { return directory + "/" + name; }
};

const Files& files() {
    static const Files all;
    return all;
}

}  // namespace

std::vector<std::string> seeds() {
    std::vector<std::string> all;
    for (size_t i = 0; i < files().names.size(); ++i) {
        all.push_back(std::string(1, static_cast<char>(i)) + files().contents[i]);
    }
    return all;
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    if (size == 0) return 0;
    const fuzz::Files& files = fuzz::files();
    const size_t which = data[0] % files.names.size();
    const std::string path = files.path(files.names[which]);
    fuzz::write_file(path, data + 1, size - 1);
    if (const auto adapter = load_adapter(files.directory); adapter.ok()) {
        if (const Status valid = validate_adapter(*adapter); !valid.ok()) {
            fuzz::fail("an adapter was loaded that is not valid: " + valid.error().message);
        }
    }
    fuzz::write_file(path, files.contents[which].data(), files.contents[which].size());
    return 0;
}

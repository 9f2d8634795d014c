#include "base/directory.h"

#include <dirent.h>

#include <cerrno>
#include <memory>

#include "base/files.h"

namespace s3attn {

Result<std::vector<std::string>> list_directory(const std::string& path) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (directory == nullptr) return errno_error("cannot list", path);
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const dirent* entry = ::readdir(directory.get());
        if (entry == nullptr && errno != 0) return errno_error("cannot list", path);
        if (entry == nullptr) return names;
        std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(std::move(name));
    }
}

}  // namespace s3attn

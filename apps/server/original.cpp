#include "original.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/files.h"

namespace s3attn::server {
namespace {

Failure not_kept(const std::string& why) { return {404, "file_not_kept", why, "", 0}; }

}  // namespace

Outcome<Original> open_original(const DocumentInfo& document) {
    auto file = std::make_shared<Descriptor>(
        ::open(document.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    struct stat about {};
    if (!file->open() || ::fstat(file->get(), &about) != 0 || !S_ISREG(about.st_mode)) {
        return not_kept(
            "the file of this document is not there (any more); its text is: GET "
            "/v1/documents/ID/text");
    }
    const auto hash = hash_file("/proc/self/fd/" + std::to_string(file->get()));
    if (!hash.ok() || *hash != document.source_hash) {
        return not_kept(
            "the file of this document has changed since it was read, and is not given "
            "out; its text as it was read is: GET /v1/documents/ID/text");
    }
    return Original{file, static_cast<uint64_t>(about.st_size)};
}

}  // namespace s3attn::server

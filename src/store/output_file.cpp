#include "store/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"

namespace s3attn {
namespace {
constexpr size_t kBufferBytes = 1 << 18;
}

Result<std::unique_ptr<OutputFile>> OutputFile::create(const std::string& path) {
    Descriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.open()) return errno_error("cannot create", path);
    return std::unique_ptr<OutputFile>(new OutputFile(path, std::move(file)));
}

OutputFile::~OutputFile() {
    if (!finished_) ::unlink(path_.c_str());
}

Status OutputFile::write(std::string_view bytes) {
    size_ += bytes.size();
    buffer_.append(bytes);
    return buffer_.size() >= kBufferBytes ? flush() : Status();
}

Status OutputFile::flush() {
    S3ATTN_CHECK(write_all(file_.get(), buffer_, path_));
    buffer_.clear();
    return {};
}

Status OutputFile::finish() {
    S3ATTN_CHECK(flush());
    if (::fsync(file_.get()) != 0) return errno_error("cannot sync", path_);
    S3ATTN_CHECK(file_.close(path_));
    finished_ = true;
    return {};
}

}  // namespace s3attn

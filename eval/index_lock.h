// One process at a time makes an index: runs may share a folder of indexes (--index).
#pragma once

#include <string>

#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn::eval {

class IndexLock {
  public:
    // Waits for whoever makes an index in `directory`, which is made where it is not there yet. The
    // lock ends with the object, or with the process however that ends.
    static Result<IndexLock> take(const std::string& directory, const CancelToken& cancel);
    IndexLock(IndexLock&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    IndexLock(const IndexLock&) = delete;
    IndexLock& operator=(const IndexLock&) = delete;
    ~IndexLock();

  private:
    explicit IndexLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace s3attn::eval

// One process at a time makes an index: runs may share a folder of indexes (--index).
#pragma once

#include <string>
#include <utility>

#include "base/descriptor.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn::eval {

class IndexLock {
  public:
    // Waits for whoever makes an index in `directory`, which is made where it is not there yet. The
    // lock ends with the object, or with the process however that ends.
    static Result<IndexLock> take(const std::string& directory, const CancelToken& cancel);

  private:
    explicit IndexLock(Descriptor file) : file_(std::move(file)) {}
    Descriptor file_;
};

}  // namespace s3attn::eval

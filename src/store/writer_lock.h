// The lock that makes one writer: flock on STORE/writer.lock, so it ends with the process.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "base/descriptor.h"
#include "s3attn/result.h"

namespace s3attn {

class WriterLock {
  public:
    // kBusy names the holder's process id.
    static Result<std::unique_ptr<WriterLock>> exclusive(const std::string& directory);
    // Keeps writers away without write permission. Null: there is no lock file, so no writer yet.
    static Result<std::unique_ptr<WriterLock>> shared(const std::string& directory);
    ~WriterLock();
    WriterLock(const WriterLock&) = delete;
    WriterLock& operator=(const WriterLock&) = delete;

  private:
    WriterLock(Descriptor file, bool owner) : file_(std::move(file)), owner_(owner) {}
    Descriptor file_;
    bool owner_;
};

}  // namespace s3attn

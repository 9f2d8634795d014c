// The one file lock.
#pragma once

#include <string>

#include "base/owned_file.h"
#include "s3attn/result.h"

namespace s3attn {

enum class LockKind { kShared, kExclusive };
// flock(2): the lock ends when the descriptor is closed, and with the process however that ends.
// False when another holds it and `wait` is false; kIo where the file system has no locks.
Result<bool> lock_file(const Descriptor& file, LockKind kind, bool wait, const std::string& path);

}  // namespace s3attn

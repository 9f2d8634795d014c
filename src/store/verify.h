// Store::verify() of s3attn/store.h, by the directory's name.
#pragma once

#include <string>

#include "s3attn/store.h"

namespace s3attn {

Result<VerifyReport> verify_directory(const std::string& store);

}  // namespace s3attn

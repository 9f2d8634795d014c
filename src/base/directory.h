// The names in a directory. Not std::filesystem's iterator: libstdc++ ends the process when memory
// runs out in its overloads that promise no exception.
#pragma once

#include <string>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

// Without "." and "..", in no order.
Result<std::vector<std::string>> list_directory(const std::string& path);

}  // namespace s3attn

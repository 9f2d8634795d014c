// A value, or why a request fails.
#pragma once

#include <variant>

#include "errors.h"

namespace s3attn::server {

template <class T>
using Outcome = std::variant<T, Failure>;

}  // namespace s3attn::server

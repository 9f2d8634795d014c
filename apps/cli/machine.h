// What `doctor` says about the machine, as JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "output.h"

namespace s3attn::cli {

Json system_json();                   // kernel and distribution, one line
Json processor_json(uint32_t cores);  // name, cores, the features that our code and ggml look for
Json memory_json();                   // bytes; a control group's limit counts
Json disk_json(const std::vector<std::string>& directories);  // free bytes where each lies
// The programs and the dictionary that reading documents looks for on the machine: "name", "for",
// "package" (Debian's), "file" (null where it is not there).
Json converters_json();

}  // namespace s3attn::cli

// expand_inputs() for callers that leave out more than it does by itself.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "text/document_reader.h"

namespace s3attn {

// Of `paths`, the files that a walk through `root` found: the indices, ascending, of those that are
// left out. They are neither opened nor counted.
using LeaveOut = std::function<std::vector<size_t>(
    const std::string& root, const std::vector<std::string>& paths, std::vector<ReadNote>& notes)>;
InputList expand_inputs(const std::vector<std::string>& inputs, bool recursive,
                        const LeaveOut& leave_out);

}  // namespace s3attn

// Documents inside documents: the attachments of mails and PDFs, each read as a file of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/formats.h"

namespace s3attn::text {

// Takes a heading or the text of a unit of what is attached; an error ends the reading.
using AddAttached = std::function<Status(std::string_view text, bool heading)>;

// Reads `file`, which lies in `outer`'s document under `name`; `name` also says of what format it
// may be. `heading` stands in front where it is not empty. What cannot be read of it is noted in
// `notes` as "attachment NAME" and costs nothing else: errors are those of `add`.
Status read_attached(const OpenRequest& outer, const Result<std::shared_ptr<SourceFile>>& file,
                     const std::string& name, const std::string& heading, const AddAttached& add,
                     std::vector<ReadNote>& notes);

}  // namespace s3attn::text

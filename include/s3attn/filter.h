// Which documents of a store are searched: by place, kind, date, and what they say of themselves.
// All is found and scored as if the store held no others.
#pragma once

#include <string>
#include <vector>

#include "s3attn/result.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

// A document passes when it passes every part that is not empty.
struct DocumentFilter {
    // Its path matches one of these: `*`, `?` and `[abc]` stay inside a folder's or file's name,
    // `**` stands for any folders. A glob may begin anywhere in the path ("*.md", "notes/2021"),
    // one with "/" in front at its root; a name without wildcards, or with "/" behind it, also
    // stands for all that lies in that folder.
    std::vector<std::string> in = {};
    // Its format is one of these: "pdf", "markdown" ... (docs/documents.md), or a usual ending of
    // such files: "md", "txt".
    std::vector<std::string> types = {};
    // Its date (DocumentInfo::date) is that day or later; is earlier than that day. "2021-05-03",
    // "2021-05" and "2021" are the first day of theirs. Documents without a date do not pass.
    std::string after = {}, before = {};
    // "key=value", each: it has that property with that value, or a list with it; letters' case
    // does not count, and the value may have the wildcards `*`, `?` and `[abc]`.
    std::vector<std::string> where = {};

    bool any() const {
        return !in.empty() || !types.empty() || !after.empty() || !before.empty() || !where.empty();
    }
};

// kInvalidArgument names the part that can mean nothing: a glob, a type, a date, a condition.
Status check_filter(const DocumentFilter& filter);

}  // namespace s3attn
#pragma GCC visibility pop

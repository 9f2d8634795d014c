// Other names for the documents of a store whose files are known by what they hold.
#pragma once

#include <string>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

struct DocumentPlace {
    std::string hash;    // DocumentInfo::source_hash
    std::string path;    // how it is to be shown
    std::string source;  // as DocumentInfo::source
};
// Documents get the places of the same hash, in order; one that there is no place for keeps its
// own, unless that is another's now.
Status relabel_documents(const std::string& directory, const std::vector<DocumentPlace>& places);

}  // namespace s3attn

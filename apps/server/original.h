// The file a document was read from.
#pragma once

#include <memory>

#include "base/owned_file.h"
#include "outcome.h"
#include "s3attn/types.h"

namespace s3attn::server {

struct Original {
    std::shared_ptr<Descriptor> file;
    uint64_t bytes = 0;
};
// Open, where it still is what was read: what took its place since may be anything. 404 otherwise.
Outcome<Original> open_original(const DocumentInfo& document);

}  // namespace s3attn::server

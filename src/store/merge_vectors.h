// Vectors of stores that are merged.
#pragma once

#include <string>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace s3attn {

struct VectorSource {
    std::string directory;
    Database* catalog = nullptr;
};
// The committed units of `writer` get the vectors that units of the same text have in `sources`; a
// note tells how many have none there. kMismatch when the sources' vectors are of several models.
Status copy_vectors(const std::vector<VectorSource>& sources, StoreWriter& writer,
                    ProgressSink& sink, const CancelToken& cancel);

}  // namespace s3attn

// Single calls on a store by its directory's name: it may come and go while the server runs.
#pragma once

#include <string>
#include <vector>

#include "s3attn/store.h"

namespace s3attn::server {

inline Result<std::vector<DocumentInfo>> list_store(const std::string& directory) {
    S3ATTN_TRY(const Store store, Store::open(directory));
    return store.list();
}

inline Result<DocumentInfo> remove_from(const std::string& directory, DocumentId doc_id) {
    S3ATTN_TRY(Store store, Store::open(directory, Store::Access::kWrite));
    return store.remove(doc_id);
}

}  // namespace s3attn::server

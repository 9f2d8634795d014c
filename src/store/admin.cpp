// What can be done to a store without a model (s3attn/engine.h): list, text, remove.
#include <vector>

#include "s3attn/engine.h"
#include "store/open_writer.h"
#include "store/sources.h"
#include "store/store.h"

namespace s3attn {
Result<std::vector<DocumentInfo>> list_documents(const std::string& store) {
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    S3ATTN_TRY(auto documents, reader->documents());
    for (DocumentInfo& document : documents) document.missing = is_gone(document);
    return documents;
}

Status read_document_text(const std::string& store, int64_t doc_id,
                          const std::function<bool(std::string_view)>& on_text) {
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    return reader->read_text(doc_id, on_text);
}

Result<DocumentRange> read_document_range(const std::string& store, int64_t doc_id,
                                          uint64_t byte_begin, uint64_t byte_end,
                                          uint64_t max_bytes) {
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    return reader->read_range(doc_id, byte_begin, byte_end, max_bytes);
}

Result<DocumentInfo> remove_document(const std::string& store, const std::string& path_or_id) {
    S3ATTN_TRY(const auto writer, open_existing_writer(store));
    return writer->remove_document(path_or_id);
}

Status drop_interrupted(const std::string& store, const std::string& path) {
    const auto writer = open_existing_writer(store);
    if (!writer.ok() && writer.error().code == ErrorCode::kNotFound) return {};
    if (!writer.ok()) return writer.error();
    return (*writer)->drop_interrupted(path);
}

}  // namespace s3attn

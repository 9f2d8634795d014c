#include "documents.h"

#include <utility>

namespace s3attn::server {

Failure too_many_documents() {
    constexpr int kSeconds = 10;  // what Retry-After says
    return {503, "overloaded", "too many documents wait to be read", "", kSeconds};
}

Documents::Documents(const Stores& stores, const EngineOptions& engine, const IndexOptions& index,
                     size_t most_waiting, Metrics& metrics)
    : stores_(stores),
      jobs_(make_scan_work(engine, index), most_waiting, [&metrics](uint64_t tokens) {
          metrics.count_tokens_scanned(static_cast<double>(tokens));
      }) {}

void Documents::resume_uploads() {
    for (size_t i = 0; i < stores_.size(); ++i) {
        const NamedStore& store = stores_[i];
        for (const auto& file : unfinished_uploads(stores_.uploads_of(i), store.path)) {
            jobs_.submit({store.name, store.path, file->name(), file->path(), file}, true);
        }
    }
}

Outcome<DocumentInfo> Documents::find(size_t store, DocumentId doc_id) const {
    auto listed = stores_.documents(store);
    if (const auto* failure = std::get_if<Failure>(&listed)) return *failure;
    for (DocumentInfo& document : std::get<std::vector<DocumentInfo>>(listed)) {
        if (document.doc_id == doc_id) return std::move(document);
    }
    return Failure{404, "document_not_found",
                   "the store '" + stores_[store].name + "' has no document " + to_string(doc_id),
                   "doc_id", 0};
}

Outcome<DocumentInfo> Documents::remove(size_t store, DocumentId doc_id) {
    const auto there = find(store, doc_id);
    if (const auto* failure = std::get_if<Failure>(&there)) return *failure;
    auto removed = jobs_.remove(stores_[store].path, doc_id);
    if (!removed.ok()) return failure_of(removed.error());
    return std::move(*removed);
}

Outcome<ScanStatus> Documents::add(const ScanRequest& request) {
    const auto job = jobs_.submit(request);
    if (job) return *job;
    if (request.upload) request.upload->withdraw();
    return too_many_documents();
}

Outcome<ScanStatus> Documents::add_upload(size_t store, const std::string& name,
                                          IncomingFile& file) {
    auto kept = file.keep(name);
    if (!kept.ok()) return failure_of(kept.error());
    return add({stores_[store].name, stores_[store].path, name, (*kept)->path(), *kept});
}

Outcome<ScanStatus> Documents::add_file(size_t store, const std::string& name,
                                        const std::string& file) {
    return add({stores_[store].name, stores_[store].path, name, file, nullptr});
}

}  // namespace s3attn::server

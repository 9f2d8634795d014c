#include "scan_work.h"

#include <algorithm>

#include "store_calls.h"

namespace s3attn::server {
namespace {

class EngineWork final : public ScanWork {
  public:
    EngineWork(const EngineOptions& engine, const IndexOptions& index)
        : engine_options_(engine), index_options_(index) {}

    Result<IndexReport> scan(const ScanRequest& request, ProgressSink& sink,
                             const CancelToken& cancel) override {
        if (!engine_) {
            S3ATTN_TRY(engine_, Engine::open(engine_options_));
        }
        S3ATTN_TRY(Store store, Store::open(request.store_path, Store::Access::kCreate));
        return engine_->index(store, {request.file}, index_options_, sink, cancel);
    }

    bool has_part(const ScanRequest& request) override {
        const auto documents = list_store(request.store_path);
        return documents.ok() &&
               std::any_of(documents->begin(), documents->end(), [&](const DocumentInfo& document) {
                   return !document.complete && document.path == request.file;
               });
    }

    Status drop_part(const ScanRequest& request) override {
        auto store = Store::open(request.store_path, Store::Access::kWrite);
        if (!store.ok() && store.error().code == ErrorCode::kNotFound) return {};
        if (!store.ok()) return store.error();
        return store->drop_interrupted(request.file);
    }

    Result<DocumentInfo> remove(const std::string& store_path, DocumentId doc_id) override {
        return remove_from(store_path, doc_id);
    }

  private:
    const EngineOptions engine_options_;
    const IndexOptions index_options_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace

std::unique_ptr<ScanWork> make_scan_work(const EngineOptions& engine, const IndexOptions& index) {
    return std::make_unique<EngineWork>(engine, index);
}

}  // namespace s3attn::server

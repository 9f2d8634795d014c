// What the scanning thread does to stores. It alone writes them, one thing at a time, and holds no
// lock of the queue meanwhile: a store may take its time (segments are joined, disks are slow).
#pragma once

#include <memory>
#include <string>

#include "s3attn/engine.h"
#include "s3attn/result.h"
#include "uploads.h"

namespace s3attn::server {

// A document that is to be read.
struct ScanRequest {
    std::string store_name, store_path;
    std::string name;
    std::string file;                      // path of the document
    std::shared_ptr<UploadedFile> upload;  // null: the file is the client's own, and stays as it is
};

class ScanWork {
  public:
    virtual ~ScanWork() = default;
    // Reads the document, from where an interrupted run left it.
    virtual Result<IndexReport> scan(const ScanRequest& request, ProgressSink& sink,
                                     const CancelToken& cancel) = 0;
    // Whether a part of the document is in the store, and searched.
    virtual bool has_part(const ScanRequest& request) = 0;
    // Drops that part; an earlier version of the document stays.
    virtual Status drop_part(const ScanRequest& request) = 0;
    virtual Result<DocumentInfo> remove(const std::string& store_path, DocumentId doc_id) = 0;
};

// With an engine, made when the first document comes.
std::unique_ptr<ScanWork> make_scan_work(const EngineOptions& engine, const IndexOptions& index);

}  // namespace s3attn::server

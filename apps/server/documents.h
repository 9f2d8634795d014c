// The documents of the stores, and those on their way in.
#pragma once

#include <memory>
#include <string>

#include "metrics.h"
#include "outcome.h"
#include "scan_jobs.h"
#include "stores.h"
#include "uploads.h"

namespace s3attn::server {

class Documents {
  public:
    // `most_waiting`: documents that wait to be read.
    Documents(const Stores& stores, const EngineOptions& engine, const IndexOptions& index,
              size_t most_waiting, Metrics& metrics);

    Outcome<DocumentInfo> find(size_t store, DocumentId doc_id) const;
    Outcome<DocumentInfo> remove(size_t store, DocumentId doc_id);
    // Has a document read: what a client sent, or a file of the client's own, which stays as it is.
    // 503 when too many wait.
    Outcome<ScanStatus> add_upload(size_t store, const std::string& name, IncomingFile& file);
    Outcome<ScanStatus> add_file(size_t store, const std::string& name, const std::string& file);
    // What an earlier run of the server left to be read.
    void resume_uploads();

    ScanJobs& jobs() { return jobs_; }

  private:
    Outcome<ScanStatus> add(const ScanRequest& request);

    const Stores& stores_;
    ScanJobs jobs_;
};

// What a client is told that sends a document while too many wait.
Failure too_many_documents();

}  // namespace s3attn::server

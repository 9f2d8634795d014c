// What the server does, whichever way it is asked: HTTP and MCP are two front doors to this. It
// holds the parts together and does nothing itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "documents.h"
#include "metrics.h"
#include "question_log.h"
#include "questions.h"
#include "stores.h"

namespace s3attn::server {

struct ServiceOptions {
    EngineOptions engine;              // the scanning model; `reader` is not used
    std::vector<std::string> stores;   // directories
    std::vector<std::string> readers;  // GGUF files; none: the scanning model answers
    size_t answers = 1;                // at a time
    size_t queue = 16;                 // jobs that wait, of each kind
    IndexOptions index;
    std::string log_questions;  // a file; empty: questions are not kept
};

class Service {
  public:
    // Failures of the model, an adapter or a store that is none are told here, not later.
    static Result<std::unique_ptr<Service>> open(const ServiceOptions& options);
    ~Service() { stop(0); }

    const Stores& stores() const { return stores_; }
    Documents& documents() { return documents_; }
    Questions& questions() { return questions_; }
    const Questions& questions() const { return questions_; }
    Metrics& metrics() { return metrics_; }
    QuestionLog& question_log() { return question_log_; }
    int64_t started() const { return started_; }  // seconds since 1970

    void update_gauges();
    // Running answers may end for `grace_ms`; the scan ends at its next commit point.
    void stop(int grace_ms);

  private:
    explicit Service(const ServiceOptions& options);

    const int64_t started_;
    Metrics metrics_;
    QuestionLog question_log_;
    const Stores stores_;
    Documents documents_;
    Questions questions_;
};

}  // namespace s3attn::server

// What /metrics tells, in Prometheus' text format.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <string>

namespace s3attn::server {

class Metrics {
  public:
    Metrics();
    void count_request(const std::string& route, int status);
    // By the name of the API key.
    void count_key(const std::string& name, int status);
    void count_tokens_scanned(double tokens) { tokens_scanned_.Increment(tokens); }
    void count_answer_tokens(double tokens) { answer_tokens_.Increment(tokens); }
    void count_cancelled() { cancelled_.Increment(); }
    void observe_retrieval(double seconds) { retrieval_.Observe(seconds); }
    void observe_first_token(double seconds) { first_token_.Observe(seconds); }
    void set_queue(const std::string& queue, size_t waiting, size_t running);
    // Sets the memory gauges, then writes everything.
    std::string text();

  private:
    prometheus::Registry registry_;
    prometheus::Family<prometheus::Counter>& requests_;
    prometheus::Family<prometheus::Counter>& keys_;
    prometheus::Family<prometheus::Gauge>& queue_;
    prometheus::Counter& tokens_scanned_;
    prometheus::Counter& answer_tokens_;
    prometheus::Counter& cancelled_;
    prometheus::Histogram& retrieval_;
    prometheus::Histogram& first_token_;
    prometheus::Gauge& memory_;
    prometheus::Gauge& peak_memory_;
};

}  // namespace s3attn::server

#include "metrics.h"

#include <prometheus/text_serializer.h>

#include "base/timing.h"

namespace s3attn::server {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Histogram;

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
    return BuildCounter().Name(name).Help(help).Register(registry).Add({});
}
prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
    return BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

Metrics::Metrics()
    : requests_(BuildCounter()
                    .Name("s3attn_requests_total")
                    .Help("Requests by route and HTTP status")
                    .Register(registry_)),
      keys_(BuildCounter()
                .Name("s3attn_key_requests_total")
                .Help("Requests by the name of their API key and HTTP status")
                .Register(registry_)),
      queue_(BuildGauge()
                 .Name("s3attn_jobs")
                 .Help("Jobs by queue (scan, search, answer) and state (waiting, running)")
                 .Register(registry_)),
      tokens_scanned_(
          counter(registry_, "s3attn_tokens_scanned_total", "Tokens of documents read")),
      answer_tokens_(counter(registry_, "s3attn_answer_tokens_total", "Tokens of answers written")),
      cancelled_(counter(registry_, "s3attn_answers_cancelled_total",
                         "Answers stopped because the client hung up or the server ended")),
      retrieval_(
          BuildHistogram()
              .Name("s3attn_retrieval_seconds")
              .Help("From a question to its evidence, waiting excluded")
              .Register(registry_)
              .Add({}, Histogram::BucketBoundaries{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10})),
      first_token_(
          BuildHistogram()
              .Name("s3attn_first_token_seconds")
              .Help("From a question to the first token of its answer, waiting included")
              .Register(registry_)
              .Add({}, Histogram::BucketBoundaries{.1, .2, .5, 1, 2, 5, 10, 20, 50, 100, 200})),
      memory_(gauge(registry_, "s3attn_resident_memory_bytes", "Resident memory of the process")),
      peak_memory_(gauge(registry_, "s3attn_peak_resident_memory_bytes",
                         "Largest resident memory of the process so far")) {}

void Metrics::count_request(const std::string& route, int status) {
    requests_.Add({{"route", route}, {"status", std::to_string(status)}}).Increment();
}

void Metrics::count_key(const std::string& name, int status) {
    keys_.Add({{"key", name}, {"status", std::to_string(status)}}).Increment();
}

void Metrics::set_queue(const std::string& queue, size_t waiting, size_t running) {
    queue_.Add({{"queue", queue}, {"state", "waiting"}}).Set(static_cast<double>(waiting));
    queue_.Add({{"queue", queue}, {"state", "running"}}).Set(static_cast<double>(running));
}

std::string Metrics::text() {
    memory_.Set(static_cast<double>(current_rss_bytes()));
    peak_memory_.Set(static_cast<double>(peak_rss_bytes()));
    return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace s3attn::server

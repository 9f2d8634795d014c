#include "service.h"

#include <ctime>
#include <system_error>

namespace s3attn::server {

Service::Service(const ServiceOptions& options)
    : started_(std::time(nullptr)),
      stores_(options.stores),
      documents_(stores_, options.engine, options.index, options.queue, metrics_),
      questions_(stores_, options.engine, options.readers, options.answers, options.queue,
                 metrics_) {}

Result<std::unique_ptr<Service>> Service::open(const ServiceOptions& options) try {
    S3ATTN_TRY([[maybe_unused]] const auto engine, Engine::open(options.engine));
    std::unique_ptr<Service> service(new Service(options));
    S3ATTN_CHECK(service->questions_.check_readers());
    S3ATTN_CHECK(service->stores_.check());
    if (!options.log_questions.empty()) {
        S3ATTN_CHECK(service->question_log_.open(options.log_questions));
    }
    service->documents_.resume_uploads();
    return service;
} catch (const std::system_error& error) {
    return make_error(ErrorCode::kIo, std::string("no thread can be started: ") + error.what());
}

void Service::stop(int grace_ms) {
    questions_.stop(grace_ms);
    documents_.jobs().stop();
}

void Service::update_gauges() {
    metrics_.set_queue("scan", documents_.jobs().waiting(), documents_.jobs().running());
    questions_.update_gauges();
}

}  // namespace s3attn::server

// What needs no engine: the web page, health, metrics, lists.
#include <ctime>

#include "routes.h"
#include "web_files.h"

namespace s3attn::server {

void send_json(httplib::Response& response, int status, const Json& json) {
    response.status = status;
    response.set_content(dump(json), "application/json");
}

void send_failure(httplib::Response& response, const Failure& failure) {
    if (failure.retry_after > 0) {
        response.set_header("Retry-After", std::to_string(failure.retry_after));
    }
    send_json(response, failure.status, error_json(failure));
}

std::string sse(const char* event, const Json& data) {
    std::string text;
    if (event != nullptr) text = std::string("event: ") + event + "\n";
    return text + "data: " + dump(data) + "\n\n";
}

void HttpApi::Routes::add_pages() {
    for (const WebFile& file : web_files()) {
        server_.Get(file.pattern, [file](const Request&, Response& response) {
            response.set_content(file.text.data(), file.text.size(), file.type);
        });
    }
    server_.Get("/healthz", [this](const Request&, Response& response) {
        Json json = {{"status", "ok"}, {"uptime_s", std::time(nullptr) - service_.started()}};
        if (keys_.empty()) {  // asks for no key: says nothing of what there is where keys are asked
            json["stores"] = service_.stores().size();
            json["scanning"] = service_.documents().jobs().running();
        }
        send_json(response, 200, json);
    });
    server_.Get("/metrics", [this](const Request& request, Response& response) {
        if (!access_of(request).everything) return send_failure(response, no_right());
        service_.update_gauges();
        response.set_content(service_.metrics().text(), "text/plain; version=0.0.4");
    });
    const auto model_json = [this](const NamedReader& reader) {
        return Json{{"id", reader.name},
                    {"object", "model"},
                    {"created", service_.started()},
                    {"owned_by", "s3attn"}};
    };
    server_.Get("/v1/models", [=, this](const Request&, Response& response) {
        Json models = Json::array();
        for (const NamedReader& reader : service_.questions().readers())
            models.push_back(model_json(reader));
        send_json(response, 200, {{"object", "list"}, {"data", models}});
    });
    server_.Get("/v1/models/([^/]+)", [=, this](const Request& request, Response& response) {
        const auto reader = service_.questions().choose_reader(request.matches[1]);
        if (const auto* failure = std::get_if<Failure>(&reader)) {
            return send_failure(response, *failure);
        }
        send_json(response, 200,
                  model_json(service_.questions().readers()[std::get<size_t>(reader)]));
    });
    server_.Get("/v1/stores", [this](const Request& request, Response& response) {
        Json stores = Json::array();
        const Access& access = access_of(request);
        for (size_t i = 0; i < service_.stores().size(); ++i) {
            if (!access.may_read(i)) continue;
            const auto listed = service_.stores().documents(i);
            if (const auto* failure = std::get_if<Failure>(&listed)) {
                send_failure(response, *failure);
                return;
            }
            uint64_t tokens = 0;
            const auto& documents = std::get<std::vector<DocumentInfo>>(listed);
            for (const DocumentInfo& document : documents) tokens += document.tokens;
            stores.push_back({{"name", service_.stores()[i].name},
                              {"documents", documents.size()},
                              {"tokens", tokens},
                              {"writable", access.may_write(i)}});
        }
        send_json(response, 200, {{"object", "list"}, {"data", stores}});
    });
}

}  // namespace s3attn::server

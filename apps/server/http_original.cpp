// The original file of a document, and the log of questions.
#include <unistd.h>

#include "original.h"
#include "render.h"
#include "routes.h"

namespace s3attn::server {
namespace {

constexpr uint64_t kMostLines = 1000;

// What a browser may show; all else is for saving alone, since a document may be a page with
// scripts.
const char* type_of_format(const std::string& format) {
    if (format == "pdf") return "application/pdf";
    if (format == "text" || format == "markdown") return "text/plain";
    return "application/octet-stream";
}

// For a header: what is no plain letter stands as %XX.
std::string encoded_name(const std::string& name) {
    std::string text;
    for (const char c : name) {
        const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                           (c >= 'a' && c <= 'z') || c == '.' || c == '-' || c == '_';
        constexpr const char* kDigits = "0123456789ABCDEF";
        const auto byte = static_cast<unsigned char>(c);
        if (plain) {
            text += c;
        } else {
            text += {'%', kDigits[byte >> 4], kDigits[byte & 15u]};
        }
    }
    return text;
}

}  // namespace

void HttpApi::Routes::send_original(const Request& request, Response& response) {
    const auto named = named_document(request);
    if (const auto* failure = std::get_if<Failure>(&named)) {
        return send_failure(response, *failure);
    }
    const auto& [store, document] = std::get<std::pair<size_t, DocumentInfo>>(named);
    const auto opened = open_original(document);
    if (const auto* failure = std::get_if<Failure>(&opened)) {
        return send_failure(response, *failure);
    }
    const auto& [file, bytes] = std::get<Original>(opened);
    const std::string name = service_.stores().name_of(store, document.path);
    response.set_header("Content-Disposition", "attachment; filename*=UTF-8''" +
                                                   encoded_name(name.substr(name.rfind('/') + 1)));
    response.headers.erase("Content-Security-Policy");
    response.set_header("Content-Security-Policy", "default-src 'none'; sandbox");
    response.set_content_provider(
        bytes, type_of_format(document.format),
        [file = file](size_t offset, size_t length, httplib::DataSink& sink) {
            char block[65536];
            const ssize_t got = ::pread(file->get(), block, std::min(length, sizeof block),
                                        static_cast<off_t>(offset));
            if (got <= 0) return false;
            sink.write(block, static_cast<size_t>(got));
            return true;
        });
}

void HttpApi::Routes::log_question(const Request& request, Json entry) {
    if (!log_.on()) return;
    Json json = {{"key", access_of(request).name}, {"via", request.path}};
    json.update(entry);
    log_.write(json);
}

// ?after=N: behind the first N lines; ?limit=N: so many at most. A key that may not do everything
// sees its own questions.
void HttpApi::Routes::add_log() {
    server_.Get("/v1/questions", [this](const Request& request, Response& response) {
        if (!log_.on()) {
            return send_failure(response, {404, "not_kept",
                                           "questions are not kept here; start the server with "
                                           "--log-questions FILE to keep them",
                                           "", 0});
        }
        const auto after = query_number(request, "after", 0);
        const auto limit = query_number(request, "limit", kMostLines);
        if (!after || !limit) {
            return send_failure(response,
                                bad_request("must be a number", after ? "limit" : "after"));
        }
        const Access& access = access_of(request);
        const auto lines = log_.lines(*after, std::min(*limit, kMostLines), [&](const Json& entry) {
            return access.everything || entry.value("key", Json()) == access.name;
        });
        if (!lines.ok()) return send_failure(response, failure_of(lines.error()));
        response.set_content(*lines, "application/x-ndjson");
    });
}

}  // namespace s3attn::server

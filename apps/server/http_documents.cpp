// Documents: list, upload, read, remove; and the jobs that scan them.
#include <charconv>
#include <chrono>
#include <cstring>

#include "fields.h"
#include "render.h"
#include "request_head.h"
#include "routes.h"
#include "s3attn/store.h"
#include "text_range.h"
#include "uploads.h"

namespace s3attn::server {
namespace {

constexpr int kWaitMs = 500;

Json unit_json(const UnitText& unit) {
    Json json = {{"byte_begin", unit.byte_begin}, {"byte_end", unit.byte_end}};
    if (unit.page > 0) {
        json["page"] = unit.page;
    } else {
        json["line_begin"] = unit.line_begin;
        json["line_end"] = unit.line_end;
    }
    if (!unit.heading.empty()) json["heading"] = unit.heading;
    if (!unit.columns.empty()) json["columns"] = unit.columns;
    json["gap"] = unit.gap;
    json["text"] = unit.text;
    return json;
}

// What an upload request brought.
struct Upload {
    std::string name;
    std::unique_ptr<IncomingFile> file;
    std::optional<Failure> failure;
    bool take(const char* data, size_t size) {
        const Status written = file->write({data, size});
        if (!written.ok()) failure = failure_of(written.error());
        return written.ok();
    }
};

bool is_type(const httplib::Request& request, const char* type) {
    return request.get_header_value("Content-Type").starts_with(type);
}

Failure interrupted() {
    const auto problem = body_problem();
    if (!problem) return bad_request("the body is malformed");
    Failure failure = bad_request(problem->message);
    failure.status = problem->status;
    if (problem->status == 413) failure.code = "too_large";
    if (problem->status == 408) failure.code = "timeout";
    return failure;
}

// {"name": ..., "text": ...}
void read_json(const httplib::ContentReader& reader, Upload& upload) {
    std::string body;
    const bool whole = reader([&](const char* data, size_t size) {
        body.append(data, size);
        return true;
    });
    Failure failure = interrupted();
    auto json = whole ? parse_object(body, failure) : std::nullopt;
    if (!json) {
        upload.failure = failure;
        return;
    }
    Fields fields(*json);
    const std::string name = fields.text("name", upload.name);
    const std::string text = fields.required_text("text");
    upload.failure = fields.failure();
    if (!name.empty()) upload.name = name;
    if (!upload.failure) upload.take(text.data(), text.size());
}

// The first part that has a file name, or is called "file".
void read_multipart(const httplib::ContentReader& reader, Upload& upload) {
    bool in_file = false, seen = false;
    const bool whole = reader(
        [&](const httplib::MultipartFormData& part) {
            in_file = !seen && (!part.filename.empty() || part.name == "file");
            seen = seen || in_file;
            if (in_file && upload.name.empty()) upload.name = part.filename;
            return true;
        },
        [&](const char* data, size_t size) { return !in_file || upload.take(data, size); });
    if (!whole && !upload.failure) upload.failure = interrupted();
    if (whole && !seen) upload.failure = bad_request("the form has no file", "file");
}

void read_raw(const httplib::ContentReader& reader, Upload& upload) {
    const bool whole =
        reader([&](const char* data, size_t size) { return upload.take(data, size); });
    if (!whole && !upload.failure) upload.failure = interrupted();
}

}  // namespace

std::optional<uint64_t> query_number(const httplib::Request& request, const char* name,
                                     uint64_t fallback) {
    if (!request.has_param(name)) return fallback;
    const std::string text = request.get_param_value(name);
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return {};
    return value;
}

Outcome<std::pair<size_t, DocumentInfo>> HttpApi::Routes::named_document(const Request& request,
                                                                         bool to_write) const {
    const std::string id = request.matches[1];
    DocumentId doc_id;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), doc_id.value);
    if (error != std::errc() || end != id.data() + id.size()) {
        return Failure{404, "document_not_found", "a document is named by its number", "doc_id", 0};
    }
    const Access& access = access_of(request);
    const auto store =
        to_write ? access.choose_to_write(service_.stores(), request.get_param_value("store"))
                 : access.choose_one(service_.stores(), request.get_param_value("store"));
    if (const auto* failure = std::get_if<Failure>(&store)) return *failure;
    const size_t index = std::get<size_t>(store);
    auto document = service_.documents().find(index, doc_id);
    if (const auto* failure = std::get_if<Failure>(&document)) return *failure;
    return std::pair(index, std::get<DocumentInfo>(std::move(document)));
}

void HttpApi::Routes::list_documents(const Request& request, Response& response) {
    std::vector<std::string> names;
    if (request.has_param("store")) names.push_back(request.get_param_value("store"));
    const auto stores = access_of(request).choose(service_.stores(), names);
    if (const auto* failure = std::get_if<Failure>(&stores)) {
        return send_failure(response, *failure);
    }
    Json documents = Json::array();
    for (const size_t store : std::get<std::vector<size_t>>(stores)) {
        const auto listed = service_.stores().documents(store);
        if (const auto* failure = std::get_if<Failure>(&listed)) {
            return send_failure(response, *failure);
        }
        for (const DocumentInfo& document : std::get<std::vector<DocumentInfo>>(listed)) {
            documents.push_back(document_json(service_, store, document));
        }
    }
    send_json(response, 200, {{"object", "list"}, {"data", documents}});
}

void HttpApi::Routes::upload(const Request& request, Response& response,
                             const httplib::ContentReader& reader) {
    const auto store =
        access_of(request).choose_to_write(service_.stores(), request.get_param_value("store"));
    if (const auto* failure = std::get_if<Failure>(&store)) {
        return send_failure(response, *failure);
    }
    const size_t index = std::get<size_t>(store);
    if (!service_.documents().jobs().has_room()) {
        return send_failure(response, too_many_documents());
    }
    Upload upload;
    upload.name = request.get_param_value("name");
    auto file = IncomingFile::create(service_.stores().uploads_of(index));
    if (!file.ok()) return send_failure(response, failure_of(file.error()));
    upload.file = std::move(*file);
    if (is_type(request, "application/json")) {
        read_json(reader, upload);
    } else if (request.is_multipart_form_data()) {
        read_multipart(reader, upload);
    } else {
        read_raw(reader, upload);
    }
    if (upload.failure) return send_failure(response, *upload.failure);
    const std::string problem = problem_of_name(upload.name);
    if (!problem.empty()) return send_failure(response, bad_request(problem, "name"));
    if (upload.file->bytes() == 0) {
        return send_failure(response, bad_request("the document is empty"));
    }
    const auto added = service_.documents().add_upload(index, upload.name, *upload.file);
    if (const auto* failure = std::get_if<Failure>(&added)) {
        return send_failure(response, *failure);
    }
    const auto* job = &std::get<ScanStatus>(added);
    // Relative to the address as it was written, which a proxy may have put below a path of its
    // own.
    response.set_header(
        "Location",
        (request.has_header(kSlashHeader) ? "jobs/" : "documents/jobs/") + std::to_string(job->id));
    if (request.get_header_value("Accept").starts_with("text/event-stream")) {
        return stream_job(job->id, response);
    }
    send_json(response, 202, scan_json(*job));
}

void HttpApi::Routes::stream_job(uint64_t id, Response& response) {
    response.set_header("X-Accel-Buffering", "no");
    auto seen = std::make_shared<uint64_t>(0);
    auto quiet = std::make_shared<int>(0);
    response.set_chunked_content_provider("text/event-stream", [=, this](size_t,
                                                                         httplib::DataSink& sink) {
        const auto status = service_.documents().jobs().wait(id, *seen, kWaitMs);
        if (!status || client_has_gone()) return false;
        std::string text;
        if (status->version != *seen) {
            *seen = status->version;
            *quiet = 0;
            text = sse(status->ended() ? to_string(status->state) : "progress", scan_json(*status));
        } else if (++*quiet * kWaitMs >= 10'000) {
            *quiet = 0;
            text = ": still at it\n\n";
        }
        if (!text.empty()) sink.write(text.data(), text.size());
        if (status->ended()) sink.done();
        return true;
    });
}

void HttpApi::Routes::read_text(const Request& request, Response& response) {
    const auto named = named_document(request);
    if (const auto* failure = std::get_if<Failure>(&named)) {
        return send_failure(response, *failure);
    }
    const auto& [store, document] = std::get<std::pair<size_t, DocumentInfo>>(named);
    const auto begin = query_number(request, "begin", 0);
    const auto end = query_number(request, "end", begin.value_or(0) + kDefaultTextBytes);
    if (!begin || !end) {
        return send_failure(
            response, bad_request("begin and end must be byte offsets", begin ? "end" : "begin"));
    }
    const auto there = Store::open(service_.stores()[store].path);
    if (!there.ok()) return send_failure(response, failure_of(there.error()));
    const auto range = there->read_range(document.doc_id, *begin, *end, kMostTextBytes);
    if (!range.ok()) return send_failure(response, failure_of(range.error()));
    Json json = document_json(service_, store, range->document);
    uint64_t from = *begin, to = *end;
    json["text"] = slice(*range, from, to);
    json["begin"] = from;
    json["end"] = to;
    json["cut"] = range->cut;
    json["pieces"] = Json::array();
    for (const UnitText& unit : range->units) json["pieces"].push_back(unit_json(unit));
    send_json(response, 200, json);
}

void HttpApi::Routes::add_documents() {
    server_.Get("/v1/documents", [this](const Request& request, Response& response) {
        list_documents(request, response);
    });
    server_.Post("/v1/documents", [this](const Request& request, Response& response,
                                         const httplib::ContentReader& reader) {
        upload(request, response, reader);
    });
    add_jobs();
    server_.Get("/v1/documents/([^/]+)", [this](const Request& request, Response& response) {
        const auto named = named_document(request);
        if (const auto* failure = std::get_if<Failure>(&named)) {
            return send_failure(response, *failure);
        }
        const auto& [store, document] = std::get<std::pair<size_t, DocumentInfo>>(named);
        send_json(response, 200, document_json(service_, store, document));
    });
    server_.Get("/v1/documents/([^/]+)/text", [this](const Request& request, Response& response) {
        read_text(request, response);
    });
    server_.Get("/v1/documents/([^/]+)/file", [this](const Request& request, Response& response) {
        send_original(request, response);
    });
    server_.Delete("/v1/documents/([^/]+)", [this](const Request& request, Response& response) {
        const auto named = named_document(request, true);
        if (const auto* failure = std::get_if<Failure>(&named)) {
            return send_failure(response, *failure);
        }
        const auto& [store, document] = std::get<std::pair<size_t, DocumentInfo>>(named);
        const auto removed = service_.documents().remove(store, document.doc_id);
        if (const auto* failure = std::get_if<Failure>(&removed)) {
            return send_failure(response, *failure);
        }
        send_json(response, 200,
                  {{"deleted", true},
                   {"document", document_json(service_, store, std::get<DocumentInfo>(removed))}});
    });
}

// A job is seen by who may read its store or write it.
bool HttpApi::Routes::may_see(const Request& request, const ScanStatus& status) const {
    const Access& access = access_of(request);
    if (access.everything) return true;
    const auto store = service_.stores().choose_one(status.store);
    const auto* index = std::get_if<size_t>(&store);
    return index != nullptr && (access.may_read(*index) || access.may_write(*index));
}

void HttpApi::Routes::add_jobs() {
    const auto find = [this](const Request& request) -> std::optional<ScanStatus> {
        const std::string id = request.matches[1];
        uint64_t number = 0;
        const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
        if (error != std::errc() || end != id.data() + id.size()) return {};
        auto status = service_.documents().jobs().status(number);
        if (status && !may_see(request, *status)) return {};
        return status;
    };
    const auto unknown = [this](const Request& request) -> Failure {
        if (!access_of(request).everything) return no_right();
        return {404, "job_not_found", "there is no such job (any more)", "id", 0};
    };
    server_.Get("/v1/documents/jobs", [this](const Request& request, Response& response) {
        Json jobs = Json::array();
        for (const ScanStatus& status : service_.documents().jobs().all()) {
            if (may_see(request, status)) jobs.push_back(scan_json(status));
        }
        send_json(response, 200, {{"object", "list"}, {"data", jobs}});
    });
    server_.Get("/v1/documents/jobs/([^/]+)", [=](const Request& request, Response& response) {
        const auto status = find(request);
        if (!status) return send_failure(response, unknown(request));
        send_json(response, 200, scan_json(*status));
    });
    server_.Get("/v1/documents/jobs/([^/]+)/events",
                [=, this](const Request& request, Response& response) {
                    const auto status = find(request);
                    if (!status) return send_failure(response, unknown(request));
                    stream_job(status->id, response);
                });
    server_.Post(
        "/v1/documents/jobs/([^/]+)/cancel", [=, this](const Request& request, Response& response) {
            const auto status = find(request);
            if (!status) return send_failure(response, unknown(request));
            const auto store = access_of(request).choose_to_write(service_.stores(), status->store);
            if (const auto* failure = std::get_if<Failure>(&store)) {
                return send_failure(response, *failure);
            }
            service_.documents().jobs().cancel(status->id);
            send_json(response, 200,
                      scan_json(service_.documents().jobs().status(status->id).value_or(*status)));
        });
}

}  // namespace s3attn::server

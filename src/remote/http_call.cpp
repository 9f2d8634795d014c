#include "remote/http_call.h"

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>

namespace s3attn {
namespace {

constexpr size_t kKeptBody = size_t{64} << 10;
constexpr long kMostSeconds = 3600;  // of one answer, however alive it looks
constexpr int kLookMs = 50;          // how often the CancelToken is looked at

struct Transfer {
    const HttpRequest& request;
    const HttpClient::OnData& on_data;
    CURL* curl;
    HttpAnswer answer{};
    uint64_t bytes = 0;
    bool too_long = false;

    size_t take(const char* data, size_t size) {
        if (answer.status == 0) {
            curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
            const char* type = nullptr;
            curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
            if (type != nullptr) answer.content_type = type;
        }
        bytes += size;
        if (bytes > request.most_bytes) {
            too_long = true;
            return CURL_WRITEFUNC_ERROR;
        }
        if (answer.status == 200 && on_data) {
            if (on_data(answer, {data, size})) return size;
            answer.ended_early = true;
            return CURL_WRITEFUNC_ERROR;
        }
        answer.body.append(data,
                           std::min(size, kKeptBody - std::min(kKeptBody, answer.body.size())));
        return size;
    }
};

size_t write_bytes(char* data, size_t one, size_t n, void* transfer) {
    return static_cast<Transfer*>(transfer)->take(data, one * n);
}

std::string advice_on(CURLcode code) {
    switch (code) {
        case CURLE_COULDNT_CONNECT: return ": is the server running, and the port right?";
        case CURLE_COULDNT_RESOLVE_HOST: return ": is the host's name right?";
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
            return ": its certificate is not trusted here; SSL_CERT_FILE names further ones";
        case CURLE_OPERATION_TIMEDOUT: return ": it was silent for too long";
        default: return "";
    }
}

}  // namespace

struct HttpClient::Handles {
    CURLM* multi = nullptr;
    CURL* curl = nullptr;
};

HttpClient::HttpClient() : handles_(std::make_unique<Handles>()) {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    handles_->multi = curl_multi_init();
    handles_->curl = curl_easy_init();
}

HttpClient::~HttpClient() {
    if (handles_->curl != nullptr) curl_easy_cleanup(handles_->curl);
    if (handles_->multi != nullptr) curl_multi_cleanup(handles_->multi);
}

Result<HttpAnswer> HttpClient::call(const HttpRequest& request, const OnData& on_data) {
    CURL* curl = handles_->curl;
    CURLM* multi = handles_->multi;
    if (curl == nullptr || multi == nullptr) {
        return make_error(ErrorCode::kExhausted, "libcurl cannot be started: no memory is left");
    }
    curl_easy_reset(curl);
    Transfer transfer{request, on_data, curl};
    char problem[CURL_ERROR_SIZE] = "";
    curl_slist* headers = nullptr;
    headers = curl_slist_append(headers, "Accept: text/event-stream, application/json");
    if (!request.body.empty()) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
        headers = curl_slist_append(headers, "Expect:");
    }
    if (!request.key.empty()) {
        headers = curl_slist_append(headers, ("Authorization: Bearer " + request.key).c_str());
    }
    curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(request.connect_seconds));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.idle_seconds));
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, kMostSeconds);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, problem);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_bytes);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    if (const char* trusted = std::getenv("SSL_CERT_FILE");
        trusted != nullptr && *trusted != '\0') {
        curl_easy_setopt(curl, CURLOPT_CAINFO, trusted);
    }
    if (!request.body.empty()) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(request.body.size()));
    }
    curl_multi_add_handle(multi, curl);
    int running = 1;
    bool cancelled = false;
    while (running > 0 && !cancelled) {
        if (curl_multi_perform(multi, &running) != CURLM_OK) break;
        if (running > 0) curl_multi_poll(multi, nullptr, 0, kLookMs, nullptr);
        cancelled = request.cancel != nullptr && request.cancel->cancelled();
    }
    CURLcode code = cancelled ? CURLE_ABORTED_BY_CALLBACK : CURLE_RECV_ERROR;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
        if (message->msg == CURLMSG_DONE) code = message->data.result;
    }
    HttpAnswer answer = std::move(transfer.answer);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    const char* type = nullptr;  // also where no byte followed
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (type != nullptr) answer.content_type = type;
    const char* location = nullptr;
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &location);
    if (location != nullptr) answer.location = location;
    curl_off_t wait = 0;
    if (curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0) {
        answer.retry_after = wait;
    }
    curl_multi_remove_handle(multi, curl);  // an unfinished transfer's connection is closed
    curl_slist_free_all(headers);
    if (cancelled) return make_error(ErrorCode::kCancelled, "interrupted");
    if (code == CURLE_OK || answer.ended_early) return answer;
    std::string why = transfer.too_long ? "the answer is longer than " +
                                              std::to_string(request.most_bytes >> 20) + " MiB"
                      : *problem != '\0' ? std::string(problem)
                                         : std::string(curl_easy_strerror(code));
    why += advice_on(code);
    if (transfer.bytes == 0) return make_error(ErrorCode::kIo, why);
    answer.broken = why;
    return answer;
}

}  // namespace s3attn

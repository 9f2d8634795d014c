// Chat completions and search.
#include <chrono>

#include "chat.h"
#include "fields.h"
#include "render.h"
#include "routes.h"

namespace s3attn::server {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

namespace {

constexpr milliseconds kLook{50};  // how often a waiting thread looks whether its client is there
constexpr auto kKeepAlive = std::chrono::seconds(10);

// The next event, or nothing when the client has gone or the time is over.
std::optional<AnswerEvent> next_event(Answering& answering, Clock::time_point until) {
    while (Clock::now() < until) {
        if (auto event = answering.next(kLook)) return event;
        if (client_has_gone()) return {};
    }
    return {};
}

std::optional<AnswerEvent> next_event(Answering& answering) {
    return next_event(answering, Clock::time_point::max());
}

std::optional<Json> body_of(const httplib::Request& request, httplib::Response& response) {
    Failure failure;
    auto json = parse_object(request.body, failure);
    if (!json) send_failure(response, failure);
    return json;
}

}  // namespace

// One completion on its way to the client.
struct ChatStream {
    ChatStream(const Service& service, ChatRequest wanted, std::shared_ptr<Answering> under_way)
        : request(std::move(wanted)),
          writer(service, request),
          answering(std::move(under_way)),
          stops(request.stop) {}

    // The text of a piece that may be shown. At a stop text the answer is ended.
    std::string shown(const std::string& piece) {
        std::string text = stops.feed(piece);
        if (stops.stopped()) answering->stop();
        return text;
    }

    ChatRequest request;
    ChatWriter writer;
    std::shared_ptr<Answering> answering;
    StopTexts stops;
    std::shared_ptr<const Found> found;
    bool begun = false;
};

namespace {

void send(httplib::DataSink& sink, const std::string& text) {
    sink.write(text.data(), text.size());
}

void end_stream(ChatStream& stream, const AnswerEvent& event, httplib::DataSink& sink) {
    if (event.kind == AnswerEvent::Kind::kFailed) {
        send(sink, sse(nullptr, error_json(event.failure)));
    } else {
        const std::string rest = stream.stops.finish();
        if (!rest.empty()) send(sink, sse(nullptr, stream.writer.chunk(rest, false)));
        send(sink, sse(nullptr, stream.writer.last_chunk(event, stream.stops.stopped())));
        if (stream.request.include_usage) {
            send(sink, sse(nullptr, stream.writer.usage_chunk(event)));
        }
        send(sink, "data: [DONE]\n\n");
    }
    sink.done();
}

// Called again and again until the stream is done; false ends the connection.
bool write_more(ChatStream& stream, httplib::DataSink& sink) {
    if (!stream.begun) {
        stream.begun = true;
        send(sink,
             sse(nullptr, stream.request.evidence ? stream.writer.evidence_chunk(*stream.found)
                                                  : stream.writer.chunk("", true)));
        return true;
    }
    const auto event = next_event(*stream.answering, Clock::now() + kKeepAlive);
    if (!event) {
        if (client_has_gone()) return false;
        send(sink, ": still at it\n\n");
        return true;
    }
    if (event->kind == AnswerEvent::Kind::kPiece) {
        const std::string text = stream.shown(event->piece);
        if (!text.empty()) send(sink, sse(nullptr, stream.writer.chunk(text, false)));
    } else {
        end_stream(stream, *event, sink);
    }
    return true;
}

}  // namespace

void HttpApi::Routes::stream_chat(std::shared_ptr<ChatStream> stream, Response& response) {
    response.set_header("X-Accel-Buffering", "no");  // a proxy must not hold it back
    response.set_chunked_content_provider(
        "text/event-stream",
        [stream](size_t, httplib::DataSink& sink) { return write_more(*stream, sink); },
        // Also when the client went away: the answer stops with its last owner.
        [stream](bool) { stream->answering.reset(); });
}

void HttpApi::Routes::chat(const Request& request, Response& response) {
    const auto body = body_of(request, response);
    if (!body) return;
    auto read = read_chat_request(service_, *body);
    if (const auto* failure = std::get_if<Failure>(&read)) return send_failure(response, *failure);
    auto wanted = std::get<ChatRequest>(std::move(read));
    auto asked = service_.questions().ask(wanted.question);
    if (const auto* failure = std::get_if<Failure>(&asked)) return send_failure(response, *failure);
    auto stream = std::make_shared<ChatStream>(
        service_, std::move(wanted), std::get<std::shared_ptr<Answering>>(std::move(asked)));
    std::string text;
    while (const auto event = next_event(*stream->answering)) {
        switch (event->kind) {
            case AnswerEvent::Kind::kFailed: return send_failure(response, event->failure);
            case AnswerEvent::Kind::kFound:
                stream->found = event->found;
                // From here on the status is known, and a stream can begin.
                if (stream->request.stream) return stream_chat(std::move(stream), response);
                break;
            case AnswerEvent::Kind::kPiece: text += stream->shown(event->piece); break;
            case AnswerEvent::Kind::kDone:
                text += stream->stops.finish();
                return send_json(response, 200,
                                 stream->writer.whole(*event, text, stream->stops.stopped()));
        }
    }
    response.status = 499;  // nobody is there to read it; the log counts it
}

void HttpApi::Routes::search(const Request& request, Response& response) {
    const auto body = body_of(request, response);
    if (!body) return;
    Fields fields(*body);
    const std::string question = fields.required_text("question");
    SearchOptions options;
    read_search_fields(service_, fields, options);
    const std::vector<std::string> names = fields.texts("store");
    if (fields.failure()) return send_failure(response, *fields.failure());
    const auto stores = service_.stores().choose(names);
    if (const auto* failure = std::get_if<Failure>(&stores)) {
        return send_failure(response, *failure);
    }
    const auto outcome =
        service_.questions().search(std::get<std::vector<size_t>>(stores), question, options,
                                    [] { return !client_has_gone(); });
    if (const auto* failure = std::get_if<Failure>(&outcome)) {
        return send_failure(response, *failure);
    }
    const Found& found = std::get<Found>(outcome);
    Json json = found_json(service_, found, {});
    if (options.attention) json["attention"] = attention_json(service_, found);
    send_json(response, 200, json);
}

void HttpApi::Routes::add_questions() {
    server_.Post("/v1/chat/completions",
                 [this](const Request& request, Response& response) { chat(request, response); });
    server_.Post("/v1/search",
                 [this](const Request& request, Response& response) { search(request, response); });
}

}  // namespace s3attn::server

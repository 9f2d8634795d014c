// Answers, in each format, and search.
#include <chrono>

#include "chat.h"
#include "fields.h"
#include "markdown.h"
#include "messages.h"
#include "render.h"
#include "responses.h"
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

// One answer on its way to the client.
struct AnswerStream {
    AnswerStream(ChatRequest wanted, std::shared_ptr<Answering> under_way)
        : request(std::move(wanted)), answering(std::move(under_way)), stops(request.stop) {}

    // The text of a piece that may be shown. At a stop text the answer is ended.
    std::string shown(const std::string& piece) {
        std::string more = stops.feed(piece);
        if (stops.stopped()) answering->stop();
        text += more;
        return more;
    }

    ChatRequest request;
    std::unique_ptr<AnswerWriter> writer;
    std::shared_ptr<Answering> answering;
    StopTexts stops;
    std::shared_ptr<const Found> found;
    std::string text;  // shown so far
    std::function<void(const AnswerEvent&, const std::string&)> log;
    bool begun = false;
};

namespace {

void send(httplib::DataSink& sink, const std::string& text) {
    sink.write(text.data(), text.size());
}

void end_stream(AnswerStream& stream, const AnswerEvent& event, httplib::DataSink& sink) {
    if (event.kind == AnswerEvent::Kind::kFailed) {
        send(sink, stream.writer->fail(event.failure));
    } else {
        const std::string rest = stream.stops.finish();
        if (!rest.empty()) send(sink, stream.writer->piece(rest));
        stream.log(event, stream.text + rest);
        send(sink, stream.writer->end(event, stream.stops.stopped()));
    }
    sink.done();
}

// Called again and again until the stream is done; false ends the connection.
bool write_more(AnswerStream& stream, httplib::DataSink& sink) {
    if (!stream.begun) {
        stream.begun = true;
        send(sink, stream.writer->begin(*stream.found));
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
        if (!text.empty()) send(sink, stream.writer->piece(text));
    } else {
        end_stream(stream, *event, sink);
    }
    return true;
}

std::unique_ptr<AnswerWriter> make_writer(AnswerFormat format, const Service& service,
                                          const ChatRequest& request) {
    switch (format) {
        case AnswerFormat::kResponses: return std::make_unique<ResponsesWriter>(service, request);
        case AnswerFormat::kMessages: return std::make_unique<MessagesWriter>(service, request);
        case AnswerFormat::kChat: break;
    }
    return std::make_unique<ChatWriter>(service, request);
}

Outcome<ChatRequest> read_request(AnswerFormat format, const Service& service, const Access& access,
                                  const Json& body) {
    switch (format) {
        case AnswerFormat::kResponses: return read_responses_request(service, access, body);
        case AnswerFormat::kMessages: return read_messages_request(service, access, body);
        case AnswerFormat::kChat: break;
    }
    return read_chat_request(service, access, body);
}

}  // namespace

void HttpApi::Routes::stream_answer(std::shared_ptr<AnswerStream> stream, Response& response) {
    response.set_header("X-Accel-Buffering", "no");  // a proxy must not hold it back
    response.set_chunked_content_provider(
        "text/event-stream",
        [stream](size_t, httplib::DataSink& sink) { return write_more(*stream, sink); },
        // Also when the client went away: the answer stops with its last owner.
        [stream](bool) { stream->answering.reset(); });
}

void HttpApi::Routes::answer(AnswerFormat format, const Request& request, Response& response) {
    const auto body = body_of(request, response);
    if (!body) return;
    auto read = read_request(format, service_, access_of(request), *body);
    if (const auto* failure = std::get_if<Failure>(&read)) return send_failure(response, *failure);
    auto wanted = std::get<ChatRequest>(std::move(read));
    auto asked = service_.questions().ask(wanted.question);
    if (const auto* failure = std::get_if<Failure>(&asked)) return send_failure(response, *failure);
    auto stream = std::make_shared<AnswerStream>(
        std::move(wanted), std::get<std::shared_ptr<Answering>>(std::move(asked)));
    stream->writer = make_writer(format, service_, stream->request);
    stream->log = [this, via = request.path, wanted = stream.get()](const AnswerEvent& done,
                                                                    const std::string& text) {
        if (!log_.on()) return;
        const Question& question = wanted->request.question;
        Json entry = {
            {"key", question.owner}, {"via", via}, {"question", question.text}, {"answer", text}};
        add_answer_fields(service_, wanted->request, done, entry);
        for (Json& citation : entry["citations"]) citation.erase("text");
        log_.write(entry);
    };
    const bool markdown = request.get_header_value("Accept").starts_with("text/markdown");
    while (const auto event = next_event(*stream->answering)) {
        switch (event->kind) {
            case AnswerEvent::Kind::kFailed: return send_failure(response, event->failure);
            case AnswerEvent::Kind::kFound:
                stream->found = event->found;
                // From here on the status is known, and a stream can begin.
                if (stream->request.stream && !markdown)
                    return stream_answer(std::move(stream), response);
                break;
            case AnswerEvent::Kind::kPiece: stream->shown(event->piece); break;
            case AnswerEvent::Kind::kDone:
                stream->text += stream->stops.finish();
                stream->log(*event, stream->text);
                if (markdown) {
                    return response.set_content(
                        markdown_of(service_, stream->request, *event, stream->text),
                        "text/markdown; charset=utf-8");
                }
                return send_json(
                    response, 200,
                    stream->writer->whole(*event, stream->text, stream->stops.stopped()));
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
    const auto stores = access_of(request).choose(service_.stores(), names);
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
    log_question(request, {{"question", question},
                           {"evidence_found", found.result.evidence_found},
                           {"spans", found.result.spans.size()}});
    if (options.attention) json["attention"] = attention_json(service_, found);
    send_json(response, 200, json);
}

void HttpApi::Routes::add_questions() {
    const auto answer_in = [this](AnswerFormat format) {
        return [this, format](const Request& request, Response& response) {
            answer(format, request, response);
        };
    };
    server_.Post("/v1/chat/completions", answer_in(AnswerFormat::kChat));
    server_.Post("/v1/responses", answer_in(AnswerFormat::kResponses));
    server_.Post("/v1/messages", answer_in(AnswerFormat::kMessages));
    server_.Post("/v1/search",
                 [this](const Request& request, Response& response) { search(request, response); });
}

}  // namespace s3attn::server

// Anthropic's messages: writing answers.
#include "messages.h"

#include <algorithm>

#include "render.h"
#include "s3attn/store.h"

namespace s3attn::server {
namespace {

// Characters of a document's text in front of a byte; the byte's own number where the text cannot
// be read any more.
size_t characters_before(const std::string& store_path, DocumentId doc_id, uint64_t byte) {
    const auto store = Store::open(store_path);
    if (!store.ok()) return byte;
    size_t characters = 0;
    uint64_t left = byte;
    const Status read = store->read_text(doc_id, [&](std::string_view text) {
        const std::string_view part = text.substr(0, std::min<uint64_t>(left, text.size()));
        characters += count_characters(part);
        left -= part.size();
        return left > 0;
    });
    return read.ok() && left == 0 ? characters : byte;
}

// The blocks of a document's content that [begin, end) touches.
void add_blocks(const CitedDocument& document, const Span& span, Json& json) {
    size_t first = document.blocks.size(), last = 0, begin = 0;
    std::string text;
    for (size_t i = 0; i < document.blocks.size(); ++i) {
        const size_t end = begin + document.blocks[i].size();
        if (begin < span.byte_end && end > span.byte_begin) {
            first = std::min(first, i);
            last = i + 1;
            text += document.blocks[i];
        }
        begin = end + 2;
    }
    json["type"] = "content_block_location";
    json["cited_text"] = text;
    json["start_block_index"] = first < last ? first : 0;
    json["end_block_index"] = first < last ? last : 1;
}

// The citations of one answer. Those of documents in the stores count in the documents of the
// evidence, in the order of their best passage.
class Citations {
  public:
    Citations(const Service& service, const ChatRequest& request, const AnswerEvent& done)
        : service_(service), request_(request), done_(done) {}

    Json of_numbers(const std::vector<uint32_t>& numbers) {
        Json all = Json::array();
        for (const uint32_t number : numbers) {
            if (std::find(given_.begin(), given_.end(), number) == given_.end()) {
                given_.push_back(number);
            }
            add(number, all);
        }
        return all;
    }
    // Of what the answer rests on without saying so by a mark.
    Json rest() {
        Json all = Json::array();
        for (const Citation& citation : done_.result.citations) {
            const bool given =
                std::find(given_.begin(), given_.end(), citation.number) != given_.end();
            if (!given) add(citation.number, all);
        }
        return all;
    }

  private:
    void add(uint32_t number, Json& all) {
        const auto& citations = done_.result.citations;
        const auto found = std::find_if(citations.begin(), citations.end(),
                                        [&](const Citation& c) { return c.number == number; });
        if (found == citations.end()) return;
        Json json = citation(found->span_index);
        if (json.is_null()) return;
        json["number"] = number;
        all.push_back(std::move(json));
    }

    Json citation(size_t i) {
        const Found& found = *done_.found;
        const Span& span = found.result.spans[i];
        Json json = {{"type", "char_location"}, {"cited_text", span.text}};
        CitedDocument document;
        std::string store_path;
        if (found.inline_store) {
            const size_t number = found.inline_store->number_of(span.doc_id).value_or(0);
            if (number < request_.cited.size()) document = request_.cited[number];
            if (!document.citations) return nullptr;
            const std::string& title = (*request_.question.documents)[number].title;
            json["document_index"] = number;
            json["document_title"] = title.empty() ? Json() : Json(title);
            store_path = found.inline_store->path();
        } else {
            const NamedStore& store = service_.stores()[found.stores[i]];
            json["document_index"] = index_of(found, i);
            json["document_title"] = service_.stores().name_of(found.stores[i], span.path);
            json["store"] = store.name;
            json["doc_id"] = span.doc_id.value;
            store_path = store.path;
        }
        json["file_id"] = nullptr;
        if (document.kind == CitedDocument::Kind::kBlocks) {
            add_blocks(document, span, json);
        } else if (span.page > 0) {
            json["type"] = "page_location";
            json["start_page_number"] = span.page;
            json["end_page_number"] = span.page + 1;
        } else {
            json["start_char_index"] = characters_before(store_path, span.doc_id, span.byte_begin);
            json["end_char_index"] = characters_before(store_path, span.doc_id, span.byte_end);
        }
        json["byte_begin"] = span.byte_begin;
        json["byte_end"] = span.byte_end;
        return json;
    }

    static size_t index_of(const Found& found, size_t i) {
        std::vector<std::pair<size_t, DocumentId>> seen;
        for (size_t k = 0; k < found.result.spans.size(); ++k) {
            const std::pair document(found.stores[k], found.result.spans[k].doc_id);
            auto at = std::find(seen.begin(), seen.end(), document);
            if (at == seen.end()) at = seen.insert(seen.end(), document);
            if (k == i) return static_cast<size_t>(at - seen.begin());
        }
        return 0;
    }

    const Service& service_;
    const ChatRequest& request_;
    const AnswerEvent& done_;
    std::vector<uint32_t> given_;
};

const char* stop_reason(const AnswerEvent& done, bool stopped) {
    return stopped ? "stop_sequence" : done.result.stopped_at_limit ? "max_tokens" : "end_turn";
}

Json messages_usage(const AskResult& result) {
    return {{"input_tokens", result.prompt_tokens},
            {"output_tokens", result.answer_tokens},
            {"cache_creation_input_tokens", 0},
            {"cache_read_input_tokens", 0}};
}

Json text_block(const std::string& text, Json citations) {
    return {{"type", "text"},
            {"text", text},
            {"citations", citations.empty() ? Json() : std::move(citations)}};
}

}  // namespace

MessagesWriter::MessagesWriter(const Service& service, const ChatRequest& request)
    : service_(service), request_(request), id_(new_answer_id("msg_")) {}

Json MessagesWriter::head() const {
    return {{"id", id_},
            {"type", "message"},
            {"role", "assistant"},
            {"model", service_.questions().readers()[request_.question.reader].name},
            {"content", Json::array()},
            {"stop_reason", nullptr},
            {"stop_sequence", nullptr},
            {"usage", {{"input_tokens", 0}, {"output_tokens", 0}}}};
}

std::string MessagesWriter::delta(Json delta) const {
    return sse("content_block_delta",
               {{"type", "content_block_delta"}, {"index", 0}, {"delta", std::move(delta)}});
}

std::string MessagesWriter::begin(const Found&) {
    return sse("message_start", {{"type", "message_start"}, {"message", head()}}) +
           sse("content_block_start", {{"type", "content_block_start"},
                                       {"index", 0},
                                       {"content_block", text_block("", Json::array())}});
}

std::string MessagesWriter::piece(const std::string& text) {
    std::string plain;
    for (const MarkedText& part : marks_.feed(text)) plain += part.text;
    return plain.empty() ? "" : delta({{"type", "text_delta"}, {"text", plain}});
}

std::string MessagesWriter::end(const AnswerEvent& done, bool stopped) {
    std::string text;
    for (const MarkedText& part : marks_.finish()) {
        text += delta({{"type", "text_delta"}, {"text", part.text}});
    }
    for (Json& citation : Citations(service_, request_, done).rest()) {
        text += delta({{"type", "citations_delta"}, {"citation", std::move(citation)}});
    }
    text += sse("content_block_stop", {{"type", "content_block_stop"}, {"index", 0}});
    Json last = {
        {"type", "message_delta"},
        {"delta", {{"stop_reason", stop_reason(done, stopped)}, {"stop_sequence", nullptr}}},
        {"usage", messages_usage(done.result)}};
    add_answer_fields(service_, request_, done, last);
    last.erase("citations");  // they stand in the block
    return text + sse("message_delta", last) + sse("message_stop", {{"type", "message_stop"}});
}

std::string MessagesWriter::fail(const Failure& failure) {
    return sse("error", error_json(failure));
}

Json MessagesWriter::whole(const AnswerEvent& done, const std::string& text, bool stopped) {
    Json json = head();
    add_answer_fields(service_, request_, done, json);
    json.erase("citations");
    add_evidence_fields(service_, request_, done, json);
    Citations citations(service_, request_, done);
    std::vector<MarkedText> parts = marks_.feed(text);
    for (MarkedText& part : marks_.finish()) parts.push_back(std::move(part));
    for (const MarkedText& part : parts) {
        json["content"].push_back(text_block(part.text, citations.of_numbers(part.numbers)));
    }
    if (json["content"].empty()) json["content"].push_back(text_block("", Json::array()));
    Json& last = json["content"].back()["citations"];
    for (Json& citation : citations.rest()) last.push_back(std::move(citation));
    json["stop_reason"] = stop_reason(done, stopped);
    json["usage"] = messages_usage(done.result);
    return json;
}

}  // namespace s3attn::server

// Anthropic's messages: reading requests.
#include "fields.h"
#include "inline_files.h"
#include "messages.h"

namespace s3attn::server {
namespace {

constexpr size_t kMostMessages = 1024;

std::string text_in(const Json& object, const char* name) {
    const auto value = object.find(name);
    return value != object.end() && value->is_string() ? value->get<std::string>() : std::string();
}

class MessageReader {
  public:
    MessageReader(Fields& fields, Json& adjusted) : fields_(fields), adjusted_(adjusted) {}

    void read_system() {
        const Json* system = fields_.find("system");
        if (system == nullptr) return;
        read_turn("system", *system, "system");
    }

    void read_messages() {
        const Json* messages = fields_.find("messages");
        if (messages == nullptr || !messages->is_array() || messages->empty() ||
            messages->size() > kMostMessages) {
            return fields_.fail("messages", "must be a list of 1 to 1024 messages");
        }
        for (size_t i = 0; i < messages->size() && !fields_.failure(); ++i) {
            const Json& message = (*messages)[i];
            const std::string where = "messages[" + std::to_string(i) + "]";
            if (!message.is_object() || !message.contains("content")) {
                return fields_.fail(where, "must be an object with a role and a content");
            }
            const std::string role = text_in(message, "role");
            if (role != "user" && role != "assistant" && role != "system") {
                return fields_.fail(where + ".role", "must be one of: user, assistant, system");
            }
            read_turn(role, message["content"], where + ".content");
        }
    }

    std::vector<ChatTurn> turns;
    std::vector<InlineDocument> documents;
    std::vector<CitedDocument> cited;

  private:
    void read_turn(const std::string& role, const Json& content, const std::string& where) {
        if (content.is_string()) {
            turns.push_back({role, content.get<std::string>()});
            return;
        }
        if (!content.is_array()) {
            return fields_.fail(where, "must be a text or a list of blocks");
        }
        std::string all;
        for (size_t i = 0; i < content.size() && !fields_.failure(); ++i) {
            read_block(content[i], where + "[" + std::to_string(i) + "]", all);
        }
        turns.push_back({role, all});
    }

    void read_block(const Json& block, const std::string& where, std::string& all) {
        const std::string type = block.is_object() ? text_in(block, "type") : "";
        if (type == "text") {
            all += (all.empty() ? "" : "\n") + text_in(block, "text");
        } else if (type == "document") {
            read_document(block, where);
        } else if (type == "tool_result") {
            // What a tool of the client said belongs to the assistant's side of the conversation.
            const Json content = block.value("content", Json());
            if (!content.is_null()) read_turn("assistant", content, where + ".content");
        } else if (type == "tool_use" || type == "thinking" || type == "redacted_thinking") {
            adjusted_["ignored_items"].push_back(where + " (" + type + ")");
        } else {
            fields_.fail(where, "is not a text or a document; nothing else can be read");
        }
    }

    void read_document(const Json& block, const std::string& where) {
        InlineDocument document;
        document.title = text_in(block, "title");
        document.where = where;
        CitedDocument kind;
        const Json wanted = block.value("citations", Json());
        kind.citations = wanted.is_object() && wanted.value("enabled", Json()) == true;
        const Json source = block.value("source", Json());
        const std::string type = source.is_object() ? text_in(source, "type") : "";
        if (type == "text") {
            document.bytes = text_in(source, "data");
            document.extension = "txt";
        } else if (type == "base64") {
            read_bytes(source, where, document, kind);
        } else if (type == "content") {
            read_content(source, where, document, kind);
        } else {
            return fields_.fail(where + ".source.type",
                                "must be one of: text, base64, content; no address is fetched and "
                                "no file is kept here");
        }
        if (!text_in(block, "context").empty()) {
            adjusted_["ignored_items"].push_back(where + ".context");
        }
        documents.push_back(std::move(document));
        cited.push_back(std::move(kind));
    }

    void read_bytes(const Json& source, const std::string& where, InlineDocument& document,
                    CitedDocument& kind) {
        const auto extension = extension_of_type(text_in(source, "media_type"));
        if (!extension) {
            return fields_.fail(where + ".source.media_type", "is of no kind that can be read");
        }
        auto bytes = decode_base64(text_in(source, "data"));
        if (!bytes) return fields_.fail(where + ".source.data", "holds something else than base64");
        document.extension = *extension;
        document.bytes = std::move(*bytes);
        if (*extension == "pdf") kind.kind = CitedDocument::Kind::kPages;
    }

    void read_content(const Json& source, const std::string& where, InlineDocument& document,
                      CitedDocument& kind) {
        kind.kind = CitedDocument::Kind::kBlocks;
        document.extension = "txt";
        const Json content = source.value("content", Json());
        if (content.is_string()) kind.blocks.push_back(content.get<std::string>());
        for (size_t i = 0; content.is_array() && i < content.size(); ++i) {
            if (!content[i].is_object() || text_in(content[i], "type") != "text") {
                return fields_.fail(where + ".source.content[" + std::to_string(i) + "]",
                                    "is not a text; nothing else can be read");
            }
            kind.blocks.push_back(text_in(content[i], "text"));
        }
        for (const std::string& block : kind.blocks) {
            document.bytes += (&block == &kind.blocks.front() ? "" : "\n\n") + block;
        }
    }

    Fields& fields_;
    Json& adjusted_;
};

}  // namespace

Outcome<ChatRequest> read_messages_request(const Service& service, const Access& access,
                                           const Json& body) {
    ChatRequest request;
    Fields fields(body);
    MessageReader reader(fields, request.adjusted);
    reader.read_system();
    reader.read_messages();
    take_question(fields, "messages", std::move(reader.turns), request.question);
    const Json* choice = fields.find("tool_choice");
    if (choice != nullptr && choice->is_object() && choice->value("type", Json()) != "auto" &&
        choice->value("type", Json()) != "none") {
        fields.fail("tool_choice", "must be of type none or auto: no tools are called here");
    }
    request.question.options.max_answer_tokens =
        read_most_tokens(fields, {"max_tokens"}, service, request.adjusted);
    note_ignored(body, {"tools", "top_p", "top_k", "thinking", "mcp_servers", "container"},
                 request.adjusted);
    request.stop = fields.texts("stop_sequences");
    if (!reader.documents.empty()) {
        request.question.documents =
            std::make_shared<const std::vector<InlineDocument>>(std::move(reader.documents));
        request.cited = std::move(reader.cited);
    }
    return finish_request(fields, service, access, std::move(request));
}

}  // namespace s3attn::server

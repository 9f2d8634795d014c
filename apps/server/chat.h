// OpenAI's chat completions: requests in, answers out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "access.h"
#include "answer_writer.h"
#include "errors.h"
#include "service.h"

namespace s3attn::server {

// How citations of a document that came with the request speak of it (Anthropic's messages): in
// characters, pages, or blocks of its content.
struct CitedDocument {
    enum class Kind { kText, kPages, kBlocks } kind = Kind::kText;
    bool citations = false;           // wanted
    std::vector<std::string> blocks;  // kBlocks: the document is these, an empty line between each
};

struct ChatRequest {
    Question question;
    std::vector<CitedDocument> cited;  // question.documents, in that order
    bool stream = false;
    bool include_usage = false;
    bool evidence = false;   // send the evidence with the answer
    bool attention = false;  // and where the attention fell
    std::vector<std::string> stop;
    // What will be done otherwise than asked, for the answer's fields: {"max_tokens": {"asked",
    // "used"}, "ignored": [fields]}. Empty: nothing.
    Json adjusted = Json::object();
};
// Stores are those that `access` may read.
Outcome<ChatRequest> read_chat_request(const Service& service, const Access& access,
                                       const Json& body);

class Fields;
// The last user message that is not blank is the question, what stands before it its history;
// `field` is where the messages stood.
void take_question(Fields& fields, const char* field, std::vector<ChatTurn> turns,
                   Question& question);
// Most tokens of the answer, as one of `names` says (the first that is there); what is changed
// about it goes into `adjusted`.
uint32_t read_most_tokens(Fields& fields, const std::vector<const char*>& names,
                          const Service& service, Json& adjusted);
// Notes fields of `names` that ask for something which is not done here.
void note_ignored(const Json& body, const std::vector<const char*>& names, Json& adjusted);
// The fields that all ways of asking for an answer share; the end of reading a request.
Outcome<ChatRequest> finish_request(Fields& fields, const Service& service, const Access& access,
                                    ChatRequest request);
// What an answer has besides its text, the same in all formats: citations, evidence_found,
// adjusted, retrieval_question, timings_ms.
void add_answer_fields(const Service& service, const ChatRequest& request, const AnswerEvent& done,
                       Json& json);
// evidence and attention, where the client asked for them.
void add_evidence_fields(const Service& service, const ChatRequest& request,
                         const AnswerEvent& done, Json& json);
std::string new_answer_id(const char* prefix);

// Fields of a search that chat and search requests share: method, budget_tokens, max_spans,
// attention, rerank, filter.
void read_search_fields(const Service& service, Fields& fields, SearchOptions& options);

// Ends an answer at a stop text of the client, which is not part of it.
class StopTexts {
  public:
    explicit StopTexts(std::vector<std::string> texts) : texts_(std::move(texts)) {}
    // What may be shown; stopped() afterwards when that was the last.
    std::string feed(std::string_view piece);
    std::string finish();
    bool stopped() const { return stopped_; }

  private:
    std::vector<std::string> texts_;
    std::string held_;
    bool stopped_ = false;
};

class ChatWriter final : public AnswerWriter {
  public:
    ChatWriter(const Service& service, const ChatRequest& request);
    // The role; and before the first text what the answer will rest on, when that was asked for.
    std::string begin(const Found& found) override;
    std::string piece(const std::string& text) override;
    std::string end(const AnswerEvent& done, bool stopped) override;
    std::string fail(const Failure& failure) override;
    Json whole(const AnswerEvent& done, const std::string& text, bool stopped) override;

  private:
    Json head(const char* object) const;
    Json chunk(Json delta, const char* finish_reason = nullptr) const;

    const Service& service_;
    const ChatRequest& request_;
    std::string id_;
    int64_t created_;
};

}  // namespace s3attn::server

// OpenAI's chat completions: requests in, answers out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "errors.h"
#include "service.h"

namespace s3attn::server {

struct ChatRequest {
    Question question;
    bool stream = false;
    bool include_usage = false;
    bool evidence = false;   // send the evidence with the answer
    bool attention = false;  // and where the attention fell
    std::vector<std::string> stop;
    // What will be done otherwise than asked, for the answer's fields: {"max_tokens": {"asked",
    // "used"}, "ignored": [fields]}. Empty: nothing.
    Json adjusted = Json::object();
};
Outcome<ChatRequest> read_chat_request(const Service& service, const Json& body);

// Fields of a search that chat and search requests share: method, budget_tokens, max_spans,
// attention, rerank.
class Fields;
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

// Writes the objects of one completion.
class ChatWriter {
  public:
    ChatWriter(const Service& service, const ChatRequest& request);
    Json chunk(const std::string& text, bool first) const;
    // Before the first text: what the answer will rest on, when the client asked for it.
    Json evidence_chunk(const Found& found) const;
    Json last_chunk(const AnswerEvent& done, bool stopped) const;
    Json usage_chunk(const AnswerEvent& done) const;
    Json whole(const AnswerEvent& done, const std::string& text, bool stopped) const;

  private:
    Json head(const char* object) const;
    void add_rest(const AnswerEvent& done, Json& json) const;

    const Service& service_;
    const ChatRequest& request_;
    std::string id_;
    int64_t created_;
};

}  // namespace s3attn::server

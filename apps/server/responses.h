// OpenAI's responses: requests in, answers out.
#pragma once

#include "answer_writer.h"
#include "chat.h"

namespace s3attn::server {

// `input` as a text or as items; files given with their data are the documents that are searched.
// What would need an earlier response (previous_response_id, conversation, ...) is refused by name:
// nothing is kept here.
Outcome<ChatRequest> read_responses_request(const Service& service, const Access& access,
                                            const Json& body);

class ResponsesWriter final : public AnswerWriter {
  public:
    ResponsesWriter(const Service& service, const ChatRequest& request);
    std::string begin(const Found& found) override;
    std::string piece(const std::string& text) override;
    std::string end(const AnswerEvent& done, bool stopped) override;
    std::string fail(const Failure& failure) override;
    Json whole(const AnswerEvent& done, const std::string& text, bool stopped) override;

  private:
    Json response(const char* status) const;
    Json message(const char* status, Json content) const;
    Json finished(const AnswerEvent& done, const std::string& text, bool stopped) const;
    std::string event(const char* type, Json fields);
    std::string text_event(const char* type, Json fields);  // of the one text part there is

    const Service& service_;
    const ChatRequest& request_;
    const std::string id_, message_id_;
    const int64_t created_;
    int64_t sequence_ = 0;
    std::string text_;
};

}  // namespace s3attn::server

// Anthropic's messages: requests in, answers out.
#pragma once

#include "answer_writer.h"
#include "chat.h"
#include "marks.h"

namespace s3attn::server {

// Blocks of type `document` bring documents along; these are searched then, else the stores are.
Outcome<ChatRequest> read_messages_request(const Service& service, const Access& access,
                                           const Json& body);

class MessagesWriter final : public AnswerWriter {
  public:
    MessagesWriter(const Service& service, const ChatRequest& request);
    // A stream is one block of text, whose citations come at its end: only then is it known what
    // each mark of the answer means. A whole answer has a block for each stretch of text that ends
    // with marks. The marks themselves are taken out.
    std::string begin(const Found& found) override;
    std::string piece(const std::string& text) override;
    std::string end(const AnswerEvent& done, bool stopped) override;
    std::string fail(const Failure& failure) override;
    Json whole(const AnswerEvent& done, const std::string& text, bool stopped) override;

  private:
    Json head() const;
    std::string delta(Json delta) const;

    const Service& service_;
    const ChatRequest& request_;
    const std::string id_;
    MarkSplitter marks_;
};

}  // namespace s3attn::server

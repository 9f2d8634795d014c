// Handlers of the HTTP interface, each family in a file of its own.
#pragma once

#include <httplib.h>

#include <functional>
#include <string>

#include "access.h"
#include "answer_writer.h"
#include "connection.h"
#include "errors.h"
#include "http_api.h"
#include "mcp.h"
#include "mcp_calls.h"
#include "page_cache.h"
#include "service.h"

namespace s3attn::server {

// OpenAI's chat completions and responses, Anthropic's messages.
enum class AnswerFormat { kChat, kResponses, kMessages };

class HttpApi::Routes {
  public:
    Routes(Service& service, const HttpOptions& options, GuardedServer& server)
        : keys_(options.keys),
          service_(service),
          options_(options),
          server_(server),
          log_(service.question_log()),
          mcp_(service, false) {}
    void add_all();

  private:
    using Request = httplib::Request;
    using Response = httplib::Response;

    void add_guards();     // guards.cpp
    void add_pages();      // http_pages.cpp: the web page, health, metrics, models, stores
    void add_questions();  // http_questions.cpp: answers and search
    void add_plugins();    // http_plugins.cpp: reranking, Dify
    void add_documents();  // http_documents.cpp
    void add_jobs();
    void add_log();          // http_original.cpp
    void add_page_images();  // http_pdf_pages.cpp
    void add_mcp();

    // Guards: what a request must be before any handler sees it.
    bool allowed_host(const Request& request) const;
    bool is_named(std::string_view host) const;
    bool own_origin(const Request& request) const;
    bool allowed_origin(const Request& request) const;
    bool answer_cors(const Request& request, Response& response) const;
    bool check_limits(const Request& request, Response& response) const;
    static void refuse_key(const Request& request, Response& response);
    bool check_method(const Request& request, Response& response) const;
    httplib::Server::HandlerResponse guard(const Request& request, Response& response) const;
    void finish_error(const Request& request, Response& response) const;

    void answer(AnswerFormat format, const Request& request, Response& response);
    void stream_answer(std::shared_ptr<struct AnswerStream> stream, Response& response);
    void search(const Request& request, Response& response);
    void rerank(const Request& request, Response& response);
    void retrieve(const Request& request, Response& response);
    void stream_mcp(Json message, const std::string& session, const Access& access,
                    Response& response);
    void answer_mcp(const Json& message, const std::string& session, const Access& access,
                    Response& response);
    void list_documents(const Request& request, Response& response);
    void upload(const Request& request, Response& response, const httplib::ContentReader& reader);
    void read_text(const Request& request, Response& response);
    void stream_job(uint64_t id, Response& response);
    // The document that {id} and ?store= name.
    Outcome<std::pair<size_t, DocumentInfo>> named_document(const Request& request,
                                                            bool to_write = false) const;
    bool may_see(const Request& request, const ScanStatus& status) const;
    void send_original(const Request& request, Response& response);  // http_original.cpp
    void view_page(const Request& request, Response& response, bool image);
    // Whose request it is; everybody's where there are no keys. Null: nobody's.
    const Access* find_access(const Request& request) const;
    // After the guard: there is one.
    const Access& access_of(const Request& request) const;
    void log_question(const Request& request, Json entry);

    const Access everybody_{};
    const Keys& keys_;
    Service& service_;
    const HttpOptions& options_;
    GuardedServer& server_;
    QuestionLog& log_;
    Mcp mcp_;
    PageCache page_cache_{size_t{32} << 20, 16};
    McpCalls mcp_calls_;
};

void send_json(httplib::Response& response, int status, const Json& json);
void send_failure(httplib::Response& response, const Failure& failure);
// A decimal number of a query or path; the fallback when absent. Not a number: nothing.
std::optional<uint64_t> query_number(const httplib::Request& request, const char* name,
                                     uint64_t fallback);
}  // namespace s3attn::server

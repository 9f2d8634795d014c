// What programs of others ask a server of documents for: to put their own texts in order, and
// Dify's external knowledge.
#include <algorithm>
#include <numeric>

#include "chat.h"
#include "dify.h"
#include "fields.h"
#include "marks.h"
#include "routes.h"

namespace s3attn::server {
namespace {

constexpr size_t kMostReranked = 1000;
constexpr size_t kLongestQuery = 4000;  // what a question may have

// A text as a file may hold it: control characters would make it look like something else.
std::string plain_text(std::string text) {
    for (char& c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte == 0x7f || (byte < 0x20 && c != '\t' && c != '\n' && c != '\r')) c = ' ';
    }
    return text;
}

// Texts, or objects with a text.
InlineDocuments read_texts(Fields& fields) {
    auto documents = std::make_shared<std::vector<InlineDocument>>();
    const Json* given = fields.find("documents");
    if (given == nullptr || !given->is_array() || given->empty() || given->size() > kMostReranked) {
        fields.fail("documents", "must be a list of 1 to 1000 texts");
        return documents;
    }
    for (size_t i = 0; i < given->size(); ++i) {
        Json text = (*given)[i];
        const std::string where = "documents[" + std::to_string(i) + "]";
        if (text.is_object()) text = text.value("text", Json());
        if (!text.is_string()) {
            fields.fail(where, "must be a text, or an object with a text");
            return documents;
        }
        documents->push_back({"", plain_text(text.get<std::string>()), "txt", where});
    }
    return documents;
}

Json results_json(const InlineDocuments& documents, const std::vector<double>& shares, size_t top,
                  bool with_texts) {
    std::vector<size_t> order(shares.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return shares[a] > shares[b]; });
    order.resize(std::min(order.size(), top));
    Json results = Json::array();
    for (const size_t i : order) {
        Json one = {{"index", i}, {"relevance_score", std::clamp(shares[i], 0.0, 1.0)}};
        if (with_texts) one["document"] = {{"text", (*documents)[i].bytes}};
        results.push_back(std::move(one));
    }
    return results;
}

}  // namespace

void HttpApi::Routes::rerank(const Request& request, Response& response) {
    Failure failure;
    const auto body = parse_object(request.body, failure);
    if (!body) return send_failure(response, failure);
    Fields fields(*body);
    const std::string query = fields.required_text("query");
    if (count_characters(query) > kLongestQuery) {
        fields.fail("query", "is longer than 4000 characters");
    }
    const InlineDocuments documents = read_texts(fields);
    const auto top = static_cast<size_t>(
        fields.integer("top_n", static_cast<int64_t>(kMostReranked), 1, int64_t{1} << 31));
    const bool with_texts = fields.flag("return_documents");
    if (fields.failure()) return send_failure(response, *fields.failure());
    const auto ranked =
        service_.questions().rerank(query, documents, [] { return !client_has_gone(); });
    if (const auto* failed = std::get_if<Failure>(&ranked)) return send_failure(response, *failed);
    const auto& shares = std::get<std::vector<double>>(ranked);
    send_json(response, 200,
              {{"id", new_answer_id("rerank-")},
               {"model", service_.questions().scanning_model()},
               {"results", results_json(documents, shares, top, with_texts)},
               {"usage", {{"total_tokens", 0}}},
               {"meta", {{"api_version", {{"version", "1"}}}}}});
}

void HttpApi::Routes::retrieve(const Request& request, Response& response) {
    const auto fail = [&](const Failure& failure) {
        send_failure(response, failure);
        response.set_content(dump(knowledge_error(failure)), "application/json");
    };
    Failure failure;
    const auto body = parse_object(request.body, failure);
    if (!body) return fail(failure);
    const auto read = read_knowledge_request(service_.stores(), *body);
    if (const auto* failed = std::get_if<Failure>(&read)) return fail(*failed);
    const auto& wanted = std::get<KnowledgeRequest>(read);
    const auto stores = access_of(request).choose(
        service_.stores(),
        wanted.knowledge == "*" ? std::vector<std::string>() : std::vector{wanted.knowledge});
    if (const auto* failed = std::get_if<Failure>(&stores)) return fail(*failed);
    const auto found =
        service_.questions().search(std::get<std::vector<size_t>>(stores), wanted.query,
                                    wanted.search, [] { return !client_has_gone(); });
    if (const auto* failed = std::get_if<Failure>(&found)) {
        // A knowledge base without documents has no records.
        if (failed->code == "no_documents") {
            return send_json(response, 200, {{"records", Json::array()}});
        }
        return fail(*failed);
    }
    log_question(request, {{"question", wanted.query},
                           {"evidence_found", std::get<Found>(found).result.evidence_found},
                           {"spans", std::get<Found>(found).result.spans.size()}});
    send_json(response, 200, knowledge_json(service_, std::get<Found>(found), wanted.least_score));
}

void HttpApi::Routes::add_plugins() {
    for (const char* path : {"/v1/rerank", "/v2/rerank"}) {
        server_.Post(path, [this](const Request& request, Response& response) {
            rerank(request, response);
        });
    }
    server_.Post("/retrieval", [this](const Request& request, Response& response) {
        retrieve(request, response);
    });
    server_.Post("/v1/embeddings", [](const Request&, Response& response) {
        send_failure(
            response,
            {404, "no_embeddings",
             "there are no embeddings here: texts are found by the attention of a language model, "
             "which compares a question with passages and makes no vector of a text alone. To "
             "put texts in order for a question use POST /v1/rerank, to find passages of the "
             "stores POST /v1/search",
             "", 0});
    });
}

}  // namespace s3attn::server

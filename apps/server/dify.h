// Dify's external knowledge: the questions of its knowledge bases, and which documents they mean.
#pragma once

#include <functional>
#include <string>

#include "fields.h"
#include "service.h"

namespace s3attn::server {

struct KnowledgeRequest {
    std::string knowledge;  // a store's name; "*": all
    std::string query;
    SearchOptions search;
    double least_score = 0;
};
Outcome<KnowledgeRequest> read_knowledge_request(const Stores& stores, const Json& body);

// The passages as records. Scores count from the best passage, which has 1; where the documents
// hold no evidence for the question all have 0. Records below `least_score` are left out.
Json knowledge_json(const Service& service, const Found& found, double least_score);

// {"error_code", "error_msg"}, next to the usual error.
Json knowledge_error(const Failure& failure);

}  // namespace s3attn::server

#include <algorithm>
#include <numeric>
#include <utility>

#include "answer/answer.h"

namespace s3attn {
namespace {

// Short, because small models follow short instructions better than complete ones.
constexpr const char* kSystem =
    "You answer questions from the given evidence. Use only what the evidence says. Answer in one "
    "or two sentences. If the evidence does not say, reply that it does not say.";

std::string place(const Span& span) {
    if (span.page > 0) return span.path + ", page " + std::to_string(span.page);
    return span.path + ", line " + std::to_string(span.line_begin);
}

}  // namespace

Prompt build_prompt(const std::string& question, const std::vector<Span>& spans) {
    // Original order: a story read in order is understood better than by rank.
    std::vector<size_t> order(spans.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return std::pair(spans[a].doc_id, spans[a].byte_begin) <
               std::pair(spans[b].doc_id, spans[b].byte_begin);
    });
    Prompt prompt;
    prompt.numbers.resize(spans.size());
    std::string user = "Evidence:\n\n";
    uint32_t number = 0;
    for (const size_t i : order) {
        prompt.numbers[i] = ++number;
        user +=
            "[" + std::to_string(number) + "] (" + place(spans[i]) + ")\n" + spans[i].text + "\n\n";
    }
    user += "Question: " + question + "\n\nAnswer the question from the evidence.";
    prompt.messages = {{"system", kSystem}, {"user", std::move(user)}};
    return prompt;
}

}  // namespace s3attn

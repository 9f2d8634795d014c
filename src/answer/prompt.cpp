#include <algorithm>
#include <numeric>
#include <utility>

#include "answer/answer.h"

namespace s3attn {

namespace {

std::vector<size_t> by_place(const std::vector<Span>& spans) {
    std::vector<size_t> order(spans.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return std::pair(spans[a].doc_id, spans[a].byte_begin) <
               std::pair(spans[b].doc_id, spans[b].byte_begin);
    });
    return order;
}

}  // namespace

std::vector<uint32_t> document_order(const std::vector<Span>& spans) {
    std::vector<uint32_t> numbers(spans.size());
    uint32_t number = 0;
    for (const size_t i : by_place(spans)) numbers[i] = ++number;
    return numbers;
}

// The wording and the layout are measured: docs/answers.md. No system message and no file names:
// a small model answers with them instead of the evidence.
Prompt build_prompt(const std::string& question, const std::vector<Span>& spans,
                    const ReaderClass& reader) {
    std::vector<size_t> order = by_place(spans);
    Prompt prompt;
    prompt.numbers = document_order(spans);
    std::string user = "Evidence:\n\n";
    if (reader.best_last) {
        std::iota(order.rbegin(), order.rend(), size_t{0});
    }
    for (const size_t i : order) {
        user += "[" + std::to_string(prompt.numbers[i]) + "] " + spans[i].text + "\n\n";
    }
    user += "Question: " + question + "\n\n" + std::string(reader.instruction);
    prompt.messages = {{"user", std::move(user)}};
    return prompt;
}

}  // namespace s3attn

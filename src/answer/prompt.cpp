#include <algorithm>
#include <numeric>
#include <utility>

#include "answer/answer.h"
#include "answer/question_language.h"

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

std::string read_as(const Span& span) {
    std::string above;
    // A passage that begins with its own heading does not say it twice.
    const std::string_view text = span.text;
    const std::string_view first = text.substr(0, std::min(text.find('\n'), text.size()));
    for (std::string_view rest = span.heading; !rest.empty();) {
        constexpr std::string_view kBetween = " > ";
        const size_t end = std::min(rest.find(kBetween), rest.size());
        const std::string_view label = rest.substr(0, end);
        const bool last = end == rest.size();
        rest.remove_prefix(std::min(end + kBetween.size(), rest.size()));
        if (last && first.find(label) != first.npos) break;
        above += (above.empty() ? "" : " > ") + std::string(label);
    }
    if (!span.columns.empty()) above += (above.empty() ? "" : "\n") + span.columns;
    return above.empty() ? span.text : above + "\n" + span.text;
}

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
    // In the question's language, or a small model answers in English.
    const Phrases& phrases = phrases_for(question);
    std::string user = std::string(phrases.evidence) + "\n\n";
    if (reader.best_last) {
        std::iota(order.rbegin(), order.rend(), size_t{0});
    }
    for (const size_t i : order) {
        user += "[" + std::to_string(prompt.numbers[i]) + "] " + read_as(spans[i]) + "\n\n";
    }
    const bool english = phrases.language == "en";
    user += std::string(phrases.question) + " " + question + "\n\n" +
            std::string(english ? reader.instruction : phrases.instruction);
    prompt.messages = {{"user", std::move(user)}};
    return prompt;
}

}  // namespace s3attn

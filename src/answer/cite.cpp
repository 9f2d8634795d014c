#include <algorithm>
#include <cmath>
#include <set>

#include "answer/answer.h"
#include "retrieve/words.h"

namespace s3attn {
namespace {

constexpr double kQuestionWordShare = 0.25;
constexpr double kShareOfBest = 0.6;  // spans with less support than this are not cited

}  // namespace

std::vector<Citation> cite(const std::string& answer, const std::string& question,
                           const std::vector<Span>& spans, const std::vector<uint32_t>& numbers) {
    const std::vector<std::string> answer_words = content_word_set(answer);
    const std::vector<std::string> question_words = content_word_set(question);
    std::vector<std::set<std::string>> span_words;
    span_words.reserve(spans.size());
    for (const Span& span : spans) {
        const std::vector<std::string> words = content_word_set(span.text);
        span_words.emplace_back(words.begin(), words.end());
    }
    std::vector<double> support(spans.size(), 0.0);
    for (const std::string& word : answer_words) {
        const auto holders = std::count_if(
            span_words.begin(), span_words.end(),
            [&](const std::set<std::string>& words) { return words.count(word) > 0; });
        if (holders == 0) continue;
        double weight =
            std::log(1.0 + static_cast<double>(spans.size()) / static_cast<double>(holders));
        if (std::binary_search(question_words.begin(), question_words.end(), word)) {
            weight *= kQuestionWordShare;
        }
        for (size_t i = 0; i < spans.size(); ++i) {
            if (span_words[i].count(word) > 0) support[i] += weight;
        }
    }
    std::vector<size_t> order(spans.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return support[a] > support[b]; });
    std::vector<Citation> citations;
    for (const size_t i : order) {
        if (support[i] <= 0 || citations.size() == kMaxCitations) break;
        if (support[i] < kShareOfBest * support[order.front()]) break;
        citations.push_back({numbers[i], i});
    }
    return citations;
}

}  // namespace s3attn

#include <algorithm>
#include <cmath>

#include "answer/answer.h"
#include "retrieve/words.h"

namespace s3attn {
namespace {

constexpr double kQuestionWordShare = 0.25;
constexpr double kShareOfBest = 0.6;  // spans with less support than this are not cited

}  // namespace

std::vector<Citation> cite(const std::string& answer, const std::string& question,
                           const std::vector<Span>& spans, const std::vector<uint32_t>& numbers) {
    const std::vector<std::string> question_words = content_word_set(question);
    std::vector<TextWords> span_words;
    span_words.reserve(spans.size());
    for (const Span& span : spans) span_words.emplace_back(read_as(span));
    std::vector<double> support(spans.size(), 0.0);
    for (const ContentWord& word : content_words(answer)) {
        std::vector<size_t> holders;
        for (size_t i = 0; i < spans.size(); ++i) {
            if (span_words[i].has(word)) holders.push_back(i);
        }
        if (holders.empty()) continue;
        double weight =
            std::log(1.0 + static_cast<double>(spans.size()) / static_cast<double>(holders.size()));
        if (std::binary_search(question_words.begin(), question_words.end(), word.stem)) {
            weight *= kQuestionWordShare;
        }
        for (const size_t i : holders) support[i] += weight;
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

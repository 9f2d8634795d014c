#include "eval/metrics/rouge_l.h"

#include <algorithm>
#include <cstdint>
#include <set>

#include "eval/metrics/python_text.h"

namespace s3attn::eval {
namespace {

using Words = std::vector<std::u32string>;

// A sentence of white space alone is kept, as the package keeps it: its one word is empty.
std::vector<Words> sentences_of(std::string_view text) {
    std::vector<Words> sentences;
    for (const std::u32string& part : python_split_at(code_points(text), U'.')) {
        if (part.empty()) continue;
        Words words = python_split(part);
        if (words.empty()) words.emplace_back();
        sentences.push_back(std::move(words));
    }
    return sentences;
}

std::set<std::u32string> distinct_words(const std::vector<Words>& sentences) {
    std::set<std::u32string> words;
    for (const Words& sentence : sentences) words.insert(sentence.begin(), sentence.end());
    return words;
}

}  // namespace

std::vector<std::u32string> common_subsequence(const Words& reference, const Words& prediction) {
    const size_t n = reference.size(), m = prediction.size(), stride = m + 1;
    std::vector<uint32_t> length((n + 1) * stride, 0);  // [i * stride + j]: of the first i and j
    for (size_t i = 1; i <= n; ++i) {
        for (size_t j = 1; j <= m; ++j) {
            length[i * stride + j] =
                reference[i - 1] == prediction[j - 1]
                    ? length[(i - 1) * stride + j - 1] + 1
                    : std::max(length[(i - 1) * stride + j], length[i * stride + j - 1]);
        }
    }
    Words words;
    for (size_t i = n, j = m; i > 0 && j > 0;) {
        if (reference[i - 1] == prediction[j - 1]) {
            words.push_back(reference[i - 1]);
            --i, --j;
        } else if (length[(i - 1) * stride + j] > length[i * stride + j - 1]) {
            --i;
        } else {  // ties shorten the prediction
            --j;
        }
    }
    std::reverse(words.begin(), words.end());
    return words;
}

double rouge_l(std::string_view prediction, std::string_view reference) {
    const std::vector<Words> predicted = sentences_of(prediction);
    const std::vector<Words> expected = sentences_of(reference);
    if (predicted.empty() || expected.empty()) return 0;
    std::set<std::u32string> common;
    for (const Words& sentence : expected) {
        for (const Words& candidate : predicted) {
            const Words words = common_subsequence(sentence, candidate);
            common.insert(words.begin(), words.end());
        }
    }
    const double shared = static_cast<double>(common.size());
    const double recall = shared / static_cast<double>(distinct_words(expected).size());
    const double precision = shared / static_cast<double>(distinct_words(predicted).size());
    return 2.0 * ((precision * recall) / (precision + recall + 1e-8));
}

}  // namespace s3attn::eval

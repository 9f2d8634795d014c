#include "answer/answerable.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

#include "answer/capitals.h"
#include "answer/quote.h"
#include "retrieve/words.h"

namespace s3attn {
namespace {

// Weights of answerable_features() and, last, the constant; fitted by bench/fit_answerable.py.
constexpr std::array<double, kAnswerableFeatureNames.size() + 1> kWeights{
    12, -1.37, -0.00246, 5.47, 0.0768, 4.52, 4.48, 1.81, -19.1};

// Of the question's content words, the share that one of the texts has.
double shared(const std::vector<ContentWord>& words, std::span<TextWords> texts) {
    if (words.empty()) return 1;
    size_t has = 0;
    for (const ContentWord& word : words) {
        has += std::any_of(texts.begin(), texts.end(),
                           [&](TextWords& text) { return text.has(word); });
    }
    return static_cast<double>(has) / static_cast<double>(words.size());
}

// Small letters between single spaces: " ada solberg s mill ". Letters beyond ASCII stay as they
// are, quotation marks and dashes (U+2000 to U+203F) become spaces.
std::string folded(std::string_view text) {
    std::string out = " ";
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (text.substr(i).starts_with("\xE2\x80") && i + 2 < text.size()) {
            i += 2;
            c = ' ';
        }
        const bool capital = c >= 'A' && c <= 'Z';
        const bool word = capital || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                          static_cast<unsigned char>(c) >= 0x80;
        if (word) {
            out += capital ? static_cast<char>(c + 32) : c;
        } else if (out.back() != ' ') {
            out += ' ';
        }
    }
    if (out.back() != ' ') out += ' ';
    return out;
}

// What of a question names something: words with a capital behind the first word, folded, and two
// of them that follow each other.
struct Names {
    std::vector<std::string> words, pairs;
};

Names names_of(const std::string& question) {
    Names names;
    std::string before;  // the word just before, where it is a name
    size_t at = 0;
    const auto space = [&](size_t i) {
        return std::string_view(" \t\r\n").find(question[i]) != std::string_view::npos;
    };
    for (bool first = true; at < question.size(); first = false) {
        while (at < question.size() && space(at)) ++at;
        const size_t begin = at;
        while (at < question.size() && !space(at)) ++at;
        std::string_view text = std::string_view(question).substr(begin, at - begin);
        while (!text.empty() && std::string_view("\"'([").find(text[0]) != std::string_view::npos) {
            text.remove_prefix(1);
        }
        std::string word = folded(text);
        if (word.ends_with(" s ")) word.resize(word.size() - 2);  // "Solberg's"
        const bool name =
            !first && begins_with_capital(text) && word.size() > 3 && !content_words(text).empty();
        if (!name) {
            before.clear();
            continue;
        }
        names.words.push_back(word);
        if (!before.empty()) names.pairs.push_back(before + word.substr(1));
        before = word;
    }
    return names;
}

double share_found(const std::vector<std::string>& wanted, const std::vector<std::string>& texts) {
    if (wanted.empty()) return 1;
    const auto found = std::count_if(wanted.begin(), wanted.end(), [&](const std::string& each) {
        return std::any_of(texts.begin(), texts.end(), [&](const std::string& text) {
            return text.find(each) != std::string::npos;
        });
    });
    return static_cast<double>(found) / static_cast<double>(wanted.size());
}

}  // namespace

AnswerableFeatures answerable_features(const SearchResult& search) {
    const std::vector<ContentWord> words = content_words(search.question);
    const Names names = names_of(search.question);
    std::vector<TextWords> all, quoted;
    std::vector<std::string> texts;
    for (const Span& span : search.spans) {
        all.emplace_back(span.text);
        texts.push_back(folded(span.text));
    }
    const Quote& quote = search.quote;
    quoted.emplace_back(quote.text);
    const bool known = quote.span_index < search.spans.size();
    const std::span<TextWords> best(all.data() + (known ? quote.span_index : 0), known ? 1 : 0);
    return {search.evidence_score,
            shared(words, quoted),
            shared(words, best),
            shared(words, all),
            answer_kind_fits(search.question, quote.text),
            quote.score,
            share_found(names.words, texts),
            share_found(names.pairs, texts)};
}

double answerable(const SearchResult& search) {
    if (!search.evidence_found || search.spans.empty()) return 0;
    if (!search.quote.found) return 1;
    const AnswerableFeatures features = answerable_features(search);
    double sum = kWeights.back();
    for (size_t f = 0; f < features.size(); ++f) sum += kWeights[f] * features[f];
    return 1 / (1 + std::exp(-sum));
}

}  // namespace s3attn

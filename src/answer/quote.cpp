#include "answer/quote.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "answer/reader_class.h"
#include "retrieve/words.h"
#include "text/sentences.h"

namespace s3attn {
namespace {

constexpr double kNeighbourShare = 0.25;  // of the best sentence's chance, for a second one
constexpr size_t kMostQuoteBytes = 700;   // of two sentences together

// Weights of quote_features(), with attention and of words alone: set before any data was seen.
// Those that bench/fit_quotes.py fits to the multi-hop train files are far worse on questions that
// one sentence answers (docs/answers.md).
constexpr QuoteFeatures kWithAttention{0.35, 2, 0.8, -0.5, 1, 3, 1, 0.6, 0.1, 0, -1};
constexpr QuoteFeatures kWordsAlone{0, 0, 0, -0.5, 1, 4, 1, 0.6, 0.1, 0, -1};

enum class AsksFor { kNumber, kName, kOther };

AsksFor kind_of(std::string_view question) {
    std::string lower;
    for (const char c : question) {
        lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    }
    const auto has = [&](const char* text) { return lower.find(text) != std::string::npos; };
    if (has("how many") || has("how much") || has("when ") || has("what year") ||
        has("which year") || has("what date") || has("how old") || has("how long") ||
        has("percentage") || has("what century") || has("how far")) {
        return AsksFor::kNumber;
    }
    if (has("who ") || has("whom ") || has("whose ") || has("where ") || has("which ") ||
        has("what is the name")) {
        return AsksFor::kName;
    }
    return AsksFor::kOther;
}

bool has_digit(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A capital letter inside the sentence, of a word that the question does not have.
bool has_new_name(std::string_view sentence, std::string_view question) {
    for (size_t i = 1; i < sentence.size(); ++i) {
        const bool begins = sentence[i - 1] == ' ' && sentence[i] >= 'A' && sentence[i] <= 'Z';
        if (!begins) continue;
        size_t end = i;
        while (end < sentence.size() && std::isalpha(static_cast<unsigned char>(sentence[end])))
            ++end;
        if (question.find(sentence.substr(i, end - i)) == std::string_view::npos) return true;
        i = end;
    }
    return false;
}

double kind_fits(AsksFor kind, std::string_view sentence, std::string_view question) {
    if (kind == AsksFor::kNumber) return has_digit(sentence) ? 1 : 0;
    if (kind == AsksFor::kName) return has_new_name(sentence, question) ? 1 : 0;
    return 0.5;
}

// Share of the question's content words, weighed by how rare they are, that a text has.
class WordShare {
  public:
    WordShare(const std::string& question, const std::map<std::string, double>& rarity)
        : words_(content_words(question)) {
        for (const ContentWord& word : words_) {
            const auto found = rarity.find(word.form);
            weight_.push_back(found == rarity.end() ? 1.0 : found->second);
            all_ += weight_.back();
        }
    }
    std::vector<double> of(std::string_view text) const {
        TextWords there(text);
        std::vector<double> has;
        for (size_t i = 0; i < words_.size(); ++i)
            has.push_back(there.has(words_[i]) ? weight_[i] : 0);
        return has;
    }
    double share(const std::vector<double>& has) const {
        double sum = 0;
        for (const double each : has) sum += each;
        return all_ > 0 ? sum / all_ : 0;
    }

  private:
    std::vector<ContentWord> words_;
    std::vector<double> weight_;
    double all_ = 0;
};

std::string_view text_of(const std::vector<Span>& spans, const EvidenceSentence& sentence) {
    return std::string_view(spans[sentence.span].text)
        .substr(sentence.begin, sentence.end - sentence.begin);
}

}  // namespace

double answer_kind_fits(const std::string& question, std::string_view text) {
    return kind_fits(kind_of(question + " "), text, question);
}

namespace {

// Sentences; of a table its rows, which no sentence ends.
std::vector<std::pair<size_t, size_t>> quotable_parts(const Span& span) {
    const std::string& text = span.text;
    const bool table = !span.columns.empty() || text.find('\t') != text.npos;
    std::vector<std::pair<size_t, size_t>> parts;
    for (const auto& [begin, end] : split_sentences(text)) {
        for (size_t at = begin; at < end;) {
            const size_t line = table ? std::min(text.find('\n', at), end) : end;
            if (text.find_first_not_of(" \t\r\n", at) < line) parts.emplace_back(at, line);
            at = line + 1;
        }
    }
    return parts;
}

}  // namespace

std::vector<EvidenceSentence> evidence_sentences(const std::vector<Span>& spans) {
    std::vector<EvidenceSentence> out;
    for (size_t s = 0; s < std::min(spans.size(), kQuoteSpans); ++s) {
        for (const auto& [begin, end] : quotable_parts(spans[s])) {
            if (out.size() == kQuoteSentences) return out;
            EvidenceSentence& sentence = out.emplace_back();
            sentence.span = s;
            sentence.begin = begin;
            sentence.end = end;
        }
    }
    return out;
}

std::vector<QuoteFeatures> quote_features(const std::string& question,
                                          const std::vector<Span>& spans,
                                          const std::vector<EvidenceSentence>& sentences,
                                          const std::map<std::string, double>& rarity) {
    const WordShare words(question, rarity);
    const AsksFor kind = kind_of(question + " ");
    std::vector<std::vector<double>> has;
    std::vector<double> span_mass(spans.size());
    for (const EvidenceSentence& sentence : sentences) {
        has.push_back(words.of(text_of(spans, sentence)));
        span_mass[sentence.span] += sentence.mass;
    }
    const double best_score = spans.empty() ? 0 : std::max(1e-9, spans.front().score);
    std::vector<QuoteFeatures> out;
    for (size_t i = 0; i < sentences.size(); ++i) {
        const EvidenceSentence& sentence = sentences[i];
        const std::string_view text = text_of(spans, sentence);
        std::vector<double> around = has[i];
        for (const size_t j : {i - 1, i + 1}) {
            if (j >= sentences.size() || sentences[j].span != sentence.span) continue;
            for (size_t w = 0; w < around.size(); ++w) around[w] = std::max(around[w], has[j][w]);
        }
        const double mass = span_mass[sentence.span];
        out.push_back({std::log(sentence.mass + 1e-6), sentence.cosine,
                       mass > 0 ? sentence.mass / mass : 0,
                       std::log(1.0 + static_cast<double>(sentence.span)),
                       std::clamp(spans[sentence.span].score / best_score, 0.0, 1.0),
                       words.share(has[i]), words.share(around), kind_fits(kind, text, question),
                       std::log(1.0 + static_cast<double>(text.size())),
                       i == 0 || sentences[i - 1].span != sentence.span ? 1.0 : 0.0,
                       text.ends_with('?') ? 1.0 : 0.0});
    }
    return out;
}

std::vector<double> quote_chances(const std::vector<QuoteFeatures>& features, bool attention) {
    const QuoteFeatures& weights = attention ? kWithAttention : kWordsAlone;
    std::vector<double> chances;
    for (const QuoteFeatures& each : features) {
        double sum = 0;
        for (size_t f = 0; f < each.size(); ++f) sum += weights[f] * each[f];
        chances.push_back(sum);
    }
    if (chances.empty()) return chances;
    const double top = *std::max_element(chances.begin(), chances.end());
    double total = 0;
    for (double& chance : chances) total += chance = std::exp(chance - top);
    for (double& chance : chances) chance /= total;
    return chances;
}

Quote make_quote(const std::vector<Span>& spans, const std::vector<EvidenceSentence>& sentences,
                 const std::vector<double>& chances) {
    Quote quote;
    if (sentences.empty()) return quote;
    const auto best =
        static_cast<size_t>(std::max_element(chances.begin(), chances.end()) - chances.begin());
    size_t first = best, last = best;
    size_t neighbour = SIZE_MAX;
    for (const size_t j : {best + 1, best - 1}) {
        if (j >= sentences.size() || sentences[j].span != sentences[best].span) continue;
        if (chances[j] < kNeighbourShare * chances[best]) continue;
        const size_t bytes = std::max(sentences[j].end, sentences[best].end) -
                             std::min(sentences[j].begin, sentences[best].begin);
        if (bytes > kMostQuoteBytes) continue;
        if (neighbour == SIZE_MAX || chances[j] > chances[neighbour]) neighbour = j;
    }
    if (neighbour != SIZE_MAX) {
        first = std::min(best, neighbour);
        last = std::max(best, neighbour);
    }
    const Span& span = spans[sentences[best].span];
    quote.found = true;
    quote.span_index = sentences[best].span;
    quote.text_begin = sentences[first].begin;
    quote.text_end = sentences[last].end;
    quote.text = span.text.substr(quote.text_begin, quote.text_end - quote.text_begin);
    quote.sentences = static_cast<uint32_t>(last - first + 1);
    for (size_t i = first; i <= last; ++i) quote.score += chances[i];
    quote.exact_bytes = span.byte_end - span.byte_begin == span.text.size();
    quote.byte_begin = span.byte_begin + (quote.exact_bytes ? quote.text_begin : 0);
    quote.byte_end = quote.exact_bytes ? span.byte_begin + quote.text_end : span.byte_end;
    if (span.line_begin > 0) {
        const auto lines = [&](size_t from, size_t to) {
            return static_cast<uint32_t>(
                std::count(span.text.begin() + static_cast<ptrdiff_t>(from),
                           span.text.begin() + static_cast<ptrdiff_t>(to), '\n'));
        };
        quote.line_begin = span.line_begin + lines(0, quote.text_begin);
        quote.line_end = quote.line_begin + lines(quote.text_begin, quote.text_end);
    }
    return quote;
}

}  // namespace s3attn

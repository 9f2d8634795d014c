#include "answer/support.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>

#include "answer/answer.h"
#include "answer/capitals.h"
#include "retrieve/words.h"
#include "text/english_words.h"
#include "text/sentences.h"
#include "text/word_cutter.h"

namespace s3attn {
namespace {

constexpr double kQuestionWordShare = 0.25;
constexpr double kEnoughSupport = 0.6;  // of a sentence's words, in the spans that support it
constexpr double kSpanSupports = 0.4;   // and in a span alone, to be one of these
constexpr size_t kMostNumbers = 3;

// Values of English number words; hundred, thousand and million multiply.
const std::map<std::string, uint64_t, std::less<>>& number_words() {
    static const std::map<std::string, uint64_t, std::less<>> words{
        {"zero", 0},      {"one", 1},         {"two", 2},          {"three", 3},
        {"four", 4},      {"five", 5},        {"six", 6},          {"seven", 7},
        {"eight", 8},     {"nine", 9},        {"ten", 10},         {"eleven", 11},
        {"twelve", 12},   {"thirteen", 13},   {"fourteen", 14},    {"fifteen", 15},
        {"sixteen", 16},  {"seventeen", 17},  {"eighteen", 18},    {"nineteen", 19},
        {"twenty", 20},   {"thirty", 30},     {"forty", 40},       {"fifty", 50},
        {"sixty", 60},    {"seventy", 70},    {"eighty", 80},      {"ninety", 90},
        {"hundred", 100}, {"thousand", 1000}, {"million", 1000000}};
    return words;
}

bool digit(char c) { return c >= '0' && c <= '9'; }

struct FoundNumber {
    size_t begin = 0, end = 0;
    std::string digits;  // without separators of thousands
};

// "1,874" and "1 874" are one number, "3.5" too; "[2]" is a citation.
std::vector<FoundNumber> numbers_in(std::string_view text) {
    std::vector<FoundNumber> out;
    for (size_t i = 0; i < text.size();) {
        if (!digit(text[i])) {
            ++i;
            continue;
        }
        FoundNumber number;
        number.begin = i;
        while (i < text.size()) {
            const bool group = i + 3 < text.size() && (text[i] == ',' || text[i] == ' ') &&
                               digit(text[i + 1]) && digit(text[i + 2]) && digit(text[i + 3]) &&
                               (i + 4 == text.size() || !digit(text[i + 4]));
            const bool point = text[i] == '.' && i + 1 < text.size() && digit(text[i + 1]);
            if (digit(text[i]) || point) {
                number.digits += text[i];
            } else if (!group || number.digits.size() > 12) {
                break;
            }
            ++i;
        }
        number.end = i;
        const bool citation =
            number.begin > 0 && i < text.size() &&
            std::string_view("[,;-").find(text[number.begin - 1]) != std::string_view::npos &&
            std::string_view("],;-").find(text[i]) != std::string_view::npos &&
            text.rfind('[', number.begin) != std::string_view::npos &&
            text.find(']', i) != std::string_view::npos && number.digits.size() < 4;
        if (!citation) out.push_back(std::move(number));
    }
    return out;
}

// All numbers of a text, in figures and in English words.
class KnownNumbers {
  public:
    void add(std::string_view text) {
        for (const FoundNumber& number : numbers_in(text)) {
            known_.insert(number.digits);
            // Parts of a number that a separator may not have joined after all ("in 1903, 200").
            std::string part;
            for (const char c : text.substr(number.begin, number.end - number.begin)) {
                if (digit(c)) {
                    part += c;
                } else {
                    known_.insert(std::exchange(part, {}));
                }
            }
            known_.insert(part);
        }
        uint64_t sum = 0, group = 0;
        bool any = false;
        text::WordCutter().cut(text, [&](const text::Word& word) {
            const auto value = number_words().find(word.form);
            if (value == number_words().end()) {
                if (word.form == "and" && any) return true;
                if (any) known_.insert(std::to_string(sum + group));
                sum = group = 0;
                any = false;
                return true;
            }
            if (value->second < 100) known_.insert(std::to_string(value->second));
            any = true;
            if (value->second == 100) {
                group = std::max<uint64_t>(group, 1) * 100;
            } else if (value->second >= 1000) {
                sum += std::max<uint64_t>(group, 1) * value->second;
                group = 0;
            } else {
                group += value->second;
            }
            known_.insert(std::to_string(sum + group));
            return true;
        });
        if (any) known_.insert(std::to_string(sum + group));
    }
    bool has(const std::string& digits) const { return known_.contains(digits); }

  private:
    std::set<std::string> known_;
};

// What stands behind one space.
std::string_view next_word(std::string_view text, size_t end) {
    if (end + 1 >= text.size() || text[end] != ' ') return {};
    return text.substr(end + 1);
}

// The words of evidence and question, as they are compared.
class KnownWords {
  public:
    void add(std::string_view text) {
        text::WordCutter().cut(text, [&](const text::Word& word) {
            forms_.insert(text::without_marks(word.form));
            return true;
        });
        stems_.emplace_back(text);
    }
    bool has(const text::Word& word) {
        const std::string form = text::without_marks(word.form);
        if (forms_.contains(form)) return true;
        // "Solberg's" of Solberg, "Varn" of Varn's.
        for (const char* end : {"'s", "\xE2\x80\x99s", "s"}) {
            if (form.ends_with(end) &&
                forms_.contains(form.substr(0, form.size() - std::string_view(end).size()))) {
                return true;
            }
            if (forms_.contains(form + end)) return true;
        }
        const std::vector<ContentWord> content = content_words(word.form);
        return std::any_of(stems_.begin(), stems_.end(), [&](TextWords& text) {
            return !content.empty() && text.has(content.front());
        });
    }

  private:
    std::set<std::string> forms_;
    std::vector<TextWords> stems_;
};

}  // namespace

std::vector<UnfoundedWord> unfounded_words(const std::string& answer, const std::string& question,
                                           const std::vector<Span>& spans) {
    KnownNumbers numbers;
    KnownWords words;
    for (const Span& span : spans) {
        const std::string text = read_as(span);
        numbers.add(text);
        words.add(text);
    }
    numbers.add(question);
    words.add(question);
    std::vector<UnfoundedWord> out;
    for (const FoundNumber& number : numbers_in(answer)) {
        if (numbers.has(number.digits)) continue;
        out.push_back({number.begin, number.end,
                       answer.substr(number.begin, number.end - number.begin), true});
    }
    std::set<size_t> begins;  // of sentences, where a capital says nothing
    for (const auto& [begin, end] : split_sentences(answer)) begins.insert(begin);
    text::WordCutter().cut(answer, [&](const text::Word& word) {
        const std::string_view text =
            std::string_view(answer).substr(word.begin, word.end - word.begin);
        if (word.again || text.size() < 2 || !begins_with_capital(text)) return true;
        if (content_words(text).empty()) return true;  // "The", "He"
        if (words.has(word)) return true;
        size_t before = word.begin;
        while (before > 0 && std::string_view("\"'([ *\x9C\x98").find(answer[before - 1]) !=
                                 std::string_view::npos) {
            --before;
        }
        const bool first = before == 0 || begins.contains(word.begin) ||
                           answer[before - 1] == '\n' || answer[before - 1] == '.' ||
                           answer[before - 1] == ':' || answer[before - 1] == '?' ||
                           answer[before - 1] == '!';
        // There it is a name all the same when a second one follows ("Ada Solberg"), or when it is
        // no word of the language.
        const bool name = !first || begins_with_capital(next_word(answer, word.end)) ||
                          text::is_english_word(word.form) == text::KnownWord::kNo;
        if (name) out.push_back({word.begin, word.end, std::string(text), false});
        return true;
    });
    std::sort(out.begin(), out.end(),
              [](const UnfoundedWord& a, const UnfoundedWord& b) { return a.begin < b.begin; });
    return out;
}

std::vector<AnswerSentence> support_sentences(const std::string& answer,
                                              const std::string& question,
                                              const std::vector<Span>& spans,
                                              const std::vector<uint32_t>& numbers) {
    const std::vector<UnfoundedWord> unfounded = unfounded_words(answer, question, spans);
    const std::vector<std::string> asked = content_word_set(question);
    std::vector<TextWords> texts;
    for (const Span& span : spans) texts.emplace_back(read_as(span));
    std::vector<AnswerSentence> out;
    for (const auto& [begin, end] : split_sentences(answer)) {
        AnswerSentence& sentence = out.emplace_back();
        sentence.begin = begin;
        sentence.end = end;
        double all = 0, covered = 0;
        std::vector<double> by_span(spans.size());
        for (const ContentWord& word :
             content_words(std::string_view(answer).substr(begin, end - begin))) {
            const bool known = std::binary_search(asked.begin(), asked.end(), word.stem);
            const double weight = known ? kQuestionWordShare : 1.0;
            all += weight;
            bool any = false;
            for (size_t s = 0; s < spans.size(); ++s) {
                if (!texts[s].has(word)) continue;
                by_span[s] += weight;
                any = true;
            }
            if (any) covered += weight;
        }
        std::vector<size_t> order(spans.size());
        for (size_t s = 0; s < order.size(); ++s) order[s] = s;
        std::stable_sort(order.begin(), order.end(),
                         [&](size_t a, size_t b) { return by_span[a] > by_span[b]; });
        for (const size_t s : order) {
            if (all <= 0 || by_span[s] < kSpanSupports * all) break;
            if (sentence.numbers.size() == kMostNumbers) break;
            sentence.numbers.push_back(numbers[s]);
        }
        const bool invented =
            std::any_of(unfounded.begin(), unfounded.end(), [&](const UnfoundedWord& word) {
                return word.begin >= sentence.begin && word.begin < sentence.end;
            });
        sentence.supported =
            all <= 0 || (covered >= kEnoughSupport * all && !sentence.numbers.empty() && !invented);
    }
    return out;
}

}  // namespace s3attn

#include "eval/metrics/metrics.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

#include "eval/metrics/python_text.h"
#include "eval/metrics/rouge_l.h"
#include "eval/metrics/sequence_matcher.h"

namespace s3attn::eval {
namespace {

constexpr std::array<std::pair<const char*, Metric>, 16> kTasks{{
    {"narrativeqa", Metric::kQaF1},
    {"qasper", Metric::kQaF1},
    {"multifieldqa_en", Metric::kQaF1},
    {"hotpotqa", Metric::kQaF1},
    {"2wikimqa", Metric::kQaF1},
    {"musique", Metric::kQaF1},
    {"gov_report", Metric::kRougeL},
    {"qmsum", Metric::kRougeL},
    {"multi_news", Metric::kRougeL},
    {"trec", Metric::kClassification},
    {"triviaqa", Metric::kQaF1},
    {"samsum", Metric::kRougeL},
    {"passage_count", Metric::kCount},
    {"passage_retrieval_en", Metric::kRetrieval},
    {"lcc", Metric::kCodeSimilarity},
    {"repobench-p", Metric::kCodeSimilarity},
}};

// LongBench-E names its files "hotpotqa_e" and so on.
std::string_view base_task(std::string_view task) {
    if (task.ends_with("_e")) task.remove_suffix(2);
    return task;
}

std::u32string_view without_leading_newlines(std::u32string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(U'\n'), text.size()));
    return text;
}

bool ascii_punctuation(char32_t c) {
    return (c >= 0x21 && c <= 0x2f) || (c >= 0x3a && c <= 0x40) || (c >= 0x5b && c <= 0x60) ||
           (c >= 0x7b && c <= 0x7e);
}

// Articles stand between word boundaries, which is not the same as between spaces: of "l’a" the
// "a" goes too.
std::u32string without_articles(std::u32string_view text) {
    std::u32string out;
    for (size_t i = 0; i < text.size();) {
        if (!python_word(text[i])) {
            out.push_back(text[i++]);
            continue;
        }
        size_t end = i;
        while (end < text.size() && python_word(text[end])) ++end;
        const std::u32string_view word = text.substr(i, end - i);
        out += word == U"a" || word == U"an" || word == U"the" ? U" " : word;
        i = end;
    }
    return out;
}

double share_equal(const std::vector<std::u32string>& numbers, const std::u32string& right) {
    if (numbers.empty()) return 0;
    return static_cast<double>(std::count(numbers.begin(), numbers.end(), right)) /
           static_cast<double>(numbers.size());
}

// Signs of scripts without spaces between words.
bool unspaced(char32_t c) {
    return (c >= 0x0E00 && c < 0x0F00) || (c >= 0x1000 && c < 0x10A0) ||
           (c >= 0x1780 && c < 0x1800) || (c >= 0x2E80 && c < 0xA000) ||
           (c >= 0xF900 && c < 0xFB00) || (c >= 0x20000 && c < 0x40000);
}

bool wide_punctuation(char32_t c) {
    return (c >= 0x3000 && c < 0x3030) || (c >= 0xFF01 && c <= 0xFF0F) ||
           (c >= 0xFF1A && c <= 0xFF20) || (c >= 0xFF3B && c <= 0xFF40) ||
           (c >= 0xFF5B && c <= 0xFF65);
}

double words_f1(const std::vector<std::u32string>& predicted,
                const std::vector<std::u32string>& expected) {
    std::map<std::u32string, size_t> left;
    for (const auto& word : expected) ++left[word];
    size_t common = 0;
    for (const auto& word : predicted) {
        const auto found = left.find(word);
        if (found == left.end() || found->second == 0) continue;
        --found->second;
        ++common;
    }
    if (common == 0) return 0;
    const double precision = static_cast<double>(common) / static_cast<double>(predicted.size());
    const double recall = static_cast<double>(common) / static_cast<double>(expected.size());
    return 2 * precision * recall / (precision + recall);
}

// 7 of "Paragraph 7"; empty where there is none.
std::u32string paragraph_number(std::string_view reference) {
    const std::u32string text = code_points(reference);
    const std::u32string mark = U"Paragraph ";
    for (size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + 1)) {
        const std::u32string_view rest = std::u32string_view(text).substr(at + mark.size());
        const auto runs = digit_runs(rest);
        if (!runs.empty() && rest.starts_with(runs[0])) return runs[0];
    }
    return {};
}

bool is_number(std::string_view reference) {
    const std::u32string text = code_points(reference);
    const auto runs = digit_runs(text);
    return runs.size() == 1 && runs[0] == text;
}

bool can_be_right(Metric metric, const std::string& reference,
                  const std::vector<std::string>& classes) {
    switch (metric) {
        case Metric::kClassification:
            return std::find(classes.begin(), classes.end(), reference) != classes.end();
        case Metric::kRetrieval: return !paragraph_number(reference).empty();
        case Metric::kCount: return is_number(reference);
        case Metric::kQaF1:
        case Metric::kRougeL:
        case Metric::kCodeSimilarity: break;
    }
    return reference.find_first_not_of(" \t\r\n\v\f") != reference.npos;
}

}  // namespace

std::string reference_fault(Metric metric, const std::vector<std::string>& references,
                            const std::vector<std::string>& classes) {
    if (references.empty()) return "\"answers\" is empty: there is nothing to compare with";
    if (metric == Metric::kClassification && classes.empty()) {
        return "\"all_classes\" is missing or empty: an answer of this task is looked for among "
               "them";
    }
    const bool any = std::any_of(
        references.begin(), references.end(),
        [&](const std::string& reference) { return can_be_right(metric, reference, classes); });
    if (any) return "";
    const std::string first = "\"answers\": \"" + references.front() + "\" ";
    if (metric == Metric::kClassification) return first + "is none of \"all_classes\"";
    if (metric == Metric::kRetrieval) return first + "names no paragraph (\"Paragraph 7\")";
    if (metric == Metric::kCount) return first + "is no number";
    return first + "is blank: no answer could be right";
}

const char* to_string(Metric metric) {
    switch (metric) {
        case Metric::kQaF1: return "f1";
        case Metric::kRougeL: return "rouge-l";
        case Metric::kClassification: return "classification";
        case Metric::kRetrieval: return "retrieval";
        case Metric::kCount: return "count";
        case Metric::kCodeSimilarity: return "code similarity";
    }
    return "?";
}

std::optional<Metric> longbench_metric(std::string_view task) {
    for (const auto& [name, metric] : kTasks) {
        if (base_task(task) == name) return metric;
    }
    return std::nullopt;
}

const std::vector<std::string>& longbench_tasks() {
    static const std::vector<std::string> tasks = [] {
        std::vector<std::string> names;
        for (const auto& task : kTasks) names.emplace_back(task.first);
        return names;
    }();
    return tasks;
}

std::vector<std::u32string> normalized_words(std::string_view text) {
    std::u32string lower = python_lower(text);
    std::erase_if(lower, ascii_punctuation);
    return python_split(without_articles(lower));
}

std::vector<std::u32string> cut_words(std::string_view text) {
    std::vector<std::u32string> out;
    for (const std::u32string& word : normalized_words(text)) {
        std::u32string rest;
        const auto flush = [&] {
            if (!rest.empty()) out.push_back(std::move(rest));
            rest.clear();
        };
        for (const char32_t c : word) {
            if (wide_punctuation(c)) {
                flush();
            } else if (unspaced(c)) {
                flush();
                out.emplace_back(1, c);
            } else {
                rest += c;
            }
        }
        flush();
    }
    return out;
}

double cut_f1(std::string_view prediction, std::string_view reference) {
    return words_f1(cut_words(prediction), cut_words(reference));
}

double qa_f1(std::string_view prediction, std::string_view reference) {
    return words_f1(normalized_words(prediction), normalized_words(reference));
}
double classification(std::string_view prediction, std::string_view reference,
                      const std::vector<std::string>& classes) {
    std::vector<std::string> named;
    for (const std::string& name : classes) {
        if (prediction.find(name) != prediction.npos) named.push_back(name);
    }
    // Classes that are part of the right one's name do not count against it. The original removes
    // while it iterates and so passes over the entry behind each removed one: kept, as it is what
    // the published figures were made with.
    for (size_t i = 0; i < named.size(); ++i) {
        if (reference.find(named[i]) == reference.npos || named[i] == reference) continue;
        // list.remove() takes the first equal entry
        named.erase(std::find(named.begin(), named.end(), std::string(named[i])));
    }
    if (std::find(named.begin(), named.end(), reference) == named.end()) return 0;
    return 1.0 / static_cast<double>(named.size());
}

double retrieval(std::string_view prediction, std::string_view reference) {
    const std::u32string number = paragraph_number(reference);
    return number.empty() ? 0 : share_equal(digit_runs(code_points(prediction)), number);
}

double count(std::string_view prediction, std::string_view reference) {
    return share_equal(digit_runs(code_points(prediction)), code_points(reference));
}

double code_similarity(std::string_view prediction, std::string_view reference) {
    const std::u32string text = code_points(prediction);
    std::u32string line;
    for (std::u32string& candidate : python_split_at(without_leading_newlines(text), U'\n')) {
        if (candidate.find_first_of(U"`#") == candidate.npos &&
            candidate.find(U"//") == candidate.npos) {
            line = std::move(candidate);
            break;
        }
    }
    return fuzz_ratio(line, code_points(reference)) / 100.0;
}

std::string scored_part(std::string_view task, std::string_view answer) {
    task = base_task(task);
    if (task != "trec" && task != "triviaqa" && task != "samsum") return std::string(answer);
    answer.remove_prefix(std::min(answer.find_first_not_of('\n'), answer.size()));
    return std::string(answer.substr(0, answer.find('\n')));
}

double metric_score(Metric metric, std::string_view answer,
                    const std::vector<std::string>& references,
                    const std::vector<std::string>& classes) {
    double best = 0;
    for (const std::string& reference : references) {
        double score = 0;
        switch (metric) {
            case Metric::kQaF1: score = qa_f1(answer, reference); break;
            case Metric::kRougeL: score = rouge_l(answer, reference); break;
            case Metric::kClassification: score = classification(answer, reference, classes); break;
            case Metric::kRetrieval: score = retrieval(answer, reference); break;
            case Metric::kCount: score = count(answer, reference); break;
            case Metric::kCodeSimilarity: score = code_similarity(answer, reference); break;
        }
        best = std::max(best, score);
    }
    return best;
}

double longbench_score(std::string_view task, std::string_view answer,
                       const std::vector<std::string>& references,
                       const std::vector<std::string>& classes) {
    return metric_score(longbench_metric(task).value(), scored_part(task, answer), references,
                        classes);
}

std::string longbench_percent(double sum, size_t n) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2f", n == 0 ? 0.0 : 100 * sum / static_cast<double>(n));
    return text;
}

}  // namespace s3attn::eval

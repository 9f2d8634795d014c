// InfiniteBench's metrics.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>

#include "eval/metrics/metrics.h"
#include "eval/metrics/python_text.h"
#include "eval/metrics/suites.h"

namespace s3attn::eval {
namespace {

constexpr std::array kTasks12{"passkey",         "number_string",    "kv_retrieval",
                              "code_run",        "code_debug",       "longdialogue_qa_eng",
                              "longbook_qa_eng", "longbook_sum_eng", "longbook_choice_eng",
                              "longbook_qa_chn", "math_find",        "math_calc"};

Error bad_label(const std::string& what) {
    return make_error(ErrorCode::kCorrupt, "\"ground_truth\" " + what);
}

std::string with_spaces(std::string text, std::initializer_list<std::string_view> parts) {
    for (const std::string_view part : parts) {
        for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) {
            text.replace(at, part.size(), " ");
        }
    }
    return text;
}

std::string single_spaces(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (c != ' ' || out.empty() || out.back() != ' ') out += c;
    }
    return out;
}

std::vector<std::u32string> words_of(const std::string& text) {
    return python_split(code_points(text));
}

// The texts of a label that is one, a number, or a list of them.
std::vector<std::string> texts_of(const Json& label) {
    std::vector<std::string> out;
    if (label.is_string()) out.push_back(label.get<std::string>());
    if (label.is_number()) out.push_back(dump_json(label));
    if (!label.is_array()) return out;
    for (const Json& each : label) {
        for (std::string& text : texts_of(each)) out.push_back(std::move(text));
    }
    return out;
}

// Runs of ASCII digits.
std::vector<std::string> numbers_of(std::string_view text) {
    std::vector<std::string> out;
    bool inside = false;
    for (const char c : text) {
        const bool digit = c >= '0' && c <= '9';
        if (digit && !inside) out.emplace_back();
        if (digit) out.back() += c;
        inside = digit;
    }
    return out;
}

bool first_number_is(std::string_view answer, const std::string& label) {
    const auto numbers = numbers_of(answer);
    return !numbers.empty() && numbers.front() == label;
}

bool names_word(std::string answer, const std::string& label, bool upper) {
    answer = with_spaces(std::move(answer), {"\n", ":", "\"", "'", ".", ",", "?", "!", "{", "}"});
    if (upper) {
        for (char& c : answer) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
    const auto words = words_of(answer);
    return std::find(words.begin(), words.end(), code_points(label)) != words.end();
}

bool last_number_is(const std::string& answer, const std::string& label) {
    const auto words = words_of(with_spaces(answer, {"\n", ".", "`", "'", "\"", ":"}));
    if (words.empty()) return false;
    std::string last;
    for (const char32_t c : words.back()) last += c < 0x80 ? static_cast<char>(c) : '?';
    const char* begin = last.data() + (last.starts_with('+') ? 1 : 0);
    const char* end = last.data() + last.size();
    int64_t value = 0, wanted = 0;
    const auto read = std::from_chars(begin, end, value);
    const auto right = std::from_chars(label.data(), label.data() + label.size(), wanted);
    return read.ec == std::errc{} && read.ptr == end && right.ec == std::errc{} && value == wanted;
}

// What stands behind the first of these phrases that the answer has; nothing where none is there or
// nothing follows. `found` says whether one was there.
std::string behind(const std::string& answer, std::initializer_list<std::string_view> phrases,
                   bool& found) {
    for (const std::string_view phrase : phrases) {
        const size_t at = answer.find(phrase);
        if (at == answer.npos) continue;
        found = true;
        if (answer.size() < at + phrase.size() + 1) return "";
        return answer.substr(at + phrase.size() + 1);
    }
    found = false;
    return "";
}

std::string python_strip(const std::string& text) {
    const size_t begin = text.find_first_not_of(" \t\r\n\v\f");
    if (begin == text.npos) return "";
    return text.substr(begin, text.find_last_not_of(" \t\r\n\v\f") + 1 - begin);
}

bool is_option(const std::string& word) {
    return !word.empty() && std::string_view("ABCD").find(word) != std::string_view::npos;
}

bool all_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == text.npos;
}

// Why no answer could be right; empty where one can.
std::string label_fault(std::string_view task, const std::vector<std::string>& texts) {
    if (texts.empty()) return "holds no text";
    const auto blank = [](const std::string& text) { return python_strip(text).empty(); };
    if (std::all_of(texts.begin(), texts.end(), blank) || blank(texts[0])) return "is blank";
    const std::string shown = "\"" + texts[0] + "\" is no ";
    if ((task == "passkey" || task == "number_string") && !all_digits(texts[0])) {
        return shown + "number";
    }
    if (task == "code_run" && !all_digits(texts[0].substr(texts[0].find_first_not_of("+-")))) {
        return shown + "whole number";
    }
    if ((task == "code_debug" || task == "longbook_choice_eng") &&
        std::none_of(texts.begin(), texts.end(), is_option)) {
        return "has no option's letter, A to D, behind its text";
    }
    return "";
}

// label: [name of the function, letter of the option]
bool right_debug(const std::string& answer, const std::vector<std::string>& label) {
    const std::string letter = label.size() > 1 ? label[1] : label[0];
    if (answer.starts_with(letter + ".") || answer.starts_with(letter + ":")) return true;
    const std::string text = single_spaces(
        with_spaces(python_strip(answer), {"\n", "`", "'", "\"", "-", "*", "Option", "option"}));
    bool found = false;
    const std::string rest = behind(text, {"answer is:", "is:", "answer:"}, found);
    return found && !rest.empty() && (rest.starts_with(letter) || rest.starts_with(label[0]));
}

bool right_choice(const std::string& answer, const std::vector<std::string>& label) {
    const auto among = [&](const std::string& word) {
        return std::find(label.begin(), label.end(), word) != label.end();
    };
    if (answer.empty()) return false;
    if (is_option(answer.substr(0, 1))) return among(answer.substr(0, 1));
    const std::string text =
        single_spaces(with_spaces(answer, {"\n", "\"", "'", ".", ",", "?", "!", "{", "}"}));
    bool found = false;
    const std::string rest =
        behind(text, {"answer is:", "answer:", "answer is", "option is"}, found);
    if (found) {
        return std::any_of(label.begin(), label.end(), [&](const std::string& each) {
            return !rest.empty() && rest.starts_with(each);
        });
    }
    for (const std::u32string& word : words_of(text)) {
        std::string plain;
        for (const char32_t c : word) plain += c < 0x80 ? static_cast<char>(c) : '?';
        if (is_option(plain)) return among(plain);
    }
    return false;
}

bool right_math(std::string_view answer, const Json& label) {
    const size_t begin = answer.find_first_of("0123456789");
    if (begin == answer.npos) return false;
    size_t end = answer.find_first_not_of("0123456789", begin);
    end = std::min(end, answer.size());
    bool whole = true;
    if (end + 1 < answer.size() && answer[end] == '.' && answer[end + 1] >= '0' &&
        answer[end + 1] <= '9') {
        whole = false;
        end = std::min(answer.find_first_not_of("0123456789", end + 1), answer.size());
    }
    const std::string number(answer.substr(begin, end - begin));
    if (label.is_number_integer() && !whole) return false;
    return std::strtod(number.c_str(), nullptr) == label.get<double>();
}

double intermediate_share(std::string_view answer, const Json& label) {
    const auto numbers = numbers_of(answer);
    size_t right = 0;
    while (right < label.size() && right < numbers.size() && label[right].is_number() &&
           std::strtod(numbers[right].c_str(), nullptr) == label[right].get<double>()) {
        ++right;
    }
    return static_cast<double>(right) / static_cast<double>(label.size());
}

// Without white space and punctuation, ASCII's or Chinese, in lower case.
std::u32string chinese_form(std::string_view text) {
    static const std::u32string punctuation = code_points(
        "！？｡。＂＃＄％＆＇（）＊＋，－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､、〃》「」『』【】"
        "〔〕〖〗"
        "〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏.");
    std::u32string out;
    for (const char32_t c : python_lower(text)) {
        const bool ascii = (c >= 0x21 && c <= 0x2f) || (c >= 0x3a && c <= 0x40) ||
                           (c >= 0x5b && c <= 0x60) || (c >= 0x7b && c <= 0x7e);
        if (!ascii && !python_space(c) && punctuation.find(c) == punctuation.npos) out += c;
    }
    return out;
}

double character_f1(std::string_view prediction, std::string_view reference) {
    const std::u32string said = chinese_form(prediction), right = chinese_form(reference);
    std::map<char32_t, size_t> left;
    for (const char32_t c : right) ++left[c];
    size_t common = 0;
    for (const char32_t c : said) {
        const auto found = left.find(c);
        if (found == left.end() || found->second == 0) continue;
        --found->second;
        ++common;
    }
    if (common == 0) return 0;
    const double precision = static_cast<double>(common) / static_cast<double>(said.size());
    const double recall = static_cast<double>(common) / static_cast<double>(right.size());
    return 2 * precision * recall / (precision + recall);
}

// ---- rougeLsum

using RougeWords = std::vector<std::string>;

std::vector<RougeWords> lines_of(std::string_view text) {
    std::vector<RougeWords> lines;
    for (size_t at = 0; at <= text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        // The mark of a letter beyond ASCII divides words, as every other sign does.
        RougeWords words;
        bool inside = false;
        for (const char32_t c : python_lower(text.substr(at, end - at))) {
            const bool letter = (c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9');
            if (letter && !inside) words.emplace_back();
            if (letter) words.back() += static_cast<char>(c);
            inside = letter;
        }
        if (end > at) lines.push_back(std::move(words));
        at = end + 1;
    }
    return lines;
}

// Marks the words of `reference` that one longest common subsequence with `other` uses.
void mark_common(const RougeWords& reference, const RougeWords& other, std::vector<bool>& used) {
    const size_t n = reference.size(), m = other.size(), width = m + 1;
    std::vector<uint32_t> length((n + 1) * width, 0);
    for (size_t i = 1; i <= n; ++i) {
        for (size_t j = 1; j <= m; ++j) {
            length[i * width + j] =
                reference[i - 1] == other[j - 1]
                    ? length[(i - 1) * width + j - 1] + 1
                    : std::max(length[(i - 1) * width + j], length[i * width + j - 1]);
        }
    }
    for (size_t i = n, j = m; i > 0 && j > 0;) {
        if (reference[i - 1] == other[j - 1]) {
            used[--i] = true;
            --j;
        } else if (length[i * width + j - 1] > length[(i - 1) * width + j]) {
            --j;
        } else {
            --i;
        }
    }
}

}  // namespace

double rouge_lsum(std::string_view prediction, std::string_view reference) {
    const std::vector<RougeWords> said = lines_of(prediction), right = lines_of(reference);
    std::map<std::string, size_t> left_said, left_right;
    size_t n_said = 0, n_right = 0, hits = 0;
    for (const RougeWords& line : said) {
        for (const std::string& word : line) ++left_said[word], ++n_said;
    }
    for (const RougeWords& line : right) {
        for (const std::string& word : line) ++left_right[word], ++n_right;
    }
    if (n_said == 0 || n_right == 0) return 0;
    for (const RougeWords& line : right) {
        std::vector<bool> used(line.size(), false);
        for (const RougeWords& other : said) mark_common(line, other, used);
        for (size_t i = 0; i < line.size(); ++i) {
            if (!used[i] || left_said[line[i]] == 0 || left_right[line[i]] == 0) continue;
            --left_said[line[i]];
            --left_right[line[i]];
            ++hits;
        }
    }
    const double recall = static_cast<double>(hits) / static_cast<double>(n_right);
    const double precision = static_cast<double>(hits) / static_cast<double>(n_said);
    return hits == 0 ? 0 : 2 * precision * recall / (precision + recall);
}

bool is_infinite_task(std::string_view task) {
    return std::find(kTasks12.begin(), kTasks12.end(), task) != kTasks12.end();
}

Result<double> infinite_score(std::string_view task, std::string_view answer, const Json& label) {
    const std::string text(answer);
    if (task == "math_find") {
        const Json& number = label.is_array() && label.size() == 1 ? label[0] : label;
        if (!number.is_number()) return bad_label("is no number");
        return right_math(answer, number) ? 1.0 : 0.0;
    }
    if (task == "math_calc") {
        const bool numbers =
            label.is_array() && !label.empty() &&
            std::all_of(label.begin(), label.end(), [](const Json& n) { return n.is_number(); });
        if (!numbers) return bad_label("is no list of numbers");
        return intermediate_share(answer, label);
    }
    const std::vector<std::string> texts = texts_of(label);
    if (const std::string fault = label_fault(task, texts); !fault.empty()) {
        return bad_label(fault);
    }
    const auto best = [&](double (*score)(std::string_view, std::string_view)) {
        double most = 0;
        for (const std::string& each : texts) most = std::max(most, score(answer, each));
        return most;
    };
    if (task == "longbook_qa_eng") return best(qa_f1);
    if (task == "longbook_qa_chn") return best(character_f1);
    if (task == "longbook_sum_eng") return best(rouge_lsum);
    bool right = false;
    if (task == "kv_retrieval") right = names_word(text, texts[0], false);
    if (task == "longdialogue_qa_eng") right = names_word(text, texts[0], true);
    if (task == "passkey" || task == "number_string") right = first_number_is(answer, texts[0]);
    if (task == "code_run") right = last_number_is(text, texts[0]);
    if (task == "code_debug") right = right_debug(text, texts);
    if (task == "longbook_choice_eng") right = right_choice(text, texts);
    return right ? 1.0 : 0.0;
}

}  // namespace s3attn::eval

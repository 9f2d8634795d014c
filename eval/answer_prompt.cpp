#include "eval/answer_prompt.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/utf8.h"

namespace s3attn::eval {
namespace {

constexpr std::array kDeclining{
    "unanswerable",     "not possible",   "is unknown",           "not mention",
    "no mention",       "no information", "not provide",          "not specified",
    "not stated",       "not given",      "cannot be answered",   "can't be answered",
    "cannot answer",    "can't answer",   "cannot be determined", "not enough information",
    "do not know",      "don't know",     "does not say",         "do not say",
    "does not contain", "do not contain"};

// Begin and end of the text that `half` tokens from either end cover, moved inwards to whole
// characters.
std::string without_middle(const std::string& text, const Tokens& tokens, size_t head,
                           size_t tail) {
    uint64_t head_end = tokens.begin[head];
    while (head_end > 0 && head_end < text.size() && utf8_continues(text[head_end])) --head_end;
    uint64_t tail_begin = tokens.begin[tokens.ids.size() - tail];
    while (tail_begin < text.size() && utf8_continues(text[tail_begin])) ++tail_begin;
    return text.substr(0, head_end) + text.substr(tail_begin);
}

}  // namespace

std::string fill_template(std::string_view prompt_template, std::string_view context,
                          std::string_view input) {
    std::string out;
    out.reserve(prompt_template.size() + context.size() + input.size());
    while (!prompt_template.empty()) {
        if (prompt_template.starts_with("{context}")) {
            out += context;
            prompt_template.remove_prefix(9);
        } else if (prompt_template.starts_with("{input}")) {
            out += input;
            prompt_template.remove_prefix(7);
        } else {
            out += prompt_template.front();
            prompt_template.remove_prefix(1);
        }
    }
    return out;
}

std::string passages_text(const Collection& collection, std::vector<Passage> passages, bool lines) {
    std::sort(passages.begin(), passages.end(), [](const Passage& a, const Passage& b) {
        return std::tie(a.document, a.begin, a.end) < std::tie(b.document, b.begin, b.end);
    });
    std::string out;
    size_t document = 0;
    uint64_t end = 0;  // of what is out already, in `document`
    for (const Passage& passage : passages) {
        const std::string& text = collection.documents[passage.document];
        const uint64_t last = std::min<uint64_t>(passage.end, text.size());
        uint64_t begin = passage.begin;
        const bool same = !out.empty() && passage.document == document;
        if (same) begin = std::max(begin, end);
        if (begin >= last) continue;
        if (!out.empty()) {
            const std::string_view gap =
                same ? std::string_view(text).substr(end, begin - end) : std::string_view("x");
            const bool adjacent = gap.find_first_not_of(" \t\r\n") == gap.npos;
            out += adjacent ? gap : std::string_view(lines ? "\n" : "\n\n");
        }
        out += std::string_view(text).substr(begin, last - begin);
        document = passage.document;
        end = last;
    }
    return out;
}

Result<FittedPrompt> fit_prompt(std::string text, bool chat, uint32_t limit,
                                const Tokenizer& tokenizer, const CountPrompt& count) {
    FittedPrompt fitted;
    fitted.prompt = {std::move(text), chat};
    S3ATTN_TRY(fitted.tokens, count(fitted.prompt));
    fitted.whole_tokens = fitted.tokens;
    if (fitted.tokens <= limit) return fitted;
    fitted.truncated = true;
    const std::string whole = std::move(fitted.prompt.text);
    S3ATTN_TRY(const Tokens tokens, tokenizer.tokenize(whole));
    const size_t n = tokens.ids.size();
    const size_t around = fitted.tokens > n ? fitted.tokens - n : 0;  // the chat template
    // Where the two halves meet the tokens may come out otherwise: then a little less is kept.
    for (size_t slack = 0; slack < 64; slack += 4) {
        if (limit < around + slack + 2) break;
        const size_t half = std::min(limit - around - slack, n) / 2;
        fitted.prompt = {without_middle(whole, tokens, half, half), chat};
        S3ATTN_TRY(fitted.tokens, count(fitted.prompt));
        if (fitted.tokens <= limit) return fitted;
    }
    return make_error(ErrorCode::kInvalidArgument,
                      "a prompt of " + std::to_string(fitted.whole_tokens) +
                          " tokens cannot be cut to " + std::to_string(limit) +
                          ": use a larger --reader-context");
}

bool declines(std::string_view answer) {
    std::string lower;
    for (const char c : answer) {
        lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    if (lower.find_first_not_of(" \t\r\n") == std::string::npos) return true;
    return std::any_of(kDeclining.begin(), kDeclining.end(),
                       [&](const char* phrase) { return lower.find(phrase) != std::string::npos; });
}

bool contains_answer(std::string_view text, const std::vector<std::string>& answers) {
    const auto words = cut_words(text);
    return std::any_of(answers.begin(), answers.end(), [&](const std::string& answer) {
        const auto wanted = cut_words(answer);
        return !wanted.empty() &&
               std::search(words.begin(), words.end(), wanted.begin(), wanted.end()) != words.end();
    });
}

}  // namespace s3attn::eval

#include "train/question_writer.h"

#include <unicode/uloc.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>

#include "text/languages.h"
#include "train/corpus.h"

namespace s3attn {
namespace {

constexpr size_t kEnglishEvery = 3;

// "German"; empty where the text does not say what it is.
std::string language_name(const std::string& text) {
    const std::string code = text::detect_language(text);
    if (code.empty()) return {};
    std::array<UChar, 64> name{};
    UErrorCode status = U_ZERO_ERROR;
    const int32_t length = uloc_getDisplayLanguage(code.c_str(), "en", name.data(),
                                                   static_cast<int32_t>(name.size()), &status);
    if (U_FAILURE(status)) return {};
    std::string utf8;
    icu::UnicodeString(name.data(), length).toUTF8String(utf8);
    return utf8;
}

// Where the first question mark of any script ends; npos without one.
size_t end_of_question(std::string_view text) {
    size_t end = std::string_view::npos;
    // Latin, full-width, Arabic, and Greek as Unicode once had it.
    for (const std::string_view mark : {"?", "\uFF1F", "\u061F", "\u037E"}) {
        const size_t at = text.find(mark);
        if (at != std::string_view::npos) end = std::min(end, at + mark.size());
    }
    return end;
}

}  // namespace

std::vector<QuestionTask> question_tasks(std::span<const std::string> paragraphs) {
    std::vector<QuestionTask> tasks;
    size_t foreign = 0;
    for (const std::string& paragraph : paragraphs) {
        const std::string language = text::detect_language(paragraph);
        const bool english = language.empty() || language == "en";
        tasks.push_back({paragraph, !english && ++foreign % kEnglishEvery == 0});
    }
    return tasks;
}

std::string question_prompt(const QuestionTask& task) {
    std::string language = task.in_english ? "English" : language_name(task.paragraph);
    if (!language.empty()) language = " in " + language;
    return "Write one short question" + language +
           " that the following text answers. Name the people and things "
           "it is about. Reply with the question only.\n\nText: " +
           task.paragraph;
}

std::string question_in(const std::string& reply) {
    const size_t end = end_of_question(reply);
    if (end == std::string::npos) return {};
    size_t begin = reply.rfind('\n', end - 1);
    begin = begin == std::string::npos ? 0 : begin + 1;
    begin = std::min(reply.find_first_not_of(" \t\"*-#.0123456789", begin), end);
    std::string question = reply.substr(begin, end - begin);
    if (question.starts_with("Question: ")) question.erase(0, 10);
    return count_words(question) < 4 ? std::string() : question;
}

}  // namespace s3attn

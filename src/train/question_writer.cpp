#include "train/question_writer.h"

#include <string_view>

#include "train/corpus.h"

namespace s3attn {

std::string question_prompt(const std::string& paragraph) {
    return "Write one short question that the following text answers. Name the people and things "
           "it is about. Reply with the question only.\n\nText: " +
           paragraph;
}

std::string question_in(const std::string& reply) {
    // The mark of the language that the text is in.
    size_t end = std::string::npos, length = 0;
    for (const std::string_view mark : {"?", "\xEF\xBC\x9F", "\xD8\x9F"}) {
        const size_t at = reply.find(mark);
        if (at < end) end = at, length = mark.size();
    }
    if (end == std::string::npos) return {};
    size_t begin = reply.rfind('\n', end);
    begin = begin == std::string::npos ? 0 : begin + 1;
    begin = std::min(reply.find_first_not_of(" \t\"*-#.0123456789", begin), end);
    std::string question = reply.substr(begin, end + length - begin);
    if (question.starts_with("Question: ")) question.erase(0, 10);
    return count_words(question) < 4 ? std::string() : question;
}

}  // namespace s3attn

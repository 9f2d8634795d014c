#include "train/question_writer.h"

#include "train/corpus.h"

namespace s3attn {

std::string question_prompt(const std::string& paragraph) {
    return "Write one short question that the following text answers. Name the people and things "
           "it is about. Reply with the question only.\n\nText: " +
           paragraph;
}

std::string question_in(const std::string& reply) {
    const size_t end = reply.find('?');
    if (end == std::string::npos) return {};
    size_t begin = reply.rfind('\n', end);
    begin = begin == std::string::npos ? 0 : begin + 1;
    begin = std::min(reply.find_first_not_of(" \t\"*-#.0123456789", begin), end);
    std::string question = reply.substr(begin, end + 1 - begin);
    if (question.starts_with("Question: ")) question.erase(0, 10);
    return count_words(question) < 4 ? std::string() : question;
}

}  // namespace s3attn

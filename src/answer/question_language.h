// In which language a question is asked, and what is said to the reader and to the person in it.
#pragma once

#include <string>
#include <string_view>

namespace s3attn {

struct Phrases {
    std::string_view language;     // ISO 639
    std::string_view evidence;     // in front of the passages
    std::string_view question;     // in front of the question
    std::string_view instruction;  // behind it
    std::string_view no_evidence;  // the answer when there is none
};

// ISO 639 code; "en" where a question does not say what it is: one word of a name, say.
std::string question_language(std::string_view question);
// Those of the question's language; English ones for a language without phrases.
const Phrases& phrases_for(std::string_view question);

}  // namespace s3attn

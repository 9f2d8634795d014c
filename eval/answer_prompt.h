// From a question and the text it is to be answered from to the reader's prompt.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/answer_tasks.h"
#include "model/reader.h"
#include "s3attn/types.h"

namespace s3attn::eval {

// str.format with {context} and {input}: filled in one pass, so braces in a context stay.
std::string fill_template(std::string_view prompt_template, std::string_view context,
                          std::string_view input);

// A piece of document `document`: bytes [begin, end).
struct Passage {
    size_t document = 0;
    uint64_t begin = 0, end = 0;
};
// The passages' text in the order of the documents. Neighbours with nothing but white space between
// them keep it; others are set apart by an empty line (`lines`: by a newline). Overlaps are taken
// once.
std::string passages_text(const Collection& collection, std::vector<Passage> passages, bool lines);

struct FittedPrompt {
    ReaderPrompt prompt;
    uint32_t tokens = 0;        // of the prompt as it is read
    uint32_t whole_tokens = 0;  // before it was cut
    bool truncated = false;
};
using CountPrompt = std::function<Result<uint32_t>(const ReaderPrompt&)>;

// As LongBench does it: a prompt of more than `limit` tokens loses its middle, and as many tokens
// are kept of its begin as of its end. A limit that is too small for that is kInvalidArgument.
Result<FittedPrompt> fit_prompt(std::string text, bool chat, uint32_t limit,
                                const Tokenizer& tokenizer, const CountPrompt& count);

// Whether an answer says that there is none: "unanswerable", "not mentioned", ...
// (docs/evaluation.md lists the phrases), or nothing at all.
bool declines(std::string_view answer);

// Whether one of the answers stands in the text, both normalised as for F1.
bool contains_answer(std::string_view text, const std::vector<std::string>& answers);

}  // namespace s3attn::eval

// From evidence to an answer: prompt, generation, citations.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "answer/reader_class.h"
#include "s3attn/reader.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

// The answer when nothing above the evidence floor was found; the reader is not asked then.
// In the language of the question, where there is a sentence for it.
std::string_view no_evidence_answer(std::string_view question);
// The answer where something was found that does not seem to answer (answerable.h); the reader is
// not asked then either.
inline constexpr std::string_view kWithheldAnswer =
    "What was found does not seem to answer this question; it is shown below.";
// The answer when the reader ended its turn without a word.
inline constexpr std::string_view kEmptyAnswer =
    "The reader gave no answer; the evidence below is what was found.";

// Evidence numbered [1] .. [n] in *original* document order; the number of span i (rank order) is
// numbers[i]. Which order it stands in, and what the reader is told, depends on the reader's size
// (reader_class.h, docs/answers.md).
struct Prompt {
    std::vector<ChatTurn> messages;
    std::vector<uint32_t> numbers;  // span index -> shown number
};
// What a reader reads of a span: the headings above it, the columns of its table, its text.
std::string read_as(const Span& span);
// The shown number of each span.
std::vector<uint32_t> document_order(const std::vector<Span>& spans);
Prompt build_prompt(const std::string& question, const std::vector<Span>& spans,
                    const ReaderClass& reader);

// Streams the answer. Citation marks "[n]" whose n does not exist are removed from the answer and
// from the stream; citations come from the evidence that supports the answer's words (lexical
// overlap with the answer), never from the model's marks alone.
Result<AskResult> generate_answer(Reader& reader, SearchResult search, const AskOptions& options,
                                  const std::function<bool(std::string_view)>& on_piece);

// The spans an answer rests on: best first, by the answer's content words they hold, words that are
// rare among the spans counting more and words of the question a quarter. At least one when any
// span shares a content word with the answer, none otherwise, at most kMaxCitations.
inline constexpr size_t kMaxCitations = 3;
std::vector<Citation> cite(const std::string& answer, const std::string& question,
                           const std::vector<Span>& spans, const std::vector<uint32_t>& numbers);

}  // namespace s3attn

#include "answer/answer.h"

#include <algorithm>
#include <utility>

#include "answer/answer_end.h"
#include "answer/answerable.h"
#include "answer/history.h"
#include "answer/loop_guard.h"
#include "answer/mark_filter.h"
#include "answer/support.h"
#include "base/timing.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

// An answer that is said, not generated.
AskResult fixed_answer(SearchResult search, std::string_view text, double ms,
                       const std::function<bool(std::string_view)>& on_piece) {
    AskResult result;
    result.search = std::move(search);
    result.answer = text;
    result.ttft_ms = ms;
    if (on_piece) on_piece(result.answer);
    return result;
}

// No tokenizer makes more tokens of a text than it has bytes, nor a template more of a turn.
constexpr uint64_t kMostTurnTokens = 64;

// Whether it fits by its bytes alone. Counting takes milliseconds, which only a reader that reads
// the prompt elsewhere notices.
bool fits_surely(const Reader& reader, const Prompt& prompt, const AskOptions& options) {
    if (reader.info().has_weights) return false;
    uint64_t most = options.max_answer_tokens;
    for (const ChatTurn& turn : prompt.messages) most += turn.text.size() + kMostTurnTokens;
    return most < reader.info().window_tokens;
}

Status check_window(const Reader& reader, const Prompt& prompt, const AskOptions& options) {
    if (fits_surely(reader, prompt, options)) return {};
    S3ATTN_TRY(const uint32_t tokens, reader.count_chat(prompt.messages));
    const uint32_t window = reader.info().window_tokens;
    const uint64_t need = with_margin(reader, tokens);
    if (need < window && window - need >= std::min(options.max_answer_tokens, 16u)) return {};
    return make_error(ErrorCode::kInvalidArgument, reason::kBudgetLarge, "budget",
                      "question and evidence take " + std::to_string(tokens) +
                          " tokens and the reader's window holds " + std::to_string(window) +
                          ": take a smaller budget (now " +
                          std::to_string(options.search.budget_tokens) +
                          "), a shorter question, or a reader with a larger window");
}

struct Asking {
    Prompt prompt;
    uint32_t left_out = 0;  // turns of the history
};

Result<Asking> lay_out(const Reader& reader, const SearchResult& search,
                       const ReaderClass& reader_class, const AskOptions& options) {
    Asking asking;
    asking.prompt = build_prompt(search.question, search.spans, reader_class);
    S3ATTN_TRY(asking.left_out, add_history(reader, options, asking.prompt.messages));
    S3ATTN_CHECK(check_window(reader, asking.prompt, options));
    return asking;
}

// Marks the model wrote itself and that exist, behind those found by word overlap.
void add_marked(const std::vector<uint32_t>& marked, const std::vector<uint32_t>& numbers,
                std::vector<Citation>& citations) {
    for (const uint32_t number : marked) {
        const bool known = std::any_of(citations.begin(), citations.end(),
                                       [&](const Citation& c) { return c.number == number; });
        const auto span = std::find(numbers.begin(), numbers.end(), number);
        if (known || span == numbers.end()) continue;
        citations.push_back({number, static_cast<size_t>(span - numbers.begin())});
    }
}

}  // namespace

Result<AskResult> generate_answer(Reader& reader, SearchResult search, const AskOptions& asked,
                                  const std::function<bool(std::string_view)>& on_piece) {
    const Stopwatch watch;
    if (!search.evidence_found || search.spans.empty()) {
        const std::string_view said = no_evidence_answer(search.question);
        AskResult none = fixed_answer(std::move(search), said, watch.milliseconds(), on_piece);
        none.answerable = 0;
        return none;
    }
    const ReaderClass& reader_class = class_of(reader.info());
    const double chance = answerable(search);
    const double point =
        asked.withhold_below < 0 ? reader_class.withhold_below : asked.withhold_below;
    if (chance < point) {
        AskResult withheld =
            fixed_answer(std::move(search), kWithheldAnswer, watch.milliseconds(), on_piece);
        withheld.withheld = true;
        withheld.answerable = chance;
        withheld.withhold_below = point;
        withheld.numbers = document_order(withheld.search.spans);
        return withheld;
    }
    AskOptions options = asked;
    // Who names a length wants that much; else an answer ends when it has answered.
    uint32_t most_sentences = 0;
    if (options.max_answer_tokens == 0) {
        options.max_answer_tokens = reader_class.max_answer_tokens;
        most_sentences = asks_for_fact(search.question) ? reader_class.fact_sentences
                                                        : reader_class.most_sentences;
    }
    S3ATTN_TRY(Asking asking, lay_out(reader, search, reader_class, options));

    AskResult result;
    MarkFilter filter(static_cast<uint32_t>(search.spans.size()));
    LoopGuard guard;
    AnswerEnd end(most_sentences);
    bool wanted = true;  // false once the caller has had enough
    const auto show = [&](const std::string& filtered) {
        const std::string text = end.feed(filtered);
        if (text.empty() || !wanted) return wanted;
        result.answer += text;
        if (on_piece) wanted = on_piece(text);
        return wanted;
    };
    GenerateOptions generate;
    generate.max_tokens = options.max_answer_tokens;
    generate.temperature = options.temperature;
    generate.seed = options.seed;
    generate.cancel = options.cancel;
    const auto on_generated = [&](std::string_view piece) {
        return show(filter.feed(guard.feed(piece))) && !guard.looping() && !end.ended();
    };
    auto answered = reader.chat(asking.prompt.messages, generate, on_generated);
    // A server's window may be smaller than it is taken for: it is asked again with less.
    const size_t found = search.spans.size();
    while (!answered.ok() && answered.error().reason == reason::kBudgetLarge &&
           search.spans.size() > 1 && result.answer.empty()) {
        search.spans.resize(search.spans.size() / 2);
        S3ATTN_TRY(asking, lay_out(reader, search, reader_class, options));
        answered = reader.chat(asking.prompt.messages, generate, on_generated);
    }
    if (!answered.ok()) return answered.error();
    GenerateResult generated = std::move(*answered);
    if (search.spans.size() < found) {
        generated.notes.push_back(
            "the reader's window holds less than the budget: it saw the best " +
            std::to_string(search.spans.size()) + " of " + std::to_string(found) + " passages");
        search.quote.found &= search.quote.span_index < search.spans.size();
    }
    show(filter.feed(guard.finish()));
    show(filter.finish());
    if (result.answer.empty()) show(std::string(kEmptyAnswer));

    result.citations = cite(result.answer, search.question, search.spans, asking.prompt.numbers);
    result.sentences =
        support_sentences(result.answer, search.question, search.spans, asking.prompt.numbers);
    result.unfounded = unfounded_words(result.answer, search.question, search.spans);
    add_marked(filter.numbers(), asking.prompt.numbers, result.citations);
    result.numbers = asking.prompt.numbers;
    result.prompt_tokens = generated.prompt_tokens;
    result.answer_tokens = generated.generated_tokens;
    result.stopped_at_limit = generated.stopped_at_limit() && !end.ended();
    result.cut = guard.looping() || end.repeated() ? "repetition"
                 : end.ended()                     ? "sentences"
                 : result.stopped_at_limit         ? "tokens"
                                                   : "";
    result.answerable = chance;
    result.withhold_below = point;
    result.reader = reader.info().name;
    result.reader_kind = reader.info().kind;
    result.notes = generated.notes;
    result.cancelled = !wanted || (options.cancel != nullptr && options.cancel->cancelled());
    result.history_left_out = asking.left_out;
    result.ttft_ms = generated.first_token_ms;
    result.timings_ms["first_token"] = generated.first_token_ms;
    result.timings_ms["generate"] = generated.total_ms;
    result.search = std::move(search);
    return result;
}

}  // namespace s3attn

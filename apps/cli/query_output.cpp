#include "query_output.h"

#include <cstdio>
#include <string>

#include "output.h"

namespace s3attn::cli {

void print_explain(const SearchResult& result) {
    for (const std::string& line : apps::explain_lines(result)) {
        std::fprintf(stderr, "%s\n", line.c_str());
    }
    if (result.rerank.links.empty()) return;  // they come with --explain
    std::fprintf(stderr, "%s\n", dump(rerank_line(result.rerank), -1).c_str());
}

void print_rerank(const RerankReport& rerank) {
    if (rerank.done) {
        std::printf("%u units read again in context by %s: %u tokens, %.0f ms on the %s\n",
                    rerank.units, rerank.model.c_str(), rerank.tokens, rerank.milliseconds,
                    rerank.on_device ? "device" : "processor");
        if (rerank.left_out > 0) {
            std::printf("%u more did not fit its window and keep their places behind them\n",
                        rerank.left_out);
        }
    } else if (!rerank.model.empty()) {
        std::printf("not read again in context (--rerank, --rerank-seconds): %s\n",
                    rerank.why.c_str());
    }
}

void note_passed_over(const SearchResult& result) {
    if (result.passed_over == 0) return;
    std::fprintf(stderr,
                 "note: the budget of %u tokens does not hold what ranks first: %u better %s left "
                 "out, the best needs %u tokens (--budget)\n",
                 result.budget_tokens, result.passed_over,
                 result.passed_over == 1 ? "passage was" : "passages were",
                 result.passed_over_tokens);
}

void print_notes(const SearchResult& result) {
    for (const std::string& note : result.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
}

void print_search(const SearchResult& result) {
    if (!result.evidence_found) {
        std::printf("No unit reaches the evidence floor (%.3f < %.3f); the nearest ones:\n\n",
                    result.evidence_score, result.evidence_floor);
    }
    print_spans(result, {});
    const auto total = result.timings_ms.find("total");
    std::printf("%zu spans, %u of %u tokens, %.0f ms\n", result.spans.size(), result.used_tokens,
                result.budget_tokens, total == result.timings_ms.end() ? 0.0 : total->second);
    print_rerank(result.rerank);
    note_passed_over(result);
    print_notes(result);
}

void print_quote(const SearchResult& result) {
    const Quote& quote = result.quote;
    if (!quote.found) return;
    Span place = result.spans[quote.span_index];
    place.byte_begin = quote.byte_begin;
    place.byte_end = quote.byte_end;
    place.line_begin = quote.line_begin;
    place.line_end = quote.line_end;
    std::printf("%s\n    %s\n\n", quoted(quote.text).c_str(), location(place).c_str());
    std::fflush(stdout);
}

void note_cut(const AskResult& result) {
    if (result.cut == "tokens") {
        std::fprintf(stderr, "note: the answer was cut at %u tokens (--max-answer)\n",
                     result.answer_tokens);
    } else if (result.cut == "sentences") {
        std::fprintf(stderr,
                     "note: the answer was cut: a small reader's further sentences are seldom "
                     "about the question\n");
    } else if (result.cut == "repetition") {
        std::fprintf(stderr, "note: the answer was cut where it began to repeat itself\n");
    }
    std::string words;
    for (const UnfoundedWord& word : result.unfounded) {
        words += (words.empty() ? "" : ", ") + word.text;
    }
    if (!words.empty()) {
        std::printf("Not in the evidence: %s\n", words.c_str());
    }
    for (const AnswerSentence& sentence : result.sentences) {
        if (sentence.supported) continue;
        std::printf("Not supported by the evidence: %s\n",
                    result.answer.substr(sentence.begin, sentence.end - sentence.begin).c_str());
    }
    for (const std::string& note : result.notes) std::fprintf(stderr, "note: %s\n", note.c_str());
}

void print_citations(const AskResult& result) {
    if (result.citations.empty()) return;
    std::printf("\nThe answer rests on:\n");
    for (const Citation& citation : result.citations) {
        std::printf("  [%u] %s\n", citation.number,
                    location(result.search.spans[citation.span_index]).c_str());
    }
}

}  // namespace s3attn::cli

// The vocabulary of the public interface: documents, spans of evidence, questions and their answers
// (s3attn/index_report.h: what reading documents reports).
// All byte offsets are 0-based, half-open [begin, end); lines and pages are 1-based.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/filter.h"
#include "s3attn/ids.h"
#include "s3attn/progress.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

// Where models run. kAuto: on a CUDA device where this build and the machine have one, else on the
// CPU; in a build without CUDA, wherever the llama.cpp in use puts them.
enum class Device { kAuto, kCpu, kCuda };

// What byte offsets of a document count in.
enum class OffsetSpace {
    kSource,     // bytes of the source file (plain text, Markdown)
    kExtracted,  // bytes of the UTF-8 text extracted from it (HTML, PDF, DOCX, EPUB);
                 // Store::read_text() gives that text
};
constexpr const char* to_string(OffsetSpace space) {
    return space == OffsetSpace::kSource ? "source" : "extracted";
}

struct DocumentInfo {
    DocumentId doc_id;  // stable for the life of the store
    std::string path;   // as the caller named it first ("-" for standard input)
    // Which file it is: its canonical path, "uploads/NAME" in the store's own folder, or empty
    // (standard input; stores of older programs). Two names of one file are one document.
    std::string source;
    std::string format;    // "text", "markdown", "html", "pdf", "docx", "epub"
    std::string encoding;  // of the source, e.g. "UTF-8", "ISO-8859-1"
    OffsetSpace offsets = OffsetSpace::kSource;
    uint64_t source_bytes = 0;
    std::string source_hash;  // XXH3-128, hex
    uint64_t tokens = 0;      // scanned so far
    uint64_t units = 0;
    bool complete = true;    // false: an interrupted `index` left it partly scanned
    std::string indexed_at;  // ISO 8601, UTC
    std::string title;       // as the document gives it; empty: it has none
    // ISO 8601, from the day on: the document's own date (front matter, a mail's, a PDF's), else
    // the file's when it was indexed; empty where there is neither.
    std::string date;
    bool date_of_file = false;
    // What it says about itself, keys in lower case: "author", "subject", front matter.
    std::map<std::string, std::string> properties = {};
    // False: indexed by a program that kept no headings, titles and dates; indexing it again, as
    // it stands, adds them.
    bool described = true;
    bool missing = false;  // in a list of documents: its file is not there any more
};

struct VoiceScore {
    std::string voice;
    double score = 0;
};
// 0 where the list does not have that voice.
inline double score_of(const std::vector<VoiceScore>& scores, std::string_view voice) {
    for (const VoiceScore& each : scores) {
        if (each.voice == voice) return each.score;
    }
    return 0;
}

// One piece of evidence: a whole unit (a paragraph, or a block of sentences) of one document.
struct Span {
    UnitId unit_id;
    DocumentId doc_id;
    std::string path;
    OffsetSpace offsets = OffsetSpace::kSource;
    uint64_t byte_begin = 0;
    uint64_t byte_end = 0;
    uint32_t line_begin = 0;  // 0 where the document has pages
    uint32_t line_end = 0;
    uint32_t page = 0;  // 0 where the document has lines
    // Where it stands: the document's title and the headings above it, "Title > Chapter > Section".
    std::string heading;
    std::string columns;  // names of the columns of the table that its rows are of, "City | Year"
    uint64_t time_begin_ms = 0, time_end_ms = 0;  // of subtitles: when it is spoken; else both 0
    std::string text;  // UTF-8; the source bytes where offsets == kSource and the source is UTF-8
    double score = 0;  // what the ranking used
    // What each voice of the method said: "s3", the unit's share of all attention; "bm25", how many
    // of the question's words it shares. 0 where a voice says nothing of the unit.
    std::vector<VoiceScore> scores;
    uint32_t tokens = 0;  // as the budget counts: in ask() the reader's, in search() the scanner's
    // 0 when the method did not ask that voice.
    double score_of(std::string_view voice) const { return s3attn::score_of(scores, voice); }
};

enum class Scoring {
    kAttention,  // docs/retrieval.md: asymmetric weights, softmax over units (default)
    kEq7,        // S3-Attention, arXiv 2601.17702, Eq. 7: co-activation with the paper's IDF
    kEq7NoIdf,   // the same without it: every shared feature counts alike (a control)
};

// What a further round of retrieval asks with.
enum class RoundQuery {
    kAppend,    // the question and the text of the best unit
    kEvidence,  // the text of the best unit alone: its own queries
    kContext,   // the question as the model reads it behind the five best units
};

// The second stage: the first units of a ranking read again, all in one context with the question
// behind them (docs/retrieval.md).
struct RerankOptions {
    enum class Mode {
        kAuto,  // when its model has context heads, and it runs on a device or takes few seconds
        kOff,
        kOn,  // kNotFound when its model has no context heads
    } mode = Mode::kAuto;
    uint32_t units = 20;
    double seconds = 2;  // kAuto: most time on a processor, estimated
};
struct RerankReport {
    bool done = false;
    std::string why;    // not done: the reason
    std::string model;  // that reads
    bool on_device = false;
    uint32_t units = 0;     // read again
    uint32_t left_out = 0;  // of those wanted, what the model's window did not hold
    uint32_t tokens = 0;    // of the context
    double milliseconds = 0;
    struct UnitShare {
        UnitId unit_id;
        double share = 0;          // of the question's attention to any of these units
        uint32_t first_place = 0;  // 0-based, before the second stage
    };
    std::vector<UnitShare> attention;  // in the new order
    // With SearchOptions::explain or attention: which question token looked where, the largest
    // first.
    struct Link {
        uint32_t question_token = 0;
        UnitId unit_id;
        std::string text;                       // of the token that was looked at
        uint64_t byte_begin = 0, byte_end = 0;  // in the unit's text
        double attention = 0;                   // mean over the heads
    };
    std::vector<std::string> question_tokens;
    std::vector<Link> links;
};

struct SearchOptions {
    // Which voices are asked: "s3", the model's own attention; "bm25", shared words; "hybrid", both
    // as the adapter weighs them; "sum(s3:4,bm25:1)" and "rrf(s3,bm25)", both as told (a weighted
    // sum of scores, or of reciprocal ranks).
    std::string method = "hybrid";
    Scoring scoring = Scoring::kAttention;
    uint32_t budget_tokens = 1024;  // evidence, in tokens as Span::tokens counts them; > 0
    uint32_t max_spans = 0;         // 0: as many as the budget holds
    // Features read per question token and head, those that weigh most; 0: all. Fewer are faster
    // and find slightly less (docs/retrieval.md).
    uint32_t max_features = 0;
    // Rounds of retrieval: each after the first asks again with the best unit found so far, and the
    // scores are summed. 1: the question alone. docs/results.md says what it gains and costs.
    uint32_t rounds = 1;
    RoundQuery round_query = RoundQuery::kAppend;
    double round_weight = 0.5;  // of a further round's scores; the first round's count 1
    bool explain = false;       // fill SearchResult::explanation
    bool attention = false;     // fill SearchResult::attention
    // The second stage of this search; empty: as EngineOptions::rerank says.
    std::optional<RerankOptions> rerank = std::nullopt;
    bool quote = false;  // fill SearchResult::quote; ask() always does
    // Which documents may be found; empty: all. Scored as if the store held no others.
    DocumentFilter filter = {};  // kNotFound, reason::kFilterEmpty, where it leaves none
    std::function<bool(const DocumentInfo&)> documents = {};
    // Ends the search with kCancelled soon after it fires. Null: never.
    const CancelToken* cancel = nullptr;
};

// Where a question's attention fell: the picture of a whole document, and the reasons of each span.
struct UnitAttention {
    DocumentId doc_id;
    uint64_t byte_begin = 0, byte_end = 0;
    std::vector<VoiceScore> scores;  // as Span::scores; voices that say nothing of it are left out
    double score_of(std::string_view voice) const { return s3attn::score_of(scores, voice); }
};
struct AttentionHead {
    uint32_t layer = 0, query_head = 0;
};
// One question token, through one head, and the token of the span that it attends to most.
struct AttentionLink {
    uint32_t question_token = 0;            // into Attention::question_tokens
    uint32_t head = 0;                      // into Attention::heads
    uint64_t byte_begin = 0, byte_end = 0;  // in Span::text; equal: the line end behind it
    double cosine = 0;                      // between the query and the key as the index holds it
    double mass = 0;                        // what this adds to the score of "s3"
};
struct SpanAttention {
    double lexical_share = 0;  // of Span::score: what shared words (BM25) brought, 0 to 1
    std::vector<std::string> shared_words;  // stems that question and span have in common
    std::vector<AttentionLink> links;       // the 64 of largest mass, that first; all would add up
                                            // to the score of "s3"
    // Where the second stage ran: what this span got of the question's attention in context, and
    // which question token (into Attention::context_tokens) looked where, the largest first.
    double context_share = 0;
    std::vector<RerankReport::Link> context;
};
struct Attention {
    std::vector<std::string> question_tokens;
    std::vector<std::string> context_tokens;  // likewise, as the second stage's model cuts them
    std::vector<AttentionHead> heads;         // none where the method did not use them
    std::vector<UnitAttention> units;  // every unit of the store, in order of document and place
    std::vector<SpanAttention> spans;  // of SearchResult::spans, in that order
};

// What passed along each arrow of a search.
struct ExplainedFeature {
    uint32_t feature = 0;
    double weight = 0;
};
struct ExplainedToken {
    double share = 0;                        // of the question
    std::vector<ExplainedFeature> features;  // the five that weigh most
};
struct ExplainedHead {
    uint32_t layer = 0, query_head = 0, slot = 0;
    double temperature = 0, mixture = 0;
    std::vector<ExplainedToken> tokens;  // of the question
};
struct ExplainedUnit {
    UnitId unit_id;
    double score = 0;
    std::vector<VoiceScore> scores;
};
struct Explanation {
    std::vector<std::string> question_tokens;
    std::vector<ExplainedHead> heads;  // none where the method did not use them
    uint64_t candidates = 0;           // units with a score
    std::vector<ExplainedUnit> best;   // the first ten
    double lexical_coverage = 0;       // of the question's words by the best units, 0 to 1
};

// The sentence of the evidence that answers, or two that follow each other, in the document's own
// words. It is chosen by the question's attention to each sentence and by shared words
// (docs/answers.md); nothing is generated for it.
struct Quote {
    bool found = false;                   // false: there is no evidence to quote
    size_t span_index = 0;                // into SearchResult::spans
    std::string text;                     // from Span::text, verbatim
    size_t text_begin = 0, text_end = 0;  // in Span::text
    // In the document, as Span's. Where a source in another encoding than UTF-8 makes bytes of text
    // and source differ, these are the whole span's and exact_bytes is false.
    uint64_t byte_begin = 0, byte_end = 0;
    bool exact_bytes = true;
    uint32_t line_begin = 0, line_end = 0;  // 0 where the document has pages
    uint32_t sentences = 0;
    double score = 0;         // how likely it holds the answer, 0 to 1
    bool in_context = false;  // the second stage's attention had a part in the choice
    double milliseconds = 0;  // that the choice took
};

struct SearchResult {
    std::string question;
    std::string method = "hybrid";
    uint32_t budget_tokens = 0;
    uint32_t used_tokens = 0;  // sum over spans
    uint32_t question_tokens = 0;
    // Searched, of so many; both 0 without a filter.
    uint64_t documents_searched = 0, documents_in_store = 0;
    std::string model;        // name of the scanning model
    std::string adapter;      // name of the adapter
    std::vector<Span> spans;  // rank order, no text twice
    // Units ranked above the first span, which the budget does not hold, and the tokens that the
    // best of them needs: the spans are not the best that there is.
    uint32_t passed_over = 0, passed_over_tokens = 0;
    bool evidence_found = true;  // false: nothing above the calibrated floor
    double evidence_score = 0;   // what was compared with the floor
    double evidence_floor = 0;
    uint64_t postings = 0;       // of the heads' lists; 0 where S3 scores were not made
    uint64_t postings_read = 0;  // of these, each counted once
    std::map<std::string, double> timings_ms;  // stage -> milliseconds
    RerankReport rerank;
    std::vector<VoiceScore> weights;  // of each voice in a "hybrid" of this question; else empty
    std::vector<std::string> notes;   // what a person should know about how it was searched
    Quote quote;                      // with SearchOptions::quote
    Explanation explanation;          // with SearchOptions::explain
    Attention attention;              // with SearchOptions::attention
};

struct Citation {
    uint32_t number = 0;    // as shown in the answer, 1-based
    size_t span_index = 0;  // into SearchResult::spans
};

// A message of a conversation.
struct ChatTurn {
    std::string role;  // "system", "user", "assistant"
    std::string text;
};

struct AskOptions {
    SearchOptions search;
    // What was said before the question; the reader sees it in front of the evidence. Where it
    // takes more than history_tokens, or the window is too small for all of it, the oldest turns go
    // first (a system message last); AskResult::history_left_out counts them. A question that
    // points back
    // ("And when did he die?") is searched for together with the user's question before it.
    std::vector<ChatTurn> history;
    uint32_t history_tokens = 2048;
    uint32_t max_answer_tokens = 0;  // 0: what suits the reader (docs/answers.md)
    float temperature = 0.0f;        // 0: greedy
    uint32_t seed = 1;
    // The answer is withheld where AskResult::answerable is below this, 0 to 1; 0: never. Below 0:
    // the reader's default point (docs/answers.md).
    double withhold_below = -1;
    // Stops the answer between two pieces, and while the reader still reads the evidence
    // (kCancelled then: there is no answer yet). Null: never.
    const CancelToken* cancel = nullptr;
};

// One sentence of an answer, and what of the evidence supports it.
struct AnswerSentence {
    size_t begin = 0, end = 0;      // bytes of AskResult::answer
    std::vector<uint32_t> numbers;  // shown numbers of the spans that hold what it says
    bool supported = true;          // false: no span does
};
// A number or a name of the answer that stands nowhere in the evidence, nor in the question.
struct UnfoundedWord {
    size_t begin = 0, end = 0;  // bytes of AskResult::answer
    std::string text;
    bool number = false;  // else a name
};

struct AskResult {
    SearchResult search;
    std::string answer;
    std::string reader;       // that wrote it; empty: none was asked
    std::string reader_kind;  // ReaderInfo::kind: "gguf", "openai"
    // How likely the evidence answers the question, 0 to 1, and the point below which it was
    // withheld (AskOptions::withhold_below). Withheld: the answer is a fixed sentence.
    double answerable = 1, withhold_below = 0;
    bool withheld = false;
    std::vector<AnswerSentence> sentences;
    std::vector<UnfoundedWord> unfounded;
    // Why the answer ended before the reader did: "tokens" (max_answer_tokens), "sentences" (a
    // small reader's limit), "repetition"; empty: it did not.
    std::string cut;
    std::vector<std::string> notes;   // what was not done as asked, in words
    std::vector<uint32_t> numbers;    // shown number of each span of search.spans
    std::vector<Citation> citations;  // evidence the answer rests on; numbers always exist
    uint32_t prompt_tokens = 0;
    uint32_t answer_tokens = 0;
    bool stopped_at_limit = false;   // the answer was cut at max_answer_tokens
    bool cancelled = false;          // it was cut by the CancelToken or the receiver of its pieces
    uint32_t history_left_out = 0;   // turns of AskOptions::history that the reader did not see
    std::string retrieval_question;  // what was searched for; ask() only
    double ttft_ms = 0;              // question to first answer token
    std::map<std::string, double> timings_ms;
};

}  // namespace s3attn
#pragma GCC visibility pop

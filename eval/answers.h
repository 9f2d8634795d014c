// `s3attn eval answers`: every method's evidence under the same prompt, decoding and token budget,
// answered by the same reader. docs/evaluation.md describes the protocol.
//
// Methods besides those of methods.h: "full" (the whole context, its middle cut where the window
// ends), "none" (no context), "gold" (the marked evidence), "dense-rerank" and "rerank(METHOD)"
// (the first units of METHOD ordered by how likely the reader finds the question behind each).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/answer_tasks.h"
#include "eval/methods.h"
#include "eval/run_record.h"
#include "model/reader.h"
#include "s3attn/engine.h"
#include "s3attn/progress.h"

namespace s3attn::eval {

struct AnswerOptions {
    // Directory of the run record; empty: below ./s3attn-eval, named after the options.
    std::string out;
    std::string index_directory;       // empty: below `out`, removed at the end
    std::vector<std::string> methods;  // as above; "full" is made first whatever its place
    std::vector<uint32_t> budgets;     // evidence in the reader's tokens
    std::string baseline;              // of the paired comparison; empty: "full", else the first
    uint32_t parallel = 1;             // questions at once; 0: as many as cores and memory allow
    uint32_t rerank = 20;              // units that the reader re-ranks
    ChatTemplate chat_template = ChatTemplate::kAuto;
    bool likelihood = true;     // also NLL of the first gold answer, KL to full context
    bool may_withhold = false;  // a method that sees no evidence withholds, and is not asked
    size_t limit = 0;           // as keep_some() was told, for the record
    uint64_t seed = 0;
    MethodContext context;  // engine, embedder, search options
};

struct AnswerReport {
    std::string directory;
    Json document;  // run.json
    size_t rows = 0, resumed = 0;
    std::vector<std::string> notes;  // methods left out, and why
};

// A run that was killed goes on; one that is finished is only summed up again.
// The task of a file of questions is called what the run found there calls it, whatever the file is
// called now.
Result<AnswerReport> run_answers(const AnswerOptions& options, AnswerSet& set, ProgressSink& sink,
                                 const CancelToken& cancel);

// The "options" of the record: what decides the rows. A run goes on only with the same.
Result<Json> answer_settings(const AnswerOptions& options, const AnswerSet& set,
                             const MethodContext& context, const LocalReaderOptions& reader);
// The "adapter" of the record; null where no method has loaded one.
Json answer_adapter(const MethodContext& context);

}  // namespace s3attn::eval

#include <filesystem>

#include "base/files.h"
#include "eval/answers.h"
#include "eval/scan_model.h"

namespace s3attn::eval {

// Everything that decides the rows; threads, folders and how many questions run at once do not.
Result<Json> answer_settings(const AnswerOptions& options, const AnswerSet& set,
                             const MethodContext& context,
                             const LocalReaderOptions& reader_options) {
    const EngineOptions& engine = context.engine;
    S3ATTN_TRY(const Json model, model_json(engine.model));
    S3ATTN_TRY(const Json reader, model_json(engine.reader.empty() ? engine.model : engine.reader));
    Json adapter = nullptr;  // words and embeddings need none
    if (context.model != nullptr) {
        if (const auto found = context.model->adapter(); found.ok()) {
            adapter = hash_bytes((*found)->key_side_hash + (*found)->training_record);
        }
    }
    S3ATTN_TRY(const Json embedder, embedder_hash(options.methods, context));
    const bool reorders = any_uses(options.methods, {"rerank", "dense-rerank"});
    Json tasks = Json::array(), longest = Json::array();
    std::string prompts;  // LongBench's stand in a file beside the data
    for (const AnswerTask& task : set.tasks) {
        tasks.push_back(task.name);
        longest.push_back(task.max_tokens);
        prompts += hash_bytes(task.prompt_template);
    }
    return Json{
        {"data", std::filesystem::path(set.path).filename().string()},
        {"data_hash", set.hash},
        {"tasks", tasks},
        {"max_answer", longest},
        {"haystack", set.pooled ? "pooled" : "own"},
        {"offsets", set.chars ? "chars" : "bytes"},
        {"limit", options.limit},
        {"seed", options.seed},
        {"methods", options.methods},
        {"baseline", options.baseline},
        {"budgets", options.budgets},
        {"model", model["hash"]},
        {"reader", reader["hash"]},
        {"reader_context", reader_options.context_tokens},
        {"chat_template", to_string(reader_options.chat_template)},
        {"adapter", adapter},
        {"embedder", embedder},
        {"chunk", engine.chunk_tokens == 0 ? 256 : engine.chunk_tokens},
        {"scoring", scoring_name(context.search.scoring)},
        {"max_features", context.search.max_features},
        {"rounds", context.search.rounds},
        {"round_query", round_query_name(context.search.round_query)},
        {"round_weight", context.search.round_weight},
        {"rerank", reorders ? Json(options.rerank) : Json()},
        {"likelihood", options.likelihood},
        {"may_withhold", options.may_withhold},
        {"prompts", hash_bytes(prompts)}};
}

Json answer_adapter(const MethodContext& context) {
    if (context.model == nullptr) return nullptr;
    const auto adapter = context.model->adapter();
    if (!adapter.ok()) return nullptr;
    return Json{
        {"path", context.engine.adapter.empty() ? (*adapter)->name : context.engine.adapter},
        {"hash", (*adapter)->key_side_hash}};
}

}  // namespace s3attn::eval

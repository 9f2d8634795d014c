// Context heads for an adapter that is there already, or one that was just trained.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "adapter/device_encoder.h"
#include "base/device_choice.h"
#include "base/files.h"
#include "base/guarded.h"
#include "model/llama_model.h"
#include "scan/open_scan.h"
#include "train/context_stage.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr uint64_t kMaxOwnFile = 16 << 20;

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> other_files(const std::string& directory) {
    std::vector<std::pair<std::string, std::string>> files;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(directory, error)) {
        const std::string name = entry.path().filename().string();
        if (!entry.is_regular_file(error) || name == "adapter.json" ||
            name == "query.safetensors") {
            continue;
        }
        S3ATTN_TRY(std::string bytes, read_file(entry.path().string(), kMaxOwnFile));
        files.emplace_back(name, std::move(bytes));
    }
    return files;
}

Result<ContextHeadReport> fit_context_heads(const Corpus& corpus, const TrainOptions& options,
                                            Adapter& adapter, ProgressSink& sink,
                                            const CancelToken& cancel) {
    S3ATTN_TRY(const auto tasks, make_context_tasks(corpus, options.context, options.seed, cancel));
    if (tasks.size() < options.context.questions) {
        sink.note("the corpus gives " + std::to_string(tasks.size()) + " of " +
                  std::to_string(options.context.questions) +
                  " sentences to choose context heads with");
    }
    ContextModelOptions open;
    open.model_path = options.model;
    open.threads = options.threads;
    open.deepest_layer =
        static_cast<int32_t>(deepest_context_layer(options.context, adapter.n_layer));
    open.cache_dir = options.cache_dir;
    open.device = options.device;
    S3ATTN_TRY(const auto model, open_context_model(open, &sink));
    S3ATTN_TRY(ContextHeadReport report,
               choose_context_heads(*model, tasks, options.context, options.threads, sink, cancel));
    adapter.context = as_context_heads(report);
    Json record = Json::parse(adapter.training_record.empty() ? "{}" : adapter.training_record);
    record["context_heads"] = Json::parse(context_record(report, options.context));
    adapter.training_record = record.dump();
    return report;
}

namespace {

Result<ContextHeadReport> add_context_heads_now(const std::string& directory,
                                                const TrainOptions& given, ProgressSink& sink,
                                                const CancelToken& cancel) {
    TrainOptions options = given;
    if (options.context.heads == 0) {
        return make_error(ErrorCode::kInvalidArgument, "0 context heads to choose");
    }
    if (options.corpus.empty()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "no corpus: name plain text files or directories");
    }
    S3ATTN_TRY(options.device,
               choose_device(options.device, built_with_cuda(), cuda_status, llama_cuda_status));
    S3ATTN_TRY(Adapter adapter, load_adapter(directory));
    S3ATTN_TRY(const ModelInfo model, read_model_info(options.model));
    S3ATTN_CHECK(check_adapter(model, adapter));
    S3ATTN_CHECK(check_context_options(options.context, model));
    adapter.model_identity = model.identity;  // adapters of older programs have none
    S3ATTN_TRY(const auto others, other_files(directory));
    S3ATTN_TRY(const Corpus corpus, read_corpus(options.corpus, options.seed, sink, cancel));
    S3ATTN_TRY(ContextHeadReport report, fit_context_heads(corpus, options, adapter, sink, cancel));
    S3ATTN_CHECK(save_adapter(adapter, options.out.empty() ? directory : options.out, others));
    return report;
}

}  // namespace

Result<ContextHeadReport> add_context_heads(const std::string& directory, const TrainOptions& given,
                                            ProgressSink& sink, const CancelToken& cancel) {
    return guarded([&] { return add_context_heads_now(directory, given, sink, cancel); });
}

}  // namespace s3attn

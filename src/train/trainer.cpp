#include "s3attn/trainer.h"

#include <filesystem>
#include <memory>
#include <utility>

#include "adapter/adapter.h"
#include "base/guarded.h"
#include "base/parallel.h"
#include "model/reader.h"
#include "scan/open_scan.h"
#include "train/checkpoint.h"
#include "train/context_stage.h"
#include "train/corpus.h"
#include "train/pipeline.h"

namespace s3attn {
namespace {

std::string without_slash(std::string path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

Result<std::unique_ptr<Scanner>> open_training_scanner(const TrainOptions& options,
                                                       ProgressSink& sink,
                                                       const CancelToken& cancel) {
    const ScanRequest request{options.model, {}, {}, options.cache_dir, options.threads,
                              options.device};
    S3ATTN_TRY(const ModelInfo model, open_scan_info(request));
    const uint32_t deepest = std::min(deepest_wanted_layer(options, model), model.n_layer - 1);
    return open_scanner(request, deepest, options.chunk_tokens, &sink, &cancel);
}

Status save_result(TrainedAdapter& trained, const TrainOptions& options) {
    trained.adapter.training_record = trained.record;
    return save_adapter(trained.adapter, options.out, {{"heads.svg", trained.report.heat_map}});
}

// What a caller should know about a run that ended early.
Error explain(Error error, const TrainOptions& options) {
    if (error.code != ErrorCode::kCancelled) return error;
    std::error_code ignored;
    error.message = "interrupted";
    if (!options.work.empty() && std::filesystem::exists(options.work, ignored)) {
        error.message += "; the same command goes on after the parts that are finished (kept in '" +
                         options.work + "')";
    }
    return error;
}

// The adapter is saved: what was kept for resuming is of no more use.
void remove_work(const TrainOptions& options, ProgressSink& sink) {
    std::error_code ignored;
    if (options.work.empty() || options.keep_work) return;
    if (!std::filesystem::exists(options.work, ignored)) return;
    if (auto left = Checkpoints::open(options.work, sink); left.ok()) left->remove();
}

// Fills in where finished parts are kept. A run that was killed after it had saved its adapter
// leaves them behind: they go when somebody asks for that adapter again.
Result<TrainOptions> with_work(TrainOptions options, ProgressSink& sink) {
    options.out = without_slash(options.out);
    S3ATTN_TRY(options.device, choose_scan_device(options.device));
    const bool by_default = options.work.empty() && !options.out.empty();
    if (by_default) options.work = options.out + ".partial";
    const Status status =
        options.out.empty() ? check_without_output(options) : check_train_options(options);
    std::error_code ignored;
    if (by_default && std::filesystem::exists(options.out + "/adapter.json", ignored)) {
        remove_work(options, sink);
    }
    S3ATTN_CHECK(status);
    return options;
}

Result<std::string> write_question(LocalReader& reader, const QuestionTask& task) {
    GenerateOptions generate;
    generate.max_tokens = 48;
    std::string reply;
    const std::vector<ChatTurn> messages{{"user", question_prompt(task)}};
    S3ATTN_TRY(const GenerateResult result,
               reader.chat(messages, generate, [&](std::string_view piece) {
                   reply += piece;
                   return question_in(reply).empty();
               }));
    static_cast<void>(result);
    return question_in(reply);
}

// The model (or options.question_model) as the writer of questions; opened at the first one. A card
// is idle most of the time while one question is written, so there several are at once.
QuestionWriter model_writer(const TrainOptions& options) {
    constexpr size_t kOnDevice = 8;
    auto readers = std::make_shared<std::vector<std::unique_ptr<LocalReader>>>();
    return [&options,
            readers](std::span<const QuestionTask> tasks) -> Result<std::vector<std::string>> {
        const size_t wanted = options.device == Device::kCuda ? kOnDevice : 1;
        while (readers->size() < wanted) {
            LocalReaderOptions open;
            open.model_path =
                options.question_model.empty() ? options.model : options.question_model;
            open.threads = wanted > 1 ? 1 : options.threads;
            open.context_tokens = 2048;
            open.device = options.device;
            S3ATTN_TRY(auto reader, open_llama_reader(open));
            readers->push_back(std::move(reader));
        }
        std::vector<std::string> questions(tasks.size());
        std::vector<Status> failed(readers->size());
        const auto n = static_cast<uint32_t>(readers->size());
        ThreadPool(n).run(n, [&](uint32_t r) {
            for (size_t i = r; i < tasks.size() && failed[r].ok(); i += n) {
                auto question = write_question(*(*readers)[r], tasks[i]);
                if (question.ok())
                    questions[i] = std::move(*question);
                else
                    failed[r] = question.error();
            }
        });
        for (const Status& status : failed) S3ATTN_CHECK(status);
        return questions;
    };
}

Result<TrainReport> train_adapter_now(const TrainOptions& given, ProgressSink& sink,
                                      const CancelToken& cancel) {
    if (given.out.empty()) S3ATTN_CHECK(check_train_options(given));  // says so
    S3ATTN_TRY(const TrainOptions options, with_work(given, sink));
    S3ATTN_TRY(const Corpus corpus, read_corpus(options.corpus, options.seed, sink, cancel));
    S3ATTN_TRY(std::unique_ptr<Scanner> scanner, open_training_scanner(options, sink, cancel));
    auto trained = run_training(*scanner, corpus, options, sink, cancel, model_writer(options));
    if (!trained.ok()) return explain(trained.error(), options);
    if (options.context.heads > 0) {
        scanner.reset();  // another model of other layers takes its place
        trained->adapter.training_record = std::exchange(trained->record, {});
        auto context = fit_context_heads(corpus, options, trained->adapter, sink, cancel);
        if (!context.ok()) return explain(context.error(), options);
        trained->report.context = std::move(*context);
        trained->record = trained->adapter.training_record;
    }
    S3ATTN_CHECK(save_result(*trained, options));
    remove_work(options, sink);
    return trained->report;
}

Result<SweepReport> sweep_training_now(const TrainOptions& given, const SweepOptions& sweep,
                                       ProgressSink& sink, const CancelToken& cancel) {
    S3ATTN_TRY(const TrainOptions options, with_work(given, sink));
    S3ATTN_TRY(const Corpus corpus, read_corpus(options.corpus, options.seed, sink, cancel));
    S3ATTN_TRY(const std::unique_ptr<Scanner> scanner,
               open_training_scanner(options, sink, cancel));
    auto swept = run_sweep(*scanner, corpus, options, sweep, sink, cancel, model_writer(options));
    if (!swept.ok()) return explain(swept.error(), options);
    if (swept->best) {
        S3ATTN_CHECK(save_result(*swept->best, options));
        remove_work(options, sink);
    }
    return std::move(swept->report);
}

}  // namespace

Result<TrainReport> train_adapter(const TrainOptions& given, ProgressSink& sink,
                                  const CancelToken& cancel) {
    return guarded([&] { return train_adapter_now(given, sink, cancel); });
}

Result<SweepReport> sweep_training(const TrainOptions& given, const SweepOptions& sweep,
                                   ProgressSink& sink, const CancelToken& cancel) {
    return guarded([&] { return sweep_training_now(given, sweep, sink, cancel); });
}

}  // namespace s3attn

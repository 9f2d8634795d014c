#include "s3attn/trainer.h"

#include <memory>

#include "adapter/adapter.h"
#include "model/llama_model.h"
#include "train/corpus.h"
#include "train/pipeline.h"

namespace s3attn {

Result<TrainReport> train_adapter(const TrainOptions& options, ProgressSink& sink,
                                  const CancelToken& cancel) {
    S3ATTN_CHECK(check_train_options(options));
    S3ATTN_TRY(const Corpus corpus, read_corpus(options.corpus, options.seed, sink, cancel));
    S3ATTN_TRY(const ModelInfo model, read_model_info(options.model));
    ScannerOptions scan;
    scan.model_path = options.model;
    scan.threads = options.threads;
    scan.chunk_tokens = options.chunk_tokens;
    scan.deepest_layer = static_cast<int32_t>(deepest_wanted_layer(options, model));
    scan.cache_dir = options.cache_dir;
    S3ATTN_TRY(const std::unique_ptr<Scanner> scanner, open_llama_scanner(scan, &sink));
    S3ATTN_TRY(TrainedAdapter trained, run_training(*scanner, corpus, options, sink, cancel));
    trained.adapter.training_record = trained.record;
    S3ATTN_CHECK(save_adapter(trained.adapter, options.out));
    return trained.report;
}

}  // namespace s3attn

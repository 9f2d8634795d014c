// Engine::open(): the parts of an engine from files.
#include <filesystem>

#include "base/files.h"
#include "base/guarded.h"
#include "engine/engine_parts.h"
#include "model/llama_model.h"
#include "model/reader.h"
#include "remote/remote_reader.h"
#include "s3attn/reason.h"
#include "scan/open_scan.h"

namespace s3attn {
namespace {

// Counts with the scanning model's tokenizer; its weights are not needed.
Result<std::unique_ptr<Reader>> open_remote(const EngineOptions& options,
                                            const CancelToken* cancel) {
    S3ATTN_TRY(std::shared_ptr<const Tokenizer> tokenizer, open_llama_tokenizer(options.model));
    RemoteOptions remote = options.remote;
    if (options.reader_context > 0) remote.window_tokens = options.reader_context;
    return open_remote_reader(
        options.reader, remote,
        [tokenizer](std::string_view text) { return tokenizer->count(text); }, cancel);
}

void add_reader(const EngineOptions& options, EngineParts& parts) {
    if (is_reader_url(options.reader)) {
        parts.open_reader = [options](const CancelToken* cancel) {
            return open_remote(options, cancel);
        };
        return;
    }
    LocalReaderOptions reader;
    reader.model_path = options.reader.empty() ? options.model : options.reader;
    reader.threads = options.threads;
    reader.context_tokens = options.reader_context;
    reader.device = parts.device;
    parts.open_reader = [reader](const CancelToken* cancel) -> Result<std::unique_ptr<Reader>> {
        S3ATTN_TRY(auto opened, open_llama_reader(reader, cancel));
        return std::unique_ptr<Reader>(std::move(opened));
    };
}

Result<OpenedEmbedder> open_embedder(const std::string& path, uint32_t threads) {
    OpenedEmbedder opened;
    EmbedderOptions options;
    options.model_path = path;
    options.threads = threads;
    S3ATTN_TRY(opened.model, open_llama_embedder(options));
    opened.info.name = std::filesystem::path(path).filename().string();
    opened.info.dimension = opened.model->dimension();
    S3ATTN_TRY(opened.info.hash, hash_file(path));
    return opened;
}

Result<std::unique_ptr<Engine>> open_parts(const EngineOptions& options) {
    ScanRequest request{options.model,     options.adapter, options.adapter_dirs,
                        options.cache_dir, options.threads, options.device};
    EngineParts parts;
    if (is_reader_url(options.reader)) {
        S3ATTN_TRY(const ReaderUrl url, parse_reader_url(options.reader));
        if (options.remote.offline) {
            return make_error(ErrorCode::kInvalidArgument, reason::kOffline, "reader",
                              "nothing may leave this machine, and the reader " + url.base +
                                  " is behind a server");
        }
    }
    if (!options.model.empty()) {
        S3ATTN_TRY(request.device, choose_scan_device(options.device));
    }
    S3ATTN_TRY(parts.model, open_scan_info(request));
    S3ATTN_TRY(parts.adapter, open_scan_adapter(request, parts.model));
    parts.device = request.device;
    parts.threads = options.threads;
    parts.chunk_tokens = options.chunk_tokens;
    parts.open_scanner = [request, deepest = parts.adapter->deepest_layer()](
                             uint32_t chunk_tokens, ProgressSink* sink, const CancelToken* cancel) {
        return open_scanner(request, deepest, chunk_tokens, sink, cancel);
    };
    add_reader(options, parts);
    parts.rerank = options.rerank;
    ContextStageOptions stage;
    stage.model = !options.rerank_model.empty()                               ? options.rerank_model
                  : !options.reader.empty() && !is_reader_url(options.reader) ? options.reader
                                                                              : options.model;
    stage.adapter_dirs = options.adapter_dirs;
    stage.cache_dir = options.cache_dir;
    stage.threads = options.threads;
    stage.device = options.device;
    if (stage.model == options.model) stage.loaded = parts.adapter;
    if (!options.embedder.empty()) {
        parts.open_embedder = [path = options.embedder, threads = options.threads] {
            return open_embedder(path, threads);
        };
    }
    parts.open_stage = [stage] { return open_context_stage(stage); };
    return make_engine(std::move(parts));
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::open(const EngineOptions& options) {
    return guarded([&] { return open_parts(options); });
}

}  // namespace s3attn

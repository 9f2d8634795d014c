// Scan rates in one run, alternating, medians: `index` (codes and store included) against the plain
// scan of the same copy to the same stop layer, and against the full prefill of the file as shipped
// at chunk 1024. Prints one JSON object.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/adapter_search.h"
#include "base/files.h"
#include "base/timing.h"
#include "model/llama_model.h"
#include "model/prefill.h"
#include "s3attn/engine.h"
#include "s3attn/model_log.h"

namespace {

using namespace s3attn;

constexpr uint32_t kChunkTokens = 256;
constexpr uint32_t kFullChunkTokens = 1024;

struct Silent final : ProgressSink {
    void update(const Progress&) override {}
    void note(const std::string&) override {}
};

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

Result<double> plain_rate(Scanner& scanner, const Tokens& tokens, uint32_t stop_layer) {
    const uint32_t layers[] = {stop_layer};
    const Stopwatch watch;
    for (size_t begin = 0; begin < tokens.ids.size(); begin += kChunkTokens) {
        const size_t n = std::min<size_t>(kChunkTokens, tokens.ids.size() - begin);
        S3ATTN_CHECK(scanner.capture({tokens.ids.data() + begin, n}, layers, Projection::kKey,
                                     [](const ProjectionView&) -> Status { return {}; }));
    }
    return static_cast<double>(tokens.ids.size()) / watch.seconds();
}

Status run(const std::string& model, const std::string& models_dir, const std::string& text_path,
           const std::string& cache_dir, uint32_t rounds) {
    EngineOptions options;
    options.model = model;
    options.adapter_dirs = {models_dir};
    options.cache_dir = cache_dir;
    options.chunk_tokens = kChunkTokens;
    S3ATTN_TRY(auto engine, Engine::open(options));
    S3ATTN_TRY(const ModelInfo info, read_model_info(model));
    S3ATTN_TRY(const std::string directory,
               find_adapter({models_dir}, info.file_hash, info.identity));
    S3ATTN_TRY(const Adapter adapter, load_adapter(directory));
    ScannerOptions scan;
    scan.model_path = model;
    scan.cache_dir = cache_dir;
    scan.chunk_tokens = kChunkTokens;
    scan.deepest_layer = static_cast<int32_t>(adapter.deepest_layer());
    S3ATTN_TRY(auto scanner, open_llama_scanner(scan));
    S3ATTN_TRY(const std::string text, read_file(text_path, 64u << 20));
    S3ATTN_TRY(const Tokens tokens, scanner->tokenizer().tokenize(text));

    std::string store = (std::filesystem::temp_directory_path() / "s3attn-bench-XXXXXX").string();
    if (mkdtemp(store.data()) == nullptr) return errno_error("cannot make", store);
    std::vector<double> index_rates, plain_rates, full_rates;
    Silent silent;
    CancelToken cancel;
    for (uint32_t round = 0; round < rounds; ++round) {
        const std::string name = store + "/" + std::to_string(round) + ".s3";
        S3ATTN_TRY(Store made, Store::open(name, Store::Access::kCreate));
        S3ATTN_TRY(const IndexReport report, engine->index(made, {text_path}, {}, silent, cancel));
        index_rates.push_back(report.tokens_per_s);
        S3ATTN_TRY(const double plain, plain_rate(*scanner, tokens, adapter.deepest_layer()));
        plain_rates.push_back(plain);
        S3ATTN_TRY(const double full, full_prefill_rate(model, 0, kFullChunkTokens,
                                                        {tokens.ids.data(), tokens.ids.size()}));
        full_rates.push_back(full);
    }
    std::filesystem::remove_all(store);
    std::printf(
        "{\"tokens\": %zu, \"rounds\": %u, \"stop_layer\": %u, \"index_tokens_per_s\": %.1f, "
        "\"plain_tokens_per_s\": %.1f, \"full_prefill_tokens_per_s\": %.1f}\n",
        tokens.ids.size(), rounds, adapter.deepest_layer(), median(index_rates),
        median(plain_rates), median(full_rates));
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    s3attn::set_model_log(nullptr);
    if (argc != 6) {
        std::fprintf(stderr, "usage: scan_bench MODEL.gguf MODELS_DIR TEXT CACHE_DIR ROUNDS\n");
        return 2;
    }
    const Status status =
        run(argv[1], argv[2], argv[3], argv[4], static_cast<uint32_t>(std::max(1, atoi(argv[5]))));
    if (status.ok()) return 0;
    std::fprintf(stderr, "error: %s\n", status.error().message.c_str());
    return 1;
}

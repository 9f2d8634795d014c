// What a question about a long document costs on a CUDA device: scan, index and ask, against the
// full key-value cache through the same llama.cpp. Ends with lines `name value unit`.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/device_encoder.h"
#include "base/device_choice.h"
#include "base/files.h"
#include "base/timing.h"
#include "engine/chunk_coder.h"
#include "engine/device_monitor.h"
#include "engine/fingerprint.h"
#include "engine/indexer.h"
#include "model/full_kv.h"
#include "model/llama_model.h"
#include "s3attn/engine.h"
#include "s3attn/model_log.h"
#include "store/store.h"

namespace {

using namespace s3attn;
namespace fs = std::filesystem;

struct Silent final : ProgressSink {
    void update(const Progress&) override {}
    void note(const std::string& text) override { std::fprintf(stderr, "# %s\n", text.c_str()); }
};

struct Options {
    std::string model, adapter, cache, work, text;
    Device device = Device::kCuda;
    std::vector<uint32_t> lengths = {8, 32, 64, 128};  // thousands of tokens
    uint32_t longest = 1000;
    double peak_tflops = 790;  // what the card's dense products reach
    double ffn = 14336;        // width of the model's feed-forward layers
    bool full_kv = true;
};

void print(const std::string& name, double value, const char* unit) {
    std::printf("%s %.6g %s\n", name.c_str(), value, unit);
    std::fflush(stdout);
}

std::string length_name(uint32_t thousands) {
    return thousands >= 1000 ? std::to_string(thousands / 1000) + "m"
                             : std::to_string(thousands) + "k";
}

class Bench {
  public:
    explicit Bench(Options options) : options_(std::move(options)) {}
    Status run();

  private:
    EngineOptions engine_options(uint32_t chunk) const;
    Status make_texts();
    std::string text_of(uint32_t thousands) const {
        return options_.work + "/" + length_name(thousands) + ".txt";
    }
    Status scan_rates(uint32_t chunk);
    Status index_rate(Scanner& scanner, ChunkCoder& coder, const std::string& name,
                      uint32_t thousands, bool report);
    double arithmetic_limit() const;
    Status ask(Engine& engine, uint32_t thousands);
    Status longest(Engine& engine);
    Status rival();
    Result<double> plain_rate(Scanner& scanner, std::span<const int32_t> tokens) const;
    Result<IndexReport> index(Engine& engine, const std::string& name, uint32_t thousands);

    Options options_;
    Adapter adapter_;
    ModelInfo model_;
    double bytes_per_token_ = 4;
    uint64_t weights_ = 0;             // bytes of what lies in the cache: scan copies
    std::vector<uint32_t> tokens_;     // of each length
    std::vector<double> ask_seconds_;  // of each length
    std::map<uint32_t, double> rate_of_length_;
    double index_rate_ = 0;  // of the last index_rate()
    Silent sink_;
    CancelToken cancel_;
};

EngineOptions Bench::engine_options(uint32_t chunk) const {
    EngineOptions options;
    options.model = options_.model;
    options.adapter = options_.adapter;
    options.cache_dir = options_.cache;
    options.device = options_.device;
    options.chunk_tokens = chunk;
    return options;
}

Status Bench::make_texts() {
    S3ATTN_TRY(const std::string book, read_file(options_.text, 64u << 20));
    S3ATTN_TRY(const auto tokenizer, open_llama_tokenizer(options_.model));
    S3ATTN_TRY(const uint32_t count, tokenizer->count(book));
    bytes_per_token_ = static_cast<double>(book.size()) / count;
    std::vector<uint32_t> all = options_.lengths;
    all.push_back(options_.longest);
    for (const uint32_t thousands : all) {
        const auto size = static_cast<size_t>(bytes_per_token_ * thousands * 1024);
        std::string text;
        while (text.size() < size) text += book;
        text.resize(size);
        S3ATTN_CHECK(write_file_atomic(text_of(thousands), text));
    }
    return {};
}

// The scan as it is, nothing looked at: stopped at the same layer, keys left where they are.
Result<double> Bench::plain_rate(Scanner& scanner, std::span<const int32_t> tokens) const {
    const uint32_t layers[] = {adapter_.deepest_layer()};
    const auto nothing = [](const ProjectionView&) -> Status { return {}; };
    const bool on_device = scanner.device_chunks() > 0;
    const size_t batch = scanner.chunk_tokens() * std::max(1u, scanner.device_chunks());
    const size_t whole = tokens.size() / batch * batch;
    const Stopwatch watch;
    for (size_t at = 0; at < whole; at += batch) {
        const auto part = tokens.subspan(at, batch);
        S3ATTN_CHECK(on_device ? scanner.capture_on_device(part, layers, nothing)
                               : scanner.capture(part, layers, Projection::kKey, nothing));
    }
    return static_cast<double>(whole) / watch.seconds();
}

Result<IndexReport> Bench::index(Engine& engine, const std::string& name, uint32_t thousands) {
    const std::string store = options_.work + "/" + name + ".s3";
    std::error_code ignored;
    fs::remove_all(store, ignored);
    S3ATTN_TRY(Store made, Store::open(store, Store::Access::kCreate));
    return engine.index(made, {text_of(thousands)}, {}, sink_, cancel_);
}

// The write path over an open scanner, as Engine::index() runs it.
Status Bench::index_rate(Scanner& scanner, ChunkCoder& coder, const std::string& name,
                         uint32_t thousands, bool report) {
    const std::string store = options_.work + "/" + name + ".s3";
    std::error_code ignored;
    fs::remove_all(store, ignored);
    StoreShape shape;
    shape.n_slots = static_cast<uint32_t>(adapter_.slots.size());
    shape.latents = adapter_.latents;
    shape.k = adapter_.k;
    S3ATTN_TRY(auto writer,
               StoreWriter::open(store, make_fingerprint(model_, adapter_, scanner.chunk_tokens()),
                                 shape, {uint64_t{256} << 20}));
    IndexOptions options;
    options.commit_tokens = 131072;
    auto before = coder.timings_ms();
    DeviceMonitor monitor(report);
    const Stopwatch watch;
    Indexer indexer(scanner, coder, *writer, options, sink_, cancel_);
    const uint64_t size = fs::file_size(text_of(thousands));
    S3ATTN_TRY(const FileOutcome outcome,
               indexer.index_file(text_of(thousands), std::nullopt, 0, size));
    S3ATTN_CHECK(indexer.finish());
    const double seconds = watch.seconds();
    monitor.stop();
    if (!report) return {};
    auto timings = indexer.timings_ms();
    for (const auto& [stage, ms] : before) timings[stage] -= ms;
    index_rate_ = static_cast<double>(outcome.tokens) / seconds;
    print(name + "_index", index_rate_, "tokens/s");
    print(name + "_busy", timings["scan"] / seconds / 1e3, "ratio");
    print(name + "_utilization", monitor.utilization(), "ratio");
    for (const auto& [stage, ms] : timings) print(name + "_ms_" + stage, ms, "ms");
    return {};
}

Status Bench::scan_rates(uint32_t chunk) {
    const std::string name = "scan_chunk" + std::to_string(chunk);
    ScannerOptions scan;
    scan.model_path = options_.model;
    scan.cache_dir = options_.cache;
    scan.chunk_tokens = chunk;
    scan.device = options_.device;
    scan.deepest_layer = static_cast<int32_t>(adapter_.deepest_layer());
    S3ATTN_TRY(auto scanner, open_llama_scanner(scan, &sink_));
    std::unique_ptr<ChunkCoder> coder;
    if (options_.device == Device::kCuda) {
        S3ATTN_TRY(coder, make_device_coder(*scanner, adapter_));
    } else {
        coder = make_host_coder(*scanner, adapter_, 0);
    }
    S3ATTN_TRY(const std::string text, read_file(text_of(options_.lengths.back()), 64u << 20));
    S3ATTN_TRY(const Tokens tokens, scanner->tokenizer().tokenize(text));
    const std::span<const int32_t> ids(tokens.ids);
    double plain = 0;
    S3ATTN_TRY(plain, plain_rate(*scanner, ids.first(std::min<size_t>(ids.size(), 16384))));
    S3ATTN_CHECK(index_rate(*scanner, *coder, name, options_.lengths.front(), false));
    S3ATTN_TRY(plain, plain_rate(*scanner, ids));
    S3ATTN_CHECK(index_rate(*scanner, *coder, name, options_.lengths.back(), true));
    print(name + "_unobserved", plain, "tokens/s");
    print(name + "_share", index_rate_ / plain, "ratio");
    print(name + "_share_of_arithmetic_limit", index_rate_ / arithmetic_limit(), "ratio");
    return {};
}

// Tokens a second if nothing but the matrix products of the layers that run took time.
double Bench::arithmetic_limit() const {
    const double embd = double{1} * model_.n_head * model_.d_head;
    const double kv = double{1} * model_.n_head_kv * model_.d_head;
    const double attention = 2 * embd * embd + 2 * embd * kv, ffn = 3 * embd * options_.ffn;
    const double flop = 2 * (adapter_.deepest_layer() * (attention + ffn) + embd * kv);
    return options_.peak_tflops * 1e12 / flop;
}

Status Bench::ask(Engine& engine, uint32_t thousands) {
    const std::string name = "ask_" + length_name(thousands);
    AskOptions ask;
    ask.max_answer_tokens = 64;
    ask.temperature = 1.0f;  // random weights repeat themselves otherwise
    const auto on_piece = [](std::string_view) { return true; };
    const Stopwatch watch;
    S3ATTN_TRY(const IndexReport report, index(engine, name, thousands));
    const double indexed = watch.seconds();
    S3ATTN_TRY(const Store store, Store::open(options_.work + "/" + name + ".s3"));
    S3ATTN_TRY(const AskResult first,
               engine.ask(store, "Who lives below the opera house?", ask, on_piece, nullptr));
    const double seconds = watch.seconds();
    std::vector<double> ttft;
    AskResult second;
    for (const char* question :
         {"What does the count fear?", "Which room has no door?", "Who sings in the last act?"}) {
        S3ATTN_TRY(second, engine.ask(store, question, ask, on_piece, nullptr));
        ttft.push_back(second.ttft_ms);
    }
    std::sort(ttft.begin(), ttft.end());
    tokens_.push_back(static_cast<uint32_t>(report.tokens));
    ask_seconds_.push_back(seconds);
    print(name + "_tokens", static_cast<double>(report.tokens), "tokens");
    print(name + "_index", indexed, "s");
    print(name + "_index_rate", report.tokens_per_s, "tokens/s");
    print(name + "_whole", seconds, "s");
    print(name + "_answer_tokens", first.answer_tokens, "tokens");
    print(name + "_prompt_tokens", second.prompt_tokens, "tokens");
    print(name + "_second_ttft", ttft[ttft.size() / 2], "ms");
    for (const auto& [stage, ms] : second.timings_ms) print(name + "_second_" + stage, ms, "ms");
    for (const auto& [stage, ms] : second.search.timings_ms) {
        print(name + "_second_search_" + stage, ms, "ms");
    }
    if (second.answer_tokens > 1) {
        print(name + "_decode",
              (second.timings_ms["total"] - second.ttft_ms) / (second.answer_tokens - 1), "ms");
    }
    print(name + "_device_memory", static_cast<double>(report.device_memory_bytes) / (1 << 20),
          "MiB");
    return {};
}

Status Bench::longest(Engine& engine) {
    const std::string name = "scan_" + length_name(options_.longest);
    S3ATTN_TRY(const IndexReport report, index(engine, name, options_.longest));
    print(name + "_tokens", static_cast<double>(report.tokens), "tokens");
    print(name + "_rate", report.tokens_per_s, "tokens/s");
    print(name + "_time_per_token_over_" + length_name(options_.lengths.back()),
          rate_of_length_[options_.lengths.back()] / report.tokens_per_s, "ratio");
    print(name + "_utilization", report.device_utilization, "ratio");
    print(name + "_busy", report.scan_busy, "ratio");
    print(name + "_device_memory", static_cast<double>(report.device_memory_bytes) / (1 << 20),
          "MiB");
    return {};
}

Status Bench::rival() {
    S3ATTN_TRY(const auto runs, full_kv_runs(options_.model, options_.device, tokens_, 64));
    for (size_t i = 0; i < runs.size(); ++i) {
        const std::string name = "full_kv_" + length_name(options_.lengths[i]);
        const double seconds = runs[i].prefill_seconds + 64 * runs[i].decode_ms / 1e3;
        print(name + "_prefill", runs[i].prefill_seconds, "s");
        print(name + "_decode", runs[i].decode_ms, "ms");
        print(name + "_whole", seconds, "s");
        print("ask_" + length_name(options_.lengths[i]) + "_times_faster",
              seconds / ask_seconds_[i], "times");
    }
    return {};
}

Status Bench::run() {
    S3ATTN_TRY(options_.device,
               choose_device(options_.device, built_with_cuda(), cuda_status, llama_cuda_status));
    DeviceMonitor monitor(true);  // of an empty card with this process's context
    fs::create_directories(options_.work);
    S3ATTN_TRY(adapter_, load_adapter(options_.adapter));
    S3ATTN_TRY(model_, read_model_info(options_.model));
    S3ATTN_CHECK(make_texts());
    monitor.stop();
    print("device_memory_at_start", static_cast<double>(monitor.most_memory()) / (1 << 20), "MiB");
    for (const uint32_t chunk : {256u, 1024u, 2048u}) S3ATTN_CHECK(scan_rates(chunk));
    print("scan_arithmetic_limit", arithmetic_limit(), "tokens/s");
    S3ATTN_TRY(auto engine, Engine::open(engine_options(256)));
    // Memory of the scan alone, before a reader is loaded.
    for (const uint32_t thousands : options_.lengths) {
        S3ATTN_TRY(const IndexReport report, index(*engine, "memory", thousands));
        rate_of_length_[thousands] = report.tokens_per_s;
        print("scan_memory_" + length_name(thousands),
              static_cast<double>(report.device_memory_bytes) / (1 << 20), "MiB");
    }
    S3ATTN_CHECK(longest(*engine));
    for (const auto& entry : fs::directory_iterator(options_.cache)) {
        if (entry.path().extension() == ".gguf") weights_ += entry.file_size();
    }
    print("scan_weights", static_cast<double>(weights_) / (1 << 20), "MiB");
    {
        AskOptions warm;  // loads the reader
        warm.max_answer_tokens = 4;
        warm.temperature = 1.0f;
        const auto on_piece = [](std::string_view) { return true; };
        S3ATTN_TRY(const Store store, Store::open(options_.work + "/memory.s3"));
        S3ATTN_TRY(const AskResult ignored, engine->ask(store, "Who?", warm, on_piece, nullptr));
        static_cast<void>(ignored);
    }
    for (const uint32_t thousands : options_.lengths) S3ATTN_CHECK(ask(*engine, thousands));
    engine.reset();
    return options_.full_kv ? rival() : Status{};
}

int usage() {
    std::fprintf(stderr,
                 "usage: gpu_scan MODEL.gguf ADAPTER CACHE WORK TEXT [--lengths K,K,...] "
                 "[--longest K] [--no-full-kv] [--peak TFLOPS] [--device cpu|cuda]\n"
                 "K: thousands of tokens\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    s3attn::set_model_log(nullptr);
    if (argc < 6) return usage();
    Options options;
    options.model = argv[1];
    options.adapter = argv[2];
    options.cache = argv[3];
    options.work = argv[4];
    options.text = argv[5];
    for (int i = 6; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "--no-full-kv") {
            options.full_kv = false;
        } else if (i + 1 == argc) {
            return usage();
        } else if (arg == "--longest") {
            options.longest = static_cast<uint32_t>(std::atoi(argv[++i]));
        } else if (arg == "--peak") {
            options.peak_tflops = std::atof(argv[++i]);
        } else if (arg == "--device") {
            options.device = std::string(argv[++i]) == "cpu" ? Device::kCpu : Device::kCuda;
        } else if (arg == "--lengths") {
            options.lengths.clear();
            for (char* at = argv[++i]; *at != 0;) {
                options.lengths.push_back(static_cast<uint32_t>(std::strtoul(at, &at, 10)));
                if (*at == ',') ++at;
            }
        } else {
            return usage();
        }
    }
    const Status status = Bench(options).run();
    if (status.ok()) return 0;
    std::fprintf(stderr, "error: %s\n", status.error().message.c_str());
    return 1;
}

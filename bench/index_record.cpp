// Makes the recording that index_bench replays: the real scan of real text into a store, whose
// codes and unit lengths are kept, and the adapter's weights for real questions.
//   index_record MODEL.gguf MODELS_DIR CACHE_DIR OUT_DIR QUESTIONS.jsonl TEXT...
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/adapter_search.h"
#include "engine/question_codes.h"
#include "model/llama_model.h"
#include "recording.h"
#include "s3attn/engine.h"
#include "s3attn/model_log.h"

namespace {

using namespace s3attn;
namespace fs = std::filesystem;

constexpr uint32_t kChunkTokens = 256;
constexpr size_t kQuestionTokens = 25, kQuestions = 32;

struct Silent final : ProgressSink {
    void update(const Progress&) override {}
    void note(const std::string&) override {}
};

Status copy_segment(const Segment& segment, CodeBatch& codes) {
    const uint64_t first = codes.n_tokens;
    codes.n_tokens += static_cast<uint32_t>(segment.n_tokens());
    const size_t n = size_t{codes.n_tokens} * codes.n_slots * codes.k;
    codes.feature.resize(n);
    codes.activation.resize(n);
    BlockScratch scratch;
    for (uint32_t block = 0; block < segment.n_blocks(); ++block) {
        for (uint32_t slot = 0; slot < codes.n_slots; ++slot) {
            S3ATTN_TRY(const BlockView view, segment.read_block(slot, block, scratch));
            for (size_t f = 0; f + 1 < view.feature_begin.size(); ++f) {
                for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                    const uint64_t token =
                        first + uint64_t{block} * kBlockTokens + view.position[i];
                    size_t at = (token * codes.n_slots + slot) * codes.k;
                    while (codes.activation[at] != 0) ++at;  // features come in order
                    codes.feature[at] = static_cast<uint16_t>(f);
                    codes.activation[at] = view.activation[i];
                }
            }
        }
    }
    return {};
}

Result<bench::Recording> read_store(const std::string& directory) {
    S3ATTN_TRY(const auto store, StoreReader::open(directory, nullptr));
    bench::Recording recording;
    recording.shape = store->shape();
    recording.codes.n_slots = recording.shape.n_slots;
    recording.codes.k = recording.shape.k;
    for (const auto& segment : store->segments()) {
        S3ATTN_CHECK(copy_segment(*segment, recording.codes));
    }
    for (const UnitExtent& unit : store->live_units()) {
        recording.unit_tokens.push_back(unit.n_tokens);
        S3ATTN_TRY(UnitRow row, store->unit(unit.unit_id));
        std::replace(row.text.begin(), row.text.end(), '\n', ' ');
        recording.unit_texts.push_back(std::move(row.text));
    }
    return recording;
}

// Exactly kQuestionTokens each: a shorter question goes on with the next one.
Result<std::vector<QueryCodes>> encode_questions(const std::string& path, const std::string& out,
                                                 Scanner& scanner, const Adapter& adapter) {
    std::ifstream file(path);
    std::vector<std::string> questions;
    for (std::string line; std::getline(file, line);) {
        const auto json = nlohmann::json::parse(line, nullptr, false);
        if (json.is_object() && json.contains("question") && json["question"].is_string()) {
            questions.push_back(json["question"].get<std::string>());
        }
    }
    std::vector<QueryCodes> queries;
    std::ofstream kept(out + "/questions.txt");
    for (size_t q = 0; q < questions.size() && queries.size() < kQuestions; ++q) {
        std::string text = questions[q];
        S3ATTN_TRY(Tokens tokens, scanner.tokenizer().tokenize(text));
        for (size_t next = q + 1; tokens.ids.size() < kQuestionTokens && next < q + 9; ++next) {
            text += " " + questions[next % questions.size()];
            S3ATTN_TRY(tokens, scanner.tokenizer().tokenize(text));
        }
        tokens.ids.resize(std::min(tokens.ids.size(), kQuestionTokens));
        S3ATTN_TRY(const QuestionCodes codes,
                   QuestionCodes::make(scanner, adapter, tokens, Scoring::kAttention));
        kept << text << '\n';
        queries.push_back(codes.block(0));
    }
    return queries;
}

Status scan_texts(const EngineOptions& options, const std::string& store,
                  const std::vector<std::string>& texts) {
    S3ATTN_TRY(const auto engine, Engine::open(options));
    Silent silent;
    CancelToken cancel;
    S3ATTN_TRY(Store made, Store::open(store, Store::Access::kCreate));
    S3ATTN_TRY(const IndexReport report, engine->index(made, texts, {}, silent, cancel));
    std::printf("recorded %llu tokens in %.0f s (%.0f tokens/s)\n",
                static_cast<unsigned long long>(report.tokens), report.seconds,
                report.tokens_per_s);
    return {};
}

Status record(const std::vector<std::string>& arguments) {
    const std::string &model = arguments[0], &models = arguments[1], &cache = arguments[2],
                      &out = arguments[3];
    const std::vector<std::string> texts(arguments.begin() + 5, arguments.end());
    EngineOptions options;
    options.model = model;
    options.adapter_dirs = {models};
    options.cache_dir = cache;
    options.chunk_tokens = kChunkTokens;
    S3ATTN_TRY(const ModelInfo info, read_model_info(model));
    S3ATTN_TRY(const std::string directory, find_adapter({models}, info.file_hash, info.identity));
    S3ATTN_TRY(const Adapter adapter, load_adapter(directory));
    const std::string store = out + "/recording.s3";
    S3ATTN_CHECK(scan_texts(options, store, texts));
    S3ATTN_TRY(const bench::Recording recording, read_store(store));
    if (recording.unit_tokens.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "the texts hold nothing to record");
    }
    S3ATTN_CHECK(bench::write_codes(out + "/codes.bin", recording));
    std::ofstream units(out + "/units.txt");
    for (const std::string& text : recording.unit_texts) units << text << '\n';
    ScannerOptions scan;
    scan.model_path = model;
    scan.cache_dir = cache;
    scan.chunk_tokens = kChunkTokens;
    scan.deepest_layer = static_cast<int32_t>(adapter.deepest_layer());
    S3ATTN_TRY(const auto scanner, open_llama_scanner(scan));
    S3ATTN_TRY(const auto queries, encode_questions(arguments[4], out, *scanner, adapter));
    S3ATTN_CHECK(bench::write_queries(out + "/queries.bin", queries));
    fs::remove_all(store);
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    s3attn::set_model_log(nullptr);
    if (argc < 7) {
        std::fprintf(stderr,
                     "usage: index_record MODEL.gguf MODELS_DIR CACHE_DIR OUT_DIR "
                     "QUESTIONS.jsonl TEXT...\n");
        return 2;
    }
    const Status status = record({argv + 1, argv + argc});
    if (status.ok()) return 0;
    std::fprintf(stderr, "error: %s\n", status.error().message.c_str());
    return 1;
}

// Keys and queries of tiny random models of each architecture: where they are taken, that the
// early stop changes nothing, and what is refused.
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>

#include "capture_helpers.h"
#include "model/scan_tuning.h"
#include "reference_llama.h"
#include "tiny_gguf.h"

namespace s3attn {
namespace {

std::vector<int32_t> random_tokens(uint32_t n, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<int32_t> tokens(n);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 256);
    return tokens;
}

std::unique_ptr<Scanner> open_scanner(const std::string& path, uint32_t chunk,
                                      const ScanTuning& tuning = {}, uint32_t threads = 1,
                                      int32_t deepest = -1) {
    auto scanner = open_tuned_scanner({.model_path = path,
                                       .threads = threads,
                                       .chunk_tokens = chunk,
                                       .deepest_layer = deepest,
                                       .cache_dir = ""},
                                      tuning, nullptr);
    EXPECT_TRUE(scanner.ok()) << scanner.error().message;
    return scanner.ok() ? std::move(scanner).value() : nullptr;
}

struct Case {
    std::string label;
    TinyModel model;
};

std::vector<Case> all_architectures() {
    std::vector<Case> cases;
    for (const char* arch : {"llama", "qwen2", "qwen3", "gemma3", "phi3", "smollm3"}) {
        TinyModel model;
        model.arch = arch;
        cases.push_back({arch, model});
    }
    TinyModel fused;
    fused.fused_qkv = true;
    cases.push_back({"llama_fused", fused});
    TinyModel all_heads = fused;  // fused, and Q and K of the same shape
    all_heads.n_head_kv = all_heads.n_head;
    cases.push_back({"llama_fused_mha", all_heads});
    TinyModel bos;
    bos.add_bos = true;
    bos.vocab = TinyModel::Vocab::kSpm;
    cases.push_back({"llama_bos", bos});
    TinyModel arrays;
    arrays.per_layer_arrays = true;
    cases.push_back({"llama_arrays", arrays});
    return cases;
}

class CaptureTest : public testing::TestWithParam<Case> {
  protected:
    void SetUp() override {
        path_ = dir_ / "tiny.gguf";
        weights_ = write_tiny_gguf(GetParam().model, path_);
    }
    TempDir dir_;
    std::string path_;
    TinyWeights weights_;
};

// Several chunks as sequences of one pass give what each gives alone; a shorter rest too.
TEST_P(CaptureTest, ChunksOfOnePassEqualChunksAlone) {
    constexpr uint32_t kChunk = 24, kChunks = 3;
    ScanTuning together;
    together.sequences = kChunks;
    auto many = open_scanner(path_, kChunk, together);
    auto one = open_scanner(path_, kChunk);
    ASSERT_TRUE(many && one);
    EXPECT_EQ(one->device_chunks(), 0u);
    ASSERT_EQ(many->device_chunks(), kChunks);
    const std::vector<uint32_t> layers = {0, 2};
    for (const uint32_t n : {kChunk * kChunks, kChunk * 2, 10u}) {
        const auto tokens = random_tokens(n, n);
        std::map<uint32_t, std::vector<float>> together_rows;
        const auto collect = [&](const ProjectionView& v) -> Status {
            for (uint32_t s = 0; s < v.n_sequences; ++s) {
                for (uint32_t t = 0; t < v.n_tokens; ++t) {
                    for (uint32_t h = 0; h < v.n_heads; ++h) {
                        const float* row =
                            v.data + s * v.sequence_stride + t * v.token_stride + h * v.head_stride;
                        auto& rows = together_rows[v.layer];
                        rows.insert(rows.end(), row, row + v.d_head);
                    }
                }
            }
            return {};
        };
        const Status status = many->capture_on_device(tokens, layers, collect);
        ASSERT_TRUE(status.ok()) << status.error().message;
        std::map<uint32_t, std::vector<float>> alone;
        for (uint32_t at = 0; at < n; at += kChunk) {
            const auto part = std::span(tokens).subspan(at, std::min(kChunk, n - at));
            const Captured captured = capture_all(*one, part, layers);
            for (const auto& [layer, rows] : captured.layers) {
                alone[layer].insert(alone[layer].end(), rows.begin(), rows.end());
            }
        }
        for (const uint32_t layer : layers) {
            EXPECT_LT(max_difference(together_rows[layer], alone[layer]), 1e-3) << layer;
        }
    }
    EXPECT_FALSE(many->capture_on_device(random_tokens(kChunk + 1, 1), layers,
                                         [](const auto&) { return Status{}; })
                     .ok())
        << "chunks of one pass must be whole";
}

TEST_P(CaptureTest, StoppedEqualsUnstoppedBitForBit) {
    const TinyModel& model = GetParam().model;
    const auto tokens = random_tokens(96, 3);
    ScanTuning whole;
    whole.stop_early = false;
    auto stopping = open_scanner(path_, 96);
    auto running = open_scanner(path_, 96, whole);
    ASSERT_TRUE(stopping && running);
    for (const Projection projection : {Projection::kKey, Projection::kQuery}) {
        const Captured reference =
            capture_all(*running, tokens, first_layers(model.n_layer), projection);
        EXPECT_EQ(reference.n_tokens, 96u);
        EXPECT_EQ(reference.n_heads,
                  projection == Projection::kKey ? model.n_head_kv : model.n_head);
        EXPECT_EQ(reference.d_head, model.d_head);
        for (uint32_t stop = 0; stop < model.n_layer; ++stop) {
            const Captured stopped =
                capture_all(*stopping, tokens, first_layers(stop + 1), projection);
            for (uint32_t layer = 0; layer <= stop; ++layer) {
                EXPECT_EQ(stopped.layers.at(layer), reference.layers.at(layer))
                    << "layer " << layer << " stop " << stop;
            }
            const Captured alone = capture_all(*stopping, tokens, {stop}, projection);
            EXPECT_EQ(alone.layers.at(stop), reference.layers.at(stop));
        }
    }
}

// Keys differ between layers, heads and tokens: nothing is delivered twice under two names.
TEST_P(CaptureTest, LayersDiffer) {
    auto scanner = open_scanner(path_, 64);
    ASSERT_TRUE(scanner);
    const Captured keys =
        capture_all(*scanner, random_tokens(64, 5), first_layers(GetParam().model.n_layer));
    for (uint32_t layer = 1; layer < GetParam().model.n_layer; ++layer) {
        EXPECT_GT(max_difference(keys.layers.at(layer), keys.layers.at(layer - 1)), 0.1);
    }
}

TEST_P(CaptureTest, ChunksAreIndependentAndThreadsAgree) {
    const auto layers = first_layers(GetParam().model.n_layer);
    auto scanner = open_scanner(path_, 64);
    auto two = open_scanner(path_, 64, {}, 2);
    ASSERT_TRUE(scanner && two);
    const auto a = random_tokens(64, 1), b = random_tokens(50, 2), c = random_tokens(1, 3);
    const Captured first = capture_all(*scanner, a, layers);
    capture_all(*scanner, b, {0});
    const Captured short_one = capture_all(*scanner, c, layers);
    EXPECT_EQ(short_one.n_tokens, 1u);
    const Captured again = capture_all(*scanner, a, layers);
    const Captured parallel = capture_all(*two, a, layers);
    for (const uint32_t layer : layers) {
        EXPECT_EQ(first.layers.at(layer), again.layers.at(layer)) << "order, layer " << layer;
        EXPECT_LE(max_difference(first.layers.at(layer), parallel.layers.at(layer)), 1e-5)
            << "threads, layer " << layer;
    }
}

// Layer 0 by hand: embedding, norm, one matrix product. The embedding of gemma is scaled, which
// the norm undoes; qwen2 adds a bias; qwen3 and gemma3 normalise each head afterwards.
TEST_P(CaptureTest, LayerZeroMatchesTheWeights) {
    const TinyModel& m = GetParam().model;
    auto scanner = open_scanner(path_, 16);
    ASSERT_TRUE(scanner);
    const auto tokens = random_tokens(16, 9);
    for (const Projection projection : {Projection::kKey, Projection::kQuery}) {
        const bool is_key = projection == Projection::kKey;
        const Captured got = capture_all(*scanner, tokens, {0}, projection);
        const std::string one = is_key ? "attn_k" : "attn_q";
        const bool fused = m.fused_qkv || m.arch == "phi3";
        const auto& weight =
            weights_.at(fused ? "blk.0.attn_qkv.weight" : "blk.0." + one + ".weight");
        const size_t row_offset = fused && is_key ? m.n_head * m.d_head : 0;
        const uint32_t heads = is_key ? m.n_head_kv : m.n_head;
        double worst = 0;
        for (size_t t = 0; t < tokens.size(); ++t) {
            const float* e =
                &weights_.at("token_embd.weight")[static_cast<size_t>(tokens[t]) * m.n_embd];
            double sum = 0;
            const double scale = m.arch == "gemma3" ? std::sqrt(m.n_embd) : 1.0;
            for (uint32_t i = 0; i < m.n_embd; ++i) sum += scale * e[i] * scale * e[i];
            const double norm = scale / std::sqrt(sum / m.n_embd + 1e-5);
            for (uint32_t h = 0; h < heads; ++h) {
                std::vector<double> row(m.d_head, 0.0);
                double row_sum = 0;
                for (uint32_t d = 0; d < m.d_head; ++d) {
                    const size_t o = h * m.d_head + d;
                    for (uint32_t i = 0; i < m.n_embd; ++i) {
                        row[d] += weight[(row_offset + o) * m.n_embd + i] * e[i] * norm *
                                  weights_.at("blk.0.attn_norm.weight")[i];
                    }
                    if (m.arch == "qwen2") row[d] += weights_.at("blk.0." + one + ".bias")[o];
                    row_sum += row[d] * row[d];
                }
                for (uint32_t d = 0; d < m.d_head; ++d) {
                    if (m.arch == "qwen3" || m.arch == "gemma3") {
                        row[d] *= weights_.at("blk.0." + one + "_norm.weight")[d] /
                                  std::sqrt(row_sum / m.d_head + 1e-5);
                    }
                    // gemma3 scales queries before RoPE.
                    if (m.arch == "gemma3" && !is_key) row[d] /= std::sqrt(m.d_head);
                    const float value = got.layers.at(0)[(t * heads + h) * m.d_head + d];
                    // Whether a query is scaled before or after RoPE is the graph's business.
                    const double unscaled = row[d] * std::sqrt(m.d_head);
                    double difference = std::fabs(value - row[d]);
                    if (m.arch == "gemma3" && !is_key) {
                        difference = std::min(difference, std::fabs(value - unscaled));
                    }
                    worst = std::max(worst, difference);
                }
            }
        }
        EXPECT_LE(worst, 2e-4);
    }
}

INSTANTIATE_TEST_SUITE_P(Architectures, CaptureTest, testing::ValuesIn(all_architectures()),
                         [](const auto& instance) { return instance.param.label; });

// Every layer against a forward pass that shares no code with llama.cpp.
TEST(CaptureReference, DeepLayersMatchAnIndependentForwardPass) {
    const TempDir dir;
    const std::string path = dir / "tiny.gguf";
    const TinyModel model;
    const TinyWeights weights = write_tiny_gguf(model, path);
    ScanTuning exact;
    exact.kv_type = GGML_TYPE_F32;
    exact.flash_attention = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    auto scanner = open_scanner(path, 48, exact);
    ASSERT_TRUE(scanner);
    const auto tokens = random_tokens(48, 4);
    const ReferenceProjections reference = reference_llama(model, weights, tokens);
    const Captured keys = capture_all(*scanner, tokens, first_layers(4));
    const Captured queries = capture_all(*scanner, tokens, first_layers(4), Projection::kQuery);
    for (uint32_t layer = 0; layer < 4; ++layer) {
        const std::vector<float> k(reference.keys[layer].begin(), reference.keys[layer].end());
        const std::vector<float> q(reference.queries[layer].begin(),
                                   reference.queries[layer].end());
        EXPECT_LE(max_difference(keys.layers.at(layer), k), 2e-4) << "layer " << layer;
        EXPECT_LE(max_difference(queries.layers.at(layer), q), 2e-4) << "layer " << layer;
    }
}

TEST(CaptureErrors, BadRequestsAreRefusedAndTheScannerStaysUsable) {
    const TempDir dir;
    const std::string path = dir / "tiny.gguf";
    write_tiny_gguf({}, path);
    auto scanner = open_scanner(path, 32, {}, 1, 2);
    ASSERT_TRUE(scanner);
    const auto tokens = random_tokens(33, 1);
    const std::span<const int32_t> fitting = std::span(tokens).first(32);
    Captured out;
    const auto code = [&](std::span<const int32_t> t, std::vector<uint32_t> layers) {
        const Status status = scanner->capture(t, layers, Projection::kKey, collect_into(out));
        return status.ok() ? "ok" : to_string(status.error().code);
    };
    EXPECT_STREQ(code(tokens, {0}), "invalid_argument");
    EXPECT_STREQ(code({}, {0}), "invalid_argument");
    EXPECT_STREQ(code(fitting, {1, 0}), "invalid_argument");
    EXPECT_STREQ(code(fitting, {1, 1}), "invalid_argument");
    EXPECT_STREQ(code(fitting, {3}), "invalid_argument") << "deeper than opened";
    const std::vector<int32_t> bad{-1}, big{1 << 30};
    EXPECT_STREQ(code(bad, {0}), "invalid_argument");
    EXPECT_STREQ(code(big, {0}), "invalid_argument");
    EXPECT_TRUE(out.order.empty());
    EXPECT_STREQ(code(fitting, {}), "ok");
    EXPECT_STREQ(code(fitting, {0, 2}), "ok");
}

TEST(CaptureErrors, SinkErrorsAndExceptionsComeBack) {
    const TempDir dir;
    const std::string path = dir / "tiny.gguf";
    write_tiny_gguf({}, path);
    auto scanner = open_scanner(path, 32);
    ASSERT_TRUE(scanner);
    const auto tokens = random_tokens(32, 1);
    const std::vector<uint32_t> layers{0, 1, 2};
    int calls = 0;
    Status status =
        scanner->capture(tokens, layers, Projection::kKey, [&](const ProjectionView&) -> Status {
            ++calls;
            return make_error(ErrorCode::kCancelled, "enough");
        });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(calls, 1) << "nothing is delivered after an error";
    status = scanner->capture(tokens, layers, Projection::kKey,
                              [](const ProjectionView&) -> Status { throw std::bad_alloc(); });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
    status = scanner->capture(
        tokens, layers, Projection::kKey,
        [](const ProjectionView&) -> Status { throw std::runtime_error("a fault of ours"); });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kInternal);
    capture_all(*scanner, tokens, layers);
}

TEST(CaptureErrors, ACancelledPassDeliversNothingMoreAndTheScannerStaysUsable) {
    const TempDir dir;
    const std::string path = dir / "tiny.gguf";
    write_tiny_gguf({}, path);
    auto scanner = open_scanner(path, 32);
    ASSERT_TRUE(scanner);
    const auto tokens = random_tokens(32, 1);
    const std::vector<uint32_t> layers{0, 1, 2};
    CancelToken cancel;
    int calls = 0;
    const Status status = scanner->capture(
        tokens, layers, Projection::kKey,
        [&](const ProjectionView&) -> Status {
            ++calls;
            cancel.cancel();
            return {};
        },
        &cancel);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kCancelled);
    EXPECT_EQ(calls, 1);
    capture_all(*scanner, tokens, layers);
}

TEST(CaptureErrors, ArchitecturesWithoutPerHeadKeysAreRefusedByName) {
    const TempDir dir;
    const auto refusal = [&](const TinyModel& model) {
        const std::string path = dir / (model.arch + ".gguf");
        write_tiny_gguf(model, path);
        const auto scanner = open_llama_scanner({.model_path = path, .cache_dir = ""});
        EXPECT_FALSE(scanner.ok());
        if (scanner.ok()) return std::string();
        EXPECT_EQ(scanner.error().code, ErrorCode::kUnsupported) << scanner.error().message;
        return scanner.error().message;
    };
    TinyModel latent;
    latent.arch = "deepseek2";
    latent.with_tensors = false;
    latent.extra_numbers["attention.kv_lora_rank"] = 64;
    EXPECT_NE(refusal(latent).find("deepseek2"), std::string::npos);
    TinyModel recurrent;
    recurrent.arch = "mamba";
    recurrent.with_tensors = false;
    recurrent.n_head = 0;
    recurrent.n_head_kv = 0;
    EXPECT_NE(refusal(recurrent).find("mamba"), std::string::npos);
    TinyModel word_piece;
    word_piece.vocab = TinyModel::Vocab::kWordPiece;
    EXPECT_NE(refusal(word_piece).find("WordPiece"), std::string::npos);
    TinyModel unknown;
    unknown.arch = "nosucharch";
    EXPECT_NE(refusal(unknown).find("nosucharch"), std::string::npos);
}

}  // namespace
}  // namespace s3attn

// Attention in context: the arithmetic against plain loops, and what is taken from llama.cpp
// against the probabilities that llama.cpp itself computes without its fused attention.
#include "model/context_attention.h"

#include <ggml-backend.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "model/fake_model.h"
#include "model/llama_support.h"
#include "tiny_gguf.h"

namespace s3attn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_floats(size_t n, uint32_t seed) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float> values(n);
    for (float& value : values) value = uniform(random);
    return values;
}

// softmax over every column (and the sink), in double, one row at a time.
std::vector<double> plain_rows(const ContextLayer& a, uint32_t head) {
    std::vector<double> out;
    for (uint32_t r = 0; r < a.n_rows; ++r) {
        std::vector<double> p(a.n_columns);
        double sum = a.sinks ? std::exp(double{a.sinks[head]}) : 0;
        for (uint32_t c = 0; c < a.n_columns; ++c) {
            double logit = 0;
            for (uint32_t i = 0; i < a.d_head; ++i) {
                logit +=
                    double{a.queries[(r * a.n_head + head) * a.d_head + i]} *
                    double{
                        a.keys[(c * a.n_head_kv + head * a.n_head_kv / a.n_head) * a.d_head + i]};
            }
            logit *= a.scale;
            if (a.softcap > 0) logit = a.softcap * std::tanh(logit / a.softcap);
            p[c] = std::exp(logit + a.mask[r * a.n_columns + c]);
            sum += p[c];
        }
        for (uint32_t c = a.skip; c < a.n_columns; ++c) out.push_back(p[c] / sum);
    }
    return out;
}

TEST(AttentionRows, EqualPlainLoops) {
    for (const bool sinks : {false, true}) {
        for (const float softcap : {0.0f, 2.0f}) {
            ContextLayer a;
            a.n_columns = 37, a.skip = 1, a.n_rows = 5;
            a.n_head = 6, a.n_head_kv = 2, a.d_head = 13;
            a.scale = 1.7f, a.softcap = softcap;
            const auto q = random_floats(a.n_rows * a.n_head * a.d_head, 1);
            const auto k = random_floats(a.n_columns * a.n_head_kv * a.d_head, 2);
            const auto s = random_floats(a.n_head, 3);
            std::vector<float> mask(a.n_rows * a.n_columns);
            for (uint32_t r = 0; r < a.n_rows; ++r) {  // causal, with a window of 20
                for (uint32_t c = 0; c < a.n_columns; ++c) {
                    const uint32_t own = a.n_columns - a.n_rows + r;
                    if (c > own || own - c >= 20) mask[r * a.n_columns + c] = -kInfinity;
                }
            }
            a.queries = q.data(), a.keys = k.data(), a.mask = mask.data();
            if (sinks) a.sinks = s.data();
            for (uint32_t head = 0; head < a.n_head; ++head) {
                std::vector<float> rows;
                attention_rows(a, head, rows);
                const auto plain = plain_rows(a, head);
                ASSERT_EQ(rows.size(), plain.size());
                for (size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(rows[i], plain[i], 1e-6);
            }
        }
    }
}

TEST(AttentionRows, RowThatMayLookNowhereIsZero) {
    ContextLayer a;
    a.n_columns = 3, a.n_rows = 1, a.n_head = a.n_head_kv = 1, a.d_head = 2;
    const std::vector<float> q(2, 1), k(6, 1), mask(3, -kInfinity);
    a.queries = q.data(), a.keys = k.data(), a.mask = mask.data();
    std::vector<float> rows;
    attention_rows(a, 0, rows);
    EXPECT_EQ(rows, std::vector<float>(3, 0));
}

std::vector<int32_t> random_tokens(uint32_t n, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<int32_t> tokens(n);
    for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 256);
    return tokens;
}

// [layer][head][row][column] as llama.cpp's unfused attention has them.
using Probabilities = std::map<uint32_t, std::vector<float>>;

bool take_probabilities(ggml_tensor* node, bool ask, void* user) {
    const bool is_it =
        node->op == GGML_OP_SOFT_MAX && std::strncmp(node->name, "kq_soft_max-", 12) == 0;
    if (ask) return is_it;
    auto& out =
        (*static_cast<Probabilities*>(user))[static_cast<uint32_t>(std::atoi(node->name + 12))];
    out.resize(ggml_nelements(node));
    ggml_backend_tensor_get(node, out.data(), 0, ggml_nbytes(node));
    return true;
}

struct Unfused {
    Probabilities layers;
    uint32_t columns = 0, rows = 0, skip = 0;  // of the padded matrices
};

Unfused unfused_attention(const std::string& path, std::span<const int32_t> given) {
    Unfused out;
    const auto model = load_llama_model(path, Device::kCpu);
    EXPECT_TRUE(model.ok());
    const llama_vocab* vocab = llama_model_get_vocab(model->get());
    std::vector<llama_token> tokens;
    if (llama_vocab_get_add_bos(vocab)) tokens.push_back(llama_vocab_bos(vocab));
    out.skip = static_cast<uint32_t>(tokens.size());
    tokens.insert(tokens.end(), given.begin(), given.end());
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 1024;
    params.n_batch = params.n_ubatch = 1024;
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    params.swa_full = true;
    params.n_threads = params.n_threads_batch = 1;
    params.cb_eval = take_probabilities;
    params.cb_eval_user_data = &out.layers;
    const llama_context_ptr context(llama_init_from_model(model->get(), params));
    EXPECT_TRUE(context);
    EXPECT_EQ(llama_decode(context.get(),
                           llama_batch_get_one(tokens.data(), static_cast<int32_t>(tokens.size()))),
              0);
    out.rows = static_cast<uint32_t>(tokens.size());
    return out;
}

// Largest difference of a probability between attend() and llama.cpp's own, over all heads.
double worst_difference(const std::string& path, std::span<const int32_t> tokens, uint32_t rows,
                        const std::vector<uint32_t>& layers) {
    const Unfused unfused = unfused_attention(path, tokens);
    auto model = open_context_model({.model_path = path,
                                     .threads = 1,
                                     .context_tokens = 1000,
                                     .cache_dir = "",
                                     .device = Device::kCpu});
    EXPECT_TRUE(model.ok()) << model.error().message;
    if (!model.ok()) return 1;
    double worst = 0;
    std::vector<uint32_t> seen;
    const auto n = static_cast<uint32_t>(tokens.size());
    const Status status = (*model)->attend(
        tokens, n - rows, layers, nullptr, [&](const ContextLayer& layer) -> Status {
            seen.push_back(layer.layer);
            EXPECT_EQ(layer.skip, unfused.skip);
            const auto& theirs = unfused.layers.at(layer.layer);
            const size_t width = theirs.size() / layer.n_head / unfused.rows;
            std::vector<float> ours;
            for (uint32_t head = 0; head < layer.n_head; ++head) {
                attention_rows(layer, head, ours);
                for (uint32_t r = 0; r < rows; ++r) {
                    const float* row =
                        theirs.data() +
                        (size_t{head} * unfused.rows + unfused.rows - rows + r) * width +
                        layer.skip;
                    for (uint32_t c = 0; c < n; ++c) {
                        worst =
                            std::max(worst, std::fabs(double{ours[size_t{r} * n + c]} - row[c]));
                    }
                }
            }
            return {};
        });
    EXPECT_TRUE(status.ok()) << status.error().message;
    EXPECT_EQ(seen, layers);
    return worst;
}

// QK norms (qwen3, gemma3), sliding windows (gemma3: 64 tokens in five layers of six), layers
// without RoPE (smollm3), a scale after RoPE (phi3), biases (qwen2), BOS. 600 tokens: two batches.
TEST(ContextModel, AttentionIsTheModelsOwn) {
    for (const char* arch : {"llama", "qwen2", "qwen3", "gemma3", "phi3", "smollm3"}) {
        const TempDir dir;
        TinyModel tiny;
        tiny.arch = arch;
        tiny.n_layer = 7;  // the sixth layer of gemma3 sees all
        tiny.add_bos = std::string_view(arch) == "llama";
        if (tiny.add_bos) tiny.vocab = TinyModel::Vocab::kSpm;
        write_tiny_gguf(tiny, dir / "tiny.gguf");
        EXPECT_LT(worst_difference(dir / "tiny.gguf", random_tokens(600, 3), 21, {0, 3, 5, 6}),
                  2e-3)
            << arch;
    }
}

TEST(ContextModel, AttentionOfTheRealModelIsItsOwn) {
    const std::string path = real_model_path();
    if (path.empty()) GTEST_SKIP() << "no real model";
    std::vector<int32_t> tokens = random_tokens(100, 5);
    for (int32_t& token : tokens) token = 1000 + token * 17;
    EXPECT_LT(worst_difference(path, tokens, 16, {0}), 1e-2);
    // Above it the fused and the plain attention have rounded differently.
    EXPECT_LT(worst_difference(path, tokens, 16, {5, 12}), 1e-1);
}

TEST(ContextModel, EarlyStopAndScanCopyChangeNothing) {
    const TempDir dir;
    TinyModel tiny;
    tiny.arch = "qwen2";
    write_tiny_gguf(tiny, dir / "tiny.gguf");
    const auto tokens = random_tokens(90, 8);
    const auto rows_of = [&](int32_t deepest, const std::string& cache,
                             const std::vector<uint32_t>& layers) {
        auto model = open_context_model({.model_path = dir / "tiny.gguf",
                                         .threads = 1,
                                         .deepest_layer = deepest,
                                         .cache_dir = cache,
                                         .device = Device::kCpu});
        EXPECT_TRUE(model.ok()) << model.error().message;
        std::vector<float> out;
        const Status status =
            (*model)->attend(tokens, 80, layers, nullptr, [&](const ContextLayer& layer) -> Status {
                if (layer.layer == 1) attention_rows(layer, 2, out);
                return {};
            });
        EXPECT_TRUE(status.ok()) << status.error().message;
        return out;
    };
    const auto whole = rows_of(-1, "", {1, 3});
    EXPECT_EQ(whole, rows_of(-1, "", {1}));
    const auto copy = rows_of(1, dir / "cache", {1});
    ASSERT_EQ(copy.size(), whole.size());
    for (size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(copy[i], whole[i], 2e-2);
}

TEST(ContextModel, RefusesWhatDoesNotFit) {
    const TempDir dir;
    write_tiny_gguf({}, dir / "tiny.gguf");
    auto model = open_context_model({.model_path = dir / "tiny.gguf",
                                     .threads = 1,
                                     .context_tokens = 64,
                                     .deepest_layer = 1,
                                     .cache_dir = "",
                                     .device = Device::kCpu});
    ASSERT_TRUE(model.ok()) << model.error().message;
    const auto ignore = [](const ContextLayer&) { return Status{}; };
    const auto tokens = random_tokens(65, 1);
    const std::vector<uint32_t> one{1}, three{3};
    const auto few = std::span(tokens).first(20);
    EXPECT_FALSE((*model)->attend(tokens, 60, one, nullptr, ignore).ok());
    EXPECT_FALSE((*model)->attend(few, 20, one, nullptr, ignore).ok());
    EXPECT_FALSE((*model)->attend(few, 10, three, nullptr, ignore).ok());
    EXPECT_TRUE((*model)->attend(few, 10, one, nullptr, ignore).ok());
    CancelToken cancel;
    cancel.cancel();
    const Status cancelled = (*model)->attend(few, 10, one, &cancel, ignore);
    ASSERT_FALSE(cancelled.ok());
    EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
    // A sink's error comes back, and the model stays good.
    const Status failed = (*model)->attend(
        few, 10, one, nullptr,
        [](const ContextLayer&) -> Status { return make_error(ErrorCode::kIo, "no more"); });
    EXPECT_FALSE(failed.ok());
    EXPECT_TRUE((*model)->attend(few, 10, one, nullptr, ignore).ok());
}

TEST(FakeContextModel, LooksAtEqualWords) {
    const auto model = make_fake_context_model();
    const auto text = model->tokenizer().tokenize("the mill burned in winter . who built a mill");
    ASSERT_TRUE(text.ok());
    const std::vector<uint32_t> layers{2};
    std::vector<float> rows;
    const auto n = static_cast<uint32_t>(text->ids.size());
    ASSERT_TRUE(model
                    ->attend(text->ids, n - 1, layers, nullptr,
                             [&](const ContextLayer& layer) -> Status {
                                 attention_rows(layer, 1, rows);
                                 return {};
                             })
                    .ok());
    ASSERT_EQ(rows.size(), n);
    for (uint32_t c = 0; c + 1 < n; ++c) EXPECT_LE(rows[c], rows[1]) << c;  // "mill"
}

}  // namespace
}  // namespace s3attn

#include "tiny_gguf.h"

#include <ggml-cpp.h>
#include <gguf.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <stdexcept>

namespace s3attn {
namespace {

struct GgufFree {
    void operator()(gguf_context* context) const { gguf_free(context); }
};

struct Vocabulary {
    std::vector<std::string> tokens;
    std::vector<float> scores;
    std::vector<int32_t> types;
    std::vector<std::string> merges;
    void add(const std::string& text, int32_t type, float score = 0) {
        tokens.push_back(text);
        types.push_back(type);
        scores.push_back(score);
    }
};

constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kByte = 6;

std::string utf8(uint32_t code) {
    if (code < 0x80) return {static_cast<char>(code)};
    return {static_cast<char>(0xC0 | (code >> 6)), static_cast<char>(0x80 | (code & 0x3F))};
}

// GPT-2 spells bytes by printable characters.
std::vector<std::string> gpt2_bytes() {
    std::vector<std::string> names(256);
    uint32_t next = 256;
    for (uint32_t b = 0; b < 256; ++b) {
        const bool plain = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
        names[b] = utf8(plain ? b : next++);
    }
    return names;
}

Vocabulary bpe_vocabulary() {
    Vocabulary v;
    for (const std::string& name : gpt2_bytes()) v.add(name, kNormal);
    const std::string space = gpt2_bytes()[' '];
    for (const auto& [left, right] : std::vector<std::pair<std::string, std::string>>{
             {"t", "h"}, {"th", "e"}, {space, "the"}, {"i", "n"}, {space, "a"}}) {
        v.merges.push_back(left + " " + right);
        v.add(left + right, kNormal);
    }
    v.add("<|endoftext|>", kControl);
    v.add("<|im_start|>", kControl);
    v.add("<|im_end|>", kControl);
    v.add("<|eot_id|>", kUserDefined);
    v.add("<tool>", kUserDefined);
    return v;
}

Vocabulary spm_vocabulary() {
    Vocabulary v;
    v.add("<unk>", kUnknown);
    v.add("<s>", kControl);
    v.add("</s>", kControl);
    for (int b = 0; b < 256; ++b) {
        char name[8];
        std::snprintf(name, sizeof name, "<0x%02X>", b);
        v.add(name, kByte);
    }
    const std::string space = "\xE2\x96\x81";
    v.add(space, kNormal, -1);
    for (char c = 'a'; c <= 'z'; ++c) v.add(std::string(1, c), kNormal, -20);
    // "</" and "s>" merge to the text of the control token "</s>": a real vocabulary's trap.
    for (const char* text : {"<", "/", ">", "</", "s>", "th", "the", "in", "\xC3\xA9"}) {
        v.add(text, kNormal, -3);
    }
    for (const char* text : {"t", "th", "the", "a"}) v.add(space + text, kNormal, -2);
    return v;
}

Vocabulary word_piece_vocabulary() {
    Vocabulary v;
    for (const char* text : {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}) v.add(text, kControl);
    for (char c = 'a'; c <= 'z'; ++c) v.add("\xE2\x96\x81" + std::string(1, c), kNormal);
    return v;
}

void set_strings(gguf_context* gguf, const char* key, const std::vector<std::string>& values) {
    std::vector<const char*> pointers;
    for (const std::string& value : values) pointers.push_back(value.c_str());
    gguf_set_arr_str(gguf, key, pointers.data(), pointers.size());
}

size_t set_vocabulary(gguf_context* gguf, const TinyModel& model) {
    Vocabulary v;
    const auto key = [](const char* name) { return std::string("tokenizer.ggml.") + name; };
    const auto id = [&](const std::string& text) {
        for (uint32_t i = 0; i < v.tokens.size(); ++i) {
            if (v.tokens[i] == text) return i;
        }
        throw std::logic_error("no token " + text);
    };
    if (model.vocab == TinyModel::Vocab::kBpe) {
        v = bpe_vocabulary();
        gguf_set_val_str(gguf, key("model").c_str(), "gpt2");
        gguf_set_val_str(gguf, key("pre").c_str(), "gpt-2");
        set_strings(gguf, key("merges").c_str(), v.merges);
        gguf_set_val_u32(gguf, key("bos_token_id").c_str(), id("<|endoftext|>"));
        gguf_set_val_u32(gguf, key("eos_token_id").c_str(), id("<|im_end|>"));
    } else if (model.vocab == TinyModel::Vocab::kSpm) {
        v = spm_vocabulary();
        gguf_set_val_str(gguf, key("model").c_str(), "llama");
        gguf_set_val_u32(gguf, key("bos_token_id").c_str(), id("<s>"));
        gguf_set_val_u32(gguf, key("eos_token_id").c_str(), id("</s>"));
        gguf_set_val_u32(gguf, key("unknown_token_id").c_str(), id("<unk>"));
    } else {
        v = word_piece_vocabulary();
        gguf_set_val_str(gguf, key("model").c_str(), "bert");
        gguf_set_val_u32(gguf, key("unknown_token_id").c_str(), id("[UNK]"));
    }
    while (v.tokens.size() % 32 != 0)
        v.add("<pad" + std::to_string(v.tokens.size()) + ">", kControl);
    set_strings(gguf, key("tokens").c_str(), v.tokens);
    gguf_set_arr_data(gguf, key("scores").c_str(), GGUF_TYPE_FLOAT32, v.scores.data(),
                      v.scores.size());
    gguf_set_arr_data(gguf, key("token_type").c_str(), GGUF_TYPE_INT32, v.types.data(),
                      v.types.size());
    gguf_set_val_bool(gguf, key("add_bos_token").c_str(), model.add_bos);
    if (!model.chat_template.empty()) {
        gguf_set_val_str(gguf, "tokenizer.chat_template", model.chat_template.c_str());
    }
    return v.tokens.size();
}

void set_shape(gguf_context* gguf, const TinyModel& m) {
    const auto key = [&](const char* name) { return m.arch + "." + name; };
    const auto number = [&](const char* name, uint32_t value) {
        gguf_set_val_u32(gguf, key(name).c_str(), value);
    };
    gguf_set_val_str(gguf, "general.architecture", m.arch.c_str());
    number("context_length", 2048);
    number("embedding_length", m.n_embd);
    number("block_count", m.n_layer);
    number("feed_forward_length", m.n_ff);
    number("attention.head_count", m.n_head);
    if (m.per_layer_arrays) {
        const std::vector<uint32_t> heads(m.n_layer, m.n_head_kv);
        gguf_set_arr_data(gguf, key("attention.head_count_kv").c_str(), GGUF_TYPE_UINT32,
                          heads.data(), heads.size());
    } else {
        number("attention.head_count_kv", m.n_head_kv);
    }
    number("attention.key_length", m.d_head);
    number("attention.value_length", m.d_head);
    number("rope.dimension_count", m.d_head);
    if (m.arch == "gemma3") number("attention.sliding_window", 64);
    gguf_set_val_f32(gguf, key("attention.layer_norm_rms_epsilon").c_str(), 1e-5f);
    gguf_set_val_f32(gguf, key("rope.freq_base").c_str(), 10000.0f);
    for (const auto& [name, value] : m.extra_numbers) number(name.c_str(), value);
}

class TensorWriter {
  public:
    TensorWriter(gguf_context* gguf, uint32_t seed)
        : gguf_(gguf), random_(seed), context_(ggml_init({size_t{64} << 20, nullptr, false})) {}

    void matrix(const std::string& name, int64_t in, int64_t out) {
        ggml_tensor* t = ggml_new_tensor_2d(context_.get(), GGML_TYPE_F32, in, out);
        fill(name, t, 0.0f, 1.0f / std::sqrt(static_cast<float>(in)));
    }
    void vector(const std::string& name, int64_t n, float mean, float spread) {
        fill(name, ggml_new_tensor_1d(context_.get(), GGML_TYPE_F32, n), mean, spread);
    }
    TinyWeights weights;

  private:
    void fill(const std::string& name, ggml_tensor* t, float mean, float spread) {
        std::normal_distribution<float> normal(mean, spread);
        auto* data = static_cast<float*>(t->data);
        for (int64_t i = 0; i < ggml_nelements(t); ++i) data[i] = normal(random_);
        ggml_set_name(t, name.c_str());
        gguf_add_tensor(gguf_, t);
        weights[name].assign(data, data + ggml_nelements(t));
    }
    gguf_context* gguf_;
    std::mt19937 random_;
    ggml_context_ptr context_;
};

void add_layer(TensorWriter& w, const TinyModel& m, uint32_t layer) {
    const std::string blk = "blk." + std::to_string(layer) + ".";
    const uint32_t q = m.n_head * m.d_head, kv = m.n_head_kv * m.d_head;
    w.vector(blk + "attn_norm.weight", m.n_embd, 1, 0.1f);
    if (m.fused_qkv || m.arch == "phi3") {
        w.matrix(blk + "attn_qkv.weight", m.n_embd, q + 2 * kv);
    } else {
        w.matrix(blk + "attn_q.weight", m.n_embd, q);
        w.matrix(blk + "attn_k.weight", m.n_embd, kv);
        w.matrix(blk + "attn_v.weight", m.n_embd, kv);
    }
    if (m.arch == "qwen2") {
        w.vector(blk + "attn_q.bias", q, 0, 0.5f);
        w.vector(blk + "attn_k.bias", kv, 0, 0.5f);
        w.vector(blk + "attn_v.bias", kv, 0, 0.5f);
    }
    if (m.arch == "qwen3" || m.arch == "gemma3") {
        w.vector(blk + "attn_q_norm.weight", m.d_head, 1, 0.1f);
        w.vector(blk + "attn_k_norm.weight", m.d_head, 1, 0.1f);
    }
    w.matrix(blk + "attn_output.weight", q, m.n_embd);
    w.vector(blk + "ffn_norm.weight", m.n_embd, 1, 0.1f);
    if (m.arch == "gemma3") {
        w.vector(blk + "post_attention_norm.weight", m.n_embd, 1, 0.1f);
        w.vector(blk + "post_ffw_norm.weight", m.n_embd, 1, 0.1f);
    }
    if (m.arch != "phi3") w.matrix(blk + "ffn_gate.weight", m.n_embd, m.n_ff);
    w.matrix(blk + "ffn_up.weight", m.n_embd, m.arch == "phi3" ? 2 * m.n_ff : m.n_ff);
    w.matrix(blk + "ffn_down.weight", m.n_ff, m.n_embd);
}

}  // namespace

TinyWeights write_tiny_gguf(const TinyModel& model, const std::string& path) {
    const std::unique_ptr<gguf_context, GgufFree> gguf(gguf_init_empty());
    set_shape(gguf.get(), model);
    const auto n_vocab = static_cast<int64_t>(set_vocabulary(gguf.get(), model));
    TensorWriter writer(gguf.get(), model.seed);
    if (model.with_tensors) {
        writer.matrix("token_embd.weight", model.n_embd, n_vocab);
        for (uint32_t i = 0; i < model.n_layer; ++i) add_layer(writer, model, i);
        writer.vector("output_norm.weight", model.n_embd, 1, 0.1f);
        if (model.arch != "gemma3") writer.matrix("output.weight", model.n_embd, n_vocab);
    }
    if (!gguf_write_to_file(gguf.get(), path.c_str(), false)) {
        throw std::runtime_error("cannot write " + path);
    }
    return writer.weights;
}

TempDir::TempDir() {
    std::string name = (std::filesystem::temp_directory_path() / "s3attn-model-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
}

TempDir::~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string real_model_path() {
    if (const char* path = std::getenv("S3ATTN_TEST_MODEL")) return path;
#ifdef S3ATTN_TEST_MODEL
    if (std::filesystem::exists(S3ATTN_TEST_MODEL)) return S3ATTN_TEST_MODEL;
#endif
    return {};
}

}  // namespace s3attn

// Tiny random GGUF models, written by the tests: every architecture and both tokenizer families
// without any download, loaded in milliseconds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace s3attn {

struct TinyModel {
    enum class Vocab { kBpe, kSpm, kWordPiece };
    std::string arch = "llama";  // llama, qwen2, qwen3, gemma3, phi3, smollm3
    Vocab vocab = Vocab::kBpe;
    uint32_t n_layer = 4;
    uint32_t n_embd = 128, n_head = 4, n_head_kv = 2, d_head = 32, n_ff = 256;
    bool fused_qkv = false;         // always for phi3
    bool per_layer_arrays = false;  // head_count_kv as one value per layer
    bool add_bos = false;
    uint32_t seed = 7;
    std::map<std::string, uint32_t> extra_numbers = {};  // further fields
    std::string chat_template = {};
    bool with_tensors = true;
};

// Row-major: weight [out][in] as rows of `in` floats.
using TinyWeights = std::map<std::string, std::vector<float>>;

TinyWeights write_tiny_gguf(const TinyModel& model, const std::string& path);

// A directory that disappears with the object.
class TempDir {
  public:
    TempDir();
    ~TempDir();
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    std::string operator/(const std::string& name) const { return (path_ / name).string(); }
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

// Path of the real model, from S3ATTN_TEST_MODEL (environment, then compile definition); empty
// when there is none.
std::string real_model_path();

}  // namespace s3attn

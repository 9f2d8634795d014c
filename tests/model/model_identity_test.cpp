// Which model a file holds: the same for its quantisations, another for another training.
#include "model/model_identity.h"

#include <gtest/gtest.h>
#include <llama.h>

#include "model/llama_model.h"
#include "tiny_gguf.h"

namespace s3attn {
namespace {

std::string identity_of(const std::string& path) {
    const auto info = read_model_info(path);
    EXPECT_TRUE(info.ok()) << info.error().message;
    return info.ok() ? info->identity : std::string();
}

std::string identity_of(const TempDir& dir, const TinyModel& model) {
    write_tiny_gguf(model, dir / "model.gguf");
    return identity_of(dir / "model.gguf");
}

std::string quantised(const std::string& from, const std::string& to, llama_ftype type) {
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = type;
    params.nthread = 1;
    params.allow_requantize = true;
    EXPECT_EQ(llama_model_quantize(from.c_str(), to.c_str(), &params), 0u);
    return to;
}

TEST(ModelIdentity, OutlivesQuantisation) {
    for (const char* arch : {"llama", "qwen2", "gemma3"}) {
        const TempDir dir;
        const std::string original = dir / "original.gguf";
        write_tiny_gguf({.arch = arch, .n_embd = 256}, original);
        const std::string identity = identity_of(original);
        EXPECT_EQ(identity.size(), 32u);
        for (const llama_ftype type : {LLAMA_FTYPE_MOSTLY_F16, LLAMA_FTYPE_MOSTLY_Q8_0,
                                       LLAMA_FTYPE_MOSTLY_Q4_K_M, LLAMA_FTYPE_MOSTLY_Q4_1}) {
            const std::string other = quantised(original, dir / "other.gguf", type);
            EXPECT_EQ(identity_of(other), identity) << arch << " " << type;
            EXPECT_NE(read_model_info(other)->file_hash, read_model_info(original)->file_hash);
        }
    }
}

TEST(ModelIdentity, TellsModelsOfOneShapeApart) {
    const TempDir dir;
    const std::string base = identity_of(dir, {});
    EXPECT_EQ(base, identity_of(dir, {}));
    EXPECT_NE(base, identity_of(dir, {.seed = 8})) << "another training";
    EXPECT_NE(base, identity_of(dir, {.n_layer = 3}));
    EXPECT_NE(base, identity_of(dir, {.n_ff = 512}));
    EXPECT_NE(base, identity_of(dir, {.vocab = TinyModel::Vocab::kSpm}));
    // What converters write in more than one way.
    EXPECT_EQ(base, identity_of(dir, {.add_bos = true}));
    EXPECT_EQ(base, identity_of(dir, {.chat_template = "{{ messages }}"}));
}

}  // namespace
}  // namespace s3attn

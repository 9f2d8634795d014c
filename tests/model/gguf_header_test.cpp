// Missing, damaged and unsuitable model files: one clear error each, never a crash.
#include "model/gguf_header.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "base/files.h"
#include "model/reader.h"
#include "s3attn/model_log.h"
#include "tiny_gguf.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

void write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
}

// The error of each way to open the file; they must agree.
Error open_error(const std::string& path) {
    const auto info = read_model_info(path);
    const auto scanner = open_llama_scanner({.model_path = path, .threads = 1, .cache_dir = ""});
    const auto reader = open_llama_reader({.model_path = path, .threads = 1});
    EXPECT_FALSE(info.ok());
    EXPECT_FALSE(scanner.ok());
    EXPECT_FALSE(reader.ok());
    if (info.ok() || scanner.ok() || reader.ok()) return {};
    EXPECT_EQ(info.error().message, scanner.error().message);
    EXPECT_EQ(info.error().message, reader.error().message);
    EXPECT_NE(info.error().message.find(path), std::string::npos) << info.error().message;
    return info.error();
}

void ours(ggml_log_level, const char*, void*) {}

// The log belongs to the process: whoever sets it keeps it, whatever the library opens.
TEST(ModelLog, TheLibraryLeavesItAlone) {
    const TempDir dir;
    const std::string path = dir / "cut.gguf";
    write_tiny_gguf({}, path);
    fs::resize_file(path, 200);
    int mark = 0;
    llama_log_set(ours, &mark);
    const Error unsaid = open_error(path);
    ggml_log_callback now = nullptr;
    void* data = nullptr;
    llama_log_get(&now, &data);
    EXPECT_EQ(now, ours);
    EXPECT_EQ(data, &mark);
    EXPECT_NE(unsaid.message.find("log says why"), std::string::npos) << unsaid.message;
    // Given to set_model_log(), it reaches the messages too.
    set_model_log(nullptr);
    const Error said = open_error(path);
    EXPECT_EQ(said.message.find("log says why"), std::string::npos) << said.message;
    EXPECT_NE(said.message.find("gguf"), std::string::npos) << said.message;
}

TEST(GgufHeader, ReadsWhatTheModelStates) {
    const TempDir dir;
    const std::string path = dir / "tiny.gguf";
    write_tiny_gguf({.arch = "qwen3", .n_layer = 3}, path);
    const auto info = read_model_info(path);
    ASSERT_TRUE(info.ok()) << info.error().message;
    EXPECT_EQ(info->name, "tiny.gguf");
    EXPECT_EQ(info->architecture, "qwen3");
    EXPECT_EQ(info->n_layer, 3u);
    EXPECT_EQ(info->n_head, 4u);
    EXPECT_EQ(info->n_head_kv, 2u);
    EXPECT_EQ(info->d_head, 32u);
    EXPECT_EQ(info->n_ctx_train, 2048u);
    EXPECT_EQ(info->file_bytes, fs::file_size(path));
    EXPECT_EQ(info->file_hash, *hash_file(path));
    EXPECT_EQ(info->tokenizer_hash.size(), 32u);
}

TEST(GgufHeader, TokenizerHashFollowsTheVocabularyOnly) {
    const TempDir dir;
    const auto hash = [&](const TinyModel& model) {
        write_tiny_gguf(model, dir / "m.gguf");
        return read_model_info(dir / "m.gguf")->tokenizer_hash;
    };
    const std::string base = hash({});
    EXPECT_EQ(base, hash({.n_layer = 2, .seed = 99}));
    EXPECT_EQ(base, hash({.chat_template = "anything"}));
    EXPECT_NE(base, hash({.vocab = TinyModel::Vocab::kSpm}));
    EXPECT_NE(base, hash({.add_bos = true}));
}

TEST(GgufHeader, NamesWhatIsWrongWithAFile) {
    const TempDir dir;
    EXPECT_EQ(open_error(dir / "absent.gguf").code, ErrorCode::kNotFound);
    EXPECT_EQ(open_error(dir.path().string()).code, ErrorCode::kInvalidArgument);
    write(dir / "empty.gguf", "");
    EXPECT_NE(open_error(dir / "empty.gguf").message.find("empty"), std::string::npos);
    write(dir / "text.gguf", "Once upon a time there was no model at all.");
    EXPECT_NE(open_error(dir / "text.gguf").message.find("GGUF"), std::string::npos);
    write(dir / "stub.gguf", "GGUF\x03");
    EXPECT_EQ(open_error(dir / "stub.gguf").code, ErrorCode::kCorrupt);
    write(dir / "zero.gguf", std::string("GGUF\x03\0\0\0", 8) + std::string(64, '\0'));
    EXPECT_EQ(open_error(dir / "zero.gguf").code, ErrorCode::kCorrupt);
    write(dir / "huge.gguf", std::string("GGUF\x03\0\0\0", 8) + std::string(64, '\xff'));
    EXPECT_EQ(open_error(dir / "huge.gguf").code, ErrorCode::kCorrupt);
    EXPECT_EQ(open_error("/dev/null").code, ErrorCode::kInvalidArgument);
}

TEST(GgufHeader, TruncationSaysHowManyBytesAreMissing) {
    const TempDir dir;
    const std::string path = dir / "cut.gguf";
    write_tiny_gguf({}, path);
    const std::string whole = *read_file(path, 1u << 30);
    // The last tensor is not padded to more than 32 bytes.
    for (const size_t cut : {size_t{1000}, whole.size() / 2}) {
        write(path, whole.substr(0, whole.size() - cut));
        const Error error = open_error(path);
        EXPECT_EQ(error.code, ErrorCode::kCorrupt);
        EXPECT_NE(error.message.find("bytes are missing"), std::string::npos) << error.message;
    }
    for (size_t keep = 4; keep < 9000; keep += 97) {
        write(path, whole.substr(0, keep));
        EXPECT_FALSE(read_model_info(path).ok()) << keep;
    }
}

// Any single damaged byte of the header: opened or refused, never a crash.
TEST(GgufHeader, DamagedHeadersDoNotCrash) {
    const TempDir dir;
    const std::string path = dir / "bad.gguf";
    write_tiny_gguf({.n_layer = 1}, path);
    const std::string whole = *read_file(path, 1u << 30);
    std::mt19937 random(5);
    for (int i = 0; i < 400; ++i) {
        std::string bytes = whole;
        const size_t at = random() % 12000;
        bytes[at] = static_cast<char>(random());
        write(path, bytes);
        const auto info = read_model_info(path);
        if (!info.ok()) {
            EXPECT_FALSE(info.error().message.empty());
        }
    }
}

TEST(GgufHeader, PartsOfSplitModelsAreRefused) {
    const TempDir dir;
    TinyModel model;
    model.arch = "split";  // makes the extra field "split.count"
    model.extra_numbers["count"] = 3;
    write_tiny_gguf(model, dir / "part.gguf");
    const Error error = open_error(dir / "part.gguf");
    EXPECT_EQ(error.code, ErrorCode::kUnsupported);
    EXPECT_NE(error.message.find("merge"), std::string::npos);
}

}  // namespace
}  // namespace s3attn

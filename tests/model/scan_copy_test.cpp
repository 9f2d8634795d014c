// The scan copy: same keys within noise, and never a half copy taken for a whole one.
#include "model/scan_copy.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "base/files.h"
#include "capture_helpers.h"
#include "model/llama_model.h"
#include "tiny_gguf.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

class Notes : public ProgressSink {
  public:
    void update(const Progress&) override {}
    void note(const std::string& message) override { lines.push_back(message); }
    bool mention(const std::string& word) const {
        for (const std::string& line : lines) {
            if (line.find(word) != std::string::npos) return true;
        }
        return false;
    }
    std::vector<std::string> lines;
};

class ScanCopyTest : public testing::Test {
  protected:
    void SetUp() override {
        path_ = dir_ / "tiny.gguf";
        cache_ = dir_ / "cache";
    }
    std::unique_ptr<Scanner> open(const std::string& cache, int32_t deepest,
                                  ScanTuning tuning = {}) {
        auto scanner = open_tuned_scanner({.model_path = path_,
                                           .threads = 1,
                                           .chunk_tokens = 64,
                                           .deepest_layer = deepest,
                                           .cache_dir = cache},
                                          tuning, &notes_);
        EXPECT_TRUE(scanner.ok()) << scanner.error().message;
        return scanner.ok() ? std::move(scanner).value() : nullptr;
    }
    std::vector<fs::path> copies() const {
        std::vector<fs::path> found;
        if (!fs::exists(cache_)) return found;
        for (const auto& entry : fs::directory_iterator(cache_)) {
            if (entry.path().extension() == ".gguf") found.push_back(entry.path());
        }
        return found;
    }
    size_t leftovers() const {
        size_t n = 0;
        for (const auto& entry : fs::directory_iterator(cache_)) {
            n += entry.path().filename().string().find(".tmp.") != std::string::npos;
        }
        return n;
    }

    TempDir dir_;
    std::string path_, cache_;
    Notes notes_;
};

std::vector<int32_t> some_tokens() {
    std::vector<int32_t> tokens(64);
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<int32_t>(i * 37 % 256);
    return tokens;
}

ScanTuning sixteen_bits(llama_ftype type, const char* label) {
    ScanTuning tuning;
    tuning.copy_type = type;
    tuning.copy_label = label;
    return tuning;
}
const ScanTuning kF16 = sixteen_bits(LLAMA_FTYPE_MOSTLY_F16, "F16");
const ScanTuning kBf16 = sixteen_bits(LLAMA_FTYPE_MOSTLY_BF16, "BF16");  // of cards

// What is in 16 bits already is cut, not converted: the same keys to the last bit.
TEST_F(ScanCopyTest, SixteenBitsStayAsTheyAre) {
    const std::string whole = path_;
    for (const ScanTuning& half : {kF16, kBf16}) {
        SCOPED_TRACE(half.copy_label);
        path_ = whole;
        write_tiny_gguf(TinyModel{}, path_);
        ASSERT_TRUE(open(cache_, 3, half));
        ASSERT_EQ(copies().size(), 1u);
        path_ = copies().front().string();
        auto original = open("", 1);
        auto copy = open(dir_ / "cache2", 1, half);
        ASSERT_TRUE(original && copy);
        EXPECT_FALSE(notes_.mention("itself")) << notes_.lines.back();
        const Captured a = capture_all(*original, some_tokens(), {0, 1});
        const Captured b = capture_all(*copy, some_tokens(), {0, 1});
        for (const uint32_t layer : {0u, 1u}) {
            EXPECT_EQ(max_difference(a.layers.at(layer), b.layers.at(layer)), 0) << layer;
        }
        fs::remove_all(cache_);
    }
}

TEST_F(ScanCopyTest, EveryArchitectureKeepsItsKeys) {
    for (const char* arch : {"llama", "qwen2", "qwen3", "gemma3", "phi3", "smollm3"}) {
        SCOPED_TRACE(arch);
        TinyModel model;
        model.arch = arch;
        model.per_layer_arrays = model.arch == "llama";
        write_tiny_gguf(model, path_);
        auto original = open("", 2);
        auto copy = open(cache_, 2);
        auto for_cards = open(cache_, 2, kBf16);
        ASSERT_TRUE(original && copy && for_cards);
        EXPECT_FALSE(notes_.mention("itself")) << notes_.lines.back();
        EXPECT_EQ(copy->info().file_hash, original->info().file_hash);
        EXPECT_EQ(copy->info().tokenizer_hash, original->info().tokenizer_hash);
        EXPECT_EQ(copy->info().n_layer, 4u) << "the original's";
        for (const Projection projection : {Projection::kKey, Projection::kQuery}) {
            const Captured a = capture_all(*original, some_tokens(), {0, 1, 2}, projection);
            const Captured b = capture_all(*copy, some_tokens(), {0, 1, 2}, projection);
            const Captured c = capture_all(*for_cards, some_tokens(), {0, 1, 2}, projection);
            for (const uint32_t layer : {0u, 1u, 2u}) {
                EXPECT_GE(worst_cosine(a.layers.at(layer), b.layers.at(layer), 32), 0.99);
                EXPECT_GE(worst_cosine(a.layers.at(layer), c.layers.at(layer), 32), 0.99);
            }
        }
        for (const auto& file : copies()) {
            const auto header = GgufHeader::open(file.string());
            ASSERT_TRUE(header.ok());
            EXPECT_EQ(header->number(header->arch_key("block_count")), 3u);
            EXPECT_LT(gguf_find_tensor(header->gguf(), "blk.3.attn_norm.weight"), 0);
            EXPECT_LT(gguf_find_tensor(header->gguf(), "output.weight"), 0);
        }
        fs::remove_all(cache_);
    }
}

TEST_F(ScanCopyTest, UnquantisedSliceGivesTheSameBits) {
    write_tiny_gguf({.per_layer_arrays = true}, path_);
    auto header = GgufHeader::open(path_);
    ASSERT_TRUE(header.ok());
    const std::string slice = dir_ / "slice.gguf";
    ASSERT_TRUE(write_sliced_gguf(*header, 2, false, slice).ok());
    EXPECT_EQ(fs::file_size(slice) < fs::file_size(path_), true);
    auto whole = open("", 1);
    path_ = slice;
    auto cut = open("", 1);
    ASSERT_TRUE(whole && cut);
    const Captured a = capture_all(*whole, some_tokens(), {0, 1});
    const Captured b = capture_all(*cut, some_tokens(), {0, 1});
    EXPECT_EQ(a.layers, b.layers);
}

TEST_F(ScanCopyTest, IsMadeOnceAndRemadeWhenDamaged) {
    write_tiny_gguf({}, path_);
    ASSERT_TRUE(open(cache_, 1));
    ASSERT_EQ(copies().size(), 1u);
    const std::string copy = copies()[0].string();
    const std::string good = *hash_file(copy);
    EXPECT_EQ(leftovers(), 0u);
    ASSERT_EQ(notes_.lines.size(), 1u);
    ASSERT_TRUE(open(cache_, 1));
    EXPECT_EQ(notes_.lines.size(), 1u) << "used as it is";

    const auto damage = [&](const std::string& what, const auto& how) {
        SCOPED_TRACE(what);
        how();
        notes_.lines.clear();
        ASSERT_TRUE(open(cache_, 1));
        EXPECT_TRUE(notes_.mention("making"));
        EXPECT_EQ(*hash_file(copy), good);
    };
    damage("cut", [&] { fs::resize_file(copy, fs::file_size(copy) - 100); });
    damage("empty", [&] { fs::resize_file(copy, 0); });
    damage("flipped byte", [&] {
        std::fstream file(copy, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(static_cast<std::streamoff>(fs::file_size(copy) / 2));
        file.put('\x55').put('\xAA');
    });
    damage("no hash", [&] { fs::remove(copy + ".xxh3"); });

    ASSERT_TRUE(open(cache_, 2));
    EXPECT_EQ(copies().size(), 2u) << "another depth is another copy";
}

TEST_F(ScanCopyTest, WithoutAPlaceForItTheFileItselfIsScanned) {
    write_tiny_gguf({}, path_);
    std::ofstream(dir_ / "file") << "in the way";
    auto scanner = open(dir_ / "file", 1);  // not a directory: fails for root as well
    ASSERT_TRUE(scanner);
    EXPECT_TRUE(notes_.mention("itself"));
    auto plain = open("", 1);
    EXPECT_EQ(capture_all(*scanner, some_tokens(), {1}).layers,
              capture_all(*plain, some_tokens(), {1}).layers);
}

// Makers are separate processes: children that run only this. Started before llama.cpp has made
// threads in this process would be better still; exec gives them a fresh one.
pid_t start_maker(const std::string& model, const std::string& cache) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    ::setenv("S3ATTN_MAKER_MODEL", model.c_str(), 1);
    ::setenv("S3ATTN_MAKER_CACHE", cache.c_str(), 1);
    ::execl("/proc/self/exe", "model_tests", "--gtest_filter=ScanCopyMaker.Run", "--gtest_brief=1",
            nullptr);
    ::_exit(127);
}

TEST(ScanCopyMaker, Run) {
    const char* model = std::getenv("S3ATTN_MAKER_MODEL");
    if (model == nullptr) GTEST_SKIP() << "run by the tests below, in a process of its own";
    const auto scanner = open_llama_scanner({.model_path = model,
                                             .threads = 1,
                                             .chunk_tokens = 32,
                                             .deepest_layer = 7,
                                             .cache_dir = std::getenv("S3ATTN_MAKER_CACHE")});
    ASSERT_TRUE(scanner.ok()) << scanner.error().message;
}

int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return status;
}

TEST_F(ScanCopyTest, TwoMakersAtOnce) {
    write_tiny_gguf({.n_layer = 10}, path_);
    const pid_t a = start_maker(path_, cache_), b = start_maker(path_, cache_);
    EXPECT_EQ(wait_for(a), 0);
    EXPECT_EQ(wait_for(b), 0);
    EXPECT_EQ(copies().size(), 1u);
    EXPECT_EQ(leftovers(), 0u);
}

TEST_F(ScanCopyTest, KilledMakersLeaveNothingThatIsTakenForWhole) {
    write_tiny_gguf({.n_layer = 10, .n_ff = 1024}, path_);
    std::mt19937 random(11);
    auto reference = open("", 7);
    ASSERT_TRUE(reference);
    const Captured expected = capture_all(*reference, some_tokens(), {7});
    // Killed at some moment of what an undisturbed one takes here.
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(wait_for(start_maker(path_, cache_)), 0);
    const std::chrono::microseconds whole = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now() - begin);
    fs::remove_all(cache_);
    int killed = 0;
    for (int round = 0; round < 12; ++round) {
        const pid_t maker = start_maker(path_, cache_);
        std::this_thread::sleep_for(whole * (random() % 1000) / 1000);
        ::kill(maker, SIGKILL);
        killed += WIFSIGNALED(wait_for(maker)) ? 1 : 0;
        for (const auto& file : copies()) {
            EXPECT_TRUE(GgufHeader::open(file.string()).ok());
        }
        if (round % 4 != 3) continue;
        auto scanner = open(cache_, 7);
        ASSERT_TRUE(scanner);
        const Captured got = capture_all(*scanner, some_tokens(), {7});
        EXPECT_GE(worst_cosine(got.layers.at(7), expected.layers.at(7), 32), 0.98);
        EXPECT_EQ(leftovers(), 0u);
        fs::remove_all(cache_);
    }
    EXPECT_GT(killed, 0);
}

}  // namespace
}  // namespace s3attn

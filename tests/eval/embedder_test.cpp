// The dense baseline against embeddings computed in NumPy from the published weights
// (make_reference.py).
#include "model/embedder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace s3attn {
namespace {

std::string embedder_path() {
    if (const char* own = std::getenv("S3ATTN_TEST_EMBEDDER")) return own;
    return S3ATTN_TEST_EMBEDDER;
}

double cosine(const std::vector<float>& a, const std::vector<double>& b) {
    double dot = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        dot += a[i] * b[i];
        aa += double{a[i]} * a[i];
        bb += b[i] * b[i];
    }
    return dot / std::sqrt(aa * bb);
}

TEST(Embedder, EqualsTheReference) {
    if (!std::filesystem::is_regular_file(embedder_path())) {
        GTEST_SKIP() << embedder_path() << " is not there: scripts/setup.sh --embedder";
    }
    std::ifstream file(S3ATTN_REFERENCE);
    const auto reference = nlohmann::json::parse(file);
    ASSERT_GE(reference.size(), 8u);
    const auto embedder = open_llama_embedder({embedder_path(), 1, 256});
    ASSERT_TRUE(embedder.ok()) << embedder.error().message;
    std::vector<std::string> texts;
    for (const auto& row : reference) texts.push_back(row["text"].get<std::string>());
    const auto together = (*embedder)->embed(texts);
    ASSERT_TRUE(together.ok()) << together.error().message;
    for (size_t i = 0; i < texts.size(); ++i) {
        const auto expected = reference[i]["embedding"].get<std::vector<double>>();
        ASSERT_EQ((*together)[i].size(), expected.size());
        EXPECT_GT(cosine((*together)[i], expected), 0.9999) << texts[i].substr(0, 60);
        // Company in the batch changes nothing.
        const auto alone = (*embedder)->embed({&texts[i], 1});
        ASSERT_TRUE(alone.ok());
        EXPECT_GT(cosine((*alone)[0], expected), 0.9999) << texts[i].substr(0, 60);
    }
}

TEST(Embedder, RefusesWhatIsNone) {
    EXPECT_FALSE(open_llama_embedder({"/nonexistent.gguf", 1, 256}).ok());
    const std::string model = S3ATTN_TEST_MODEL;
    if (!std::filesystem::is_regular_file(model)) GTEST_SKIP() << "no model";
    const auto embedder = open_llama_embedder({model, 1, 256});
    ASSERT_FALSE(embedder.ok());
    EXPECT_NE(embedder.error().message.find("embedding"), std::string::npos);
}

}  // namespace
}  // namespace s3attn

// Which adapter serves a model.
#include "adapter/adapter_search.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "adapter/adapter.h"
#include "random_adapter.h"
#include "temporary_directory.h"

namespace s3attn {
namespace {

class AdapterSearch : public testing::Test {
  protected:
    std::string save(const std::string& name, const std::string& hash,
                     const std::string& identity) {
        Adapter adapter = test::random_adapter(1);
        adapter.model_name = name + ".gguf";
        adapter.model_hash = hash;
        adapter.model_identity = identity;
        const std::string path = directory_ / name;
        EXPECT_TRUE(save_adapter(adapter, path).ok());
        EXPECT_EQ(load_adapter(path)->model_identity, identity);
        return path;
    }
    std::string found(const std::string& hash, const std::string& identity) {
        const auto path = find_adapter({directory_.path()}, hash, identity);
        return path.ok() ? *path : path.error().message;
    }
    test::TemporaryDirectory directory_;
};

TEST_F(AdapterSearch, TheFilesOwnAdapterComesBeforeThatOfItsModel) {
    const std::string model = save("a-of-the-model", "h1", "m");
    EXPECT_EQ(found("h1", "m"), model);
    EXPECT_EQ(found("h2", "m"), model) << "another quantisation";
    const std::string own = save("b-of-the-file", "h2", "m");
    EXPECT_EQ(found("h2", "m"), own);
    EXPECT_EQ(found("h3", "m"), model);
}

// Adapters of older programs, and models without norms, have no identity: none equals none not.
TEST_F(AdapterSearch, NoIdentityFitsNothingButTheFile) {
    const std::string old = save("old", "h1", "");
    EXPECT_EQ(found("h1", "m"), old);
    EXPECT_EQ(found("h2", ""), "there are adapters for old.gguf");
    EXPECT_EQ(found("h2", "m"), "there are adapters for old.gguf");
}

TEST_F(AdapterSearch, TheMessageNamesEachModelOnceAndWhatCannotBeRead) {
    save("one", "h1", "m1");
    save("two", "h2", "m2");
    EXPECT_EQ(find_adapter({directory_.path(), directory_.path()}, "h", "m").error().message,
              "there are adapters for one.gguf, two.gguf");
    std::filesystem::create_directory(directory_ / "broken");
    std::ofstream(directory_ / "broken/adapter.json") << "{";
    EXPECT_NE(found("h", "m").find("broken/adapter.json"), std::string::npos);
    EXPECT_EQ(find_adapter({directory_ / "nothing"}, "h", "m").error().message,
              "there are no adapters");
}

}  // namespace
}  // namespace s3attn

#include "adapter/sae_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "adapter/sae_file.h"
#include "base/files.h"
#include "random_adapter.h"
#include "temporary_directory.h"

namespace s3attn {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class SaeImport : public testing::Test {
  protected:
    static constexpr uint32_t kD = 6, kLatents = 300;

    // Writes our own layout for layer 5, KV head 2, with fields of cfg.json changed.
    void write(uint32_t k, const json& changes) {
        std::mt19937 rng{1};
        const auto files = serialize_sae(test::random_sae(rng, kD, kLatents, k), {"m", 5, 2}, "x");
        json config = json::parse((*files)[0].second);
        config.update(changes);
        test::spit(directory_ / "cfg.json", config.dump());
        test::spit(directory_ / "sae_weights.safetensors", (*files)[1].second);
    }
    std::string error(uint32_t d = kD) {
        const auto imported = import_sae(directory_.path(), 5, 2, d);
        if (imported.ok()) return "accepted";
        EXPECT_EQ(imported.error().code, ErrorCode::kMismatch);
        return imported.error().message;
    }

    test::TemporaryDirectory directory_;
};

TEST_F(SaeImport, OursComeBack) {
    write(3, json::object());
    const auto imported = import_sae(directory_.path(), 5, 2, kD);
    ASSERT_TRUE(imported.ok()) << imported.error().message;
    EXPECT_TRUE(imported->knows_input);
    EXPECT_EQ(imported->sae.k, 3u);
    EXPECT_EQ(imported->sae.latents, kLatents);
}

TEST_F(SaeImport, TheFieldThatDiffersIsNamed) {
    write(3, json::object());
    EXPECT_THAT(error(64), HasSubstr("field 'd_in' is 6, expected 64"));
    write(65, json::object());
    EXPECT_THAT(error(), HasSubstr("field 'k' is 65, expected at most 64"));
    write(3, {{"hook_layer", 4}});
    EXPECT_THAT(error(), HasSubstr("field 'hook_layer' is 4, expected 5"));
    write(3, {{"hook_head_index", 0}});
    EXPECT_THAT(error(), HasSubstr("field 'hook_head_index' is 0, expected 2"));
    write(3, {{"hook_name", "blocks.5.hook_mlp_out"}});
    EXPECT_THAT(error(), HasSubstr("field 'hook_name' is 'blocks.5.hook_mlp_out'"));
}

TEST_F(SaeImport, FieldsOfSaelensSixStandUnderMetadata) {
    write(3, {{"hook_head_index", nullptr}});
    json config = json::parse(*read_file(directory_ / "cfg.json", 1 << 20));
    for (const char* field : {"hook_name", "hook_layer", "hook_head_index", "s3attn_input"}) {
        config.erase(field);
    }
    test::spit(directory_ / "cfg.json", config.dump());
    const auto silent = import_sae(directory_.path(), 5, 2, kD);
    ASSERT_TRUE(silent.ok());
    EXPECT_FALSE(silent->knows_input);
    config["metadata"] = {{"hook_name", "model.layers.5.self_attn.k_proj"}, {"hook_head_index", 1}};
    test::spit(directory_ / "cfg.json", config.dump());
    EXPECT_THAT(error(), HasSubstr("field 'hook_head_index' is 1, expected 2"));
}

}  // namespace
}  // namespace s3attn

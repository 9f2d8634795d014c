#include "adapter/sae_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "adapter/safetensors.h"
#include "random_adapter.h"
#include "temporary_directory.h"

namespace s3attn {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class SaeFile : public testing::Test {
  protected:
    static constexpr uint32_t kD = 6, kLatents = 10, kK = 3;

    void write_saelens(const json& config) {
        test::spit(directory_ / "cfg.json", config.dump());
        test::spit(directory_ / "sae_weights.safetensors",
                   *serialize_safetensors({{"W_enc", {kD, kLatents}, sae_.w_enc},
                                           {"b_enc", {kLatents}, sae_.b_enc},
                                           {"W_dec", {kLatents, kD}, sae_.w_dec},
                                           {"b_dec", {kD}, sae_.b_dec}},
                                          {}, "x"));
    }
    std::string error() { return read_sae(directory_.path()).error().message; }

    std::mt19937 rng_{1};
    SparseAutoencoder sae_ = test::random_sae(rng_, kD, kLatents, kK);
    test::TemporaryDirectory directory_;
    const json config_ = {{"architecture", "topk"}, {"d_in", kD}, {"d_sae", kLatents}, {"k", kK}};
};

void expect_equal(const SparseAutoencoder& a, const SparseAutoencoder& b) {
    EXPECT_EQ(a.k, b.k);
    EXPECT_EQ(a.w_enc, b.w_enc);
    EXPECT_EQ(a.b_enc, b.b_enc);
    EXPECT_EQ(a.w_dec, b.w_dec);
    EXPECT_EQ(a.b_dec, b.b_dec);
}

TEST_F(SaeFile, ReadsSaeLens) {
    write_saelens(config_);
    const auto sae = read_sae(directory_.path());
    ASSERT_TRUE(sae.ok()) << sae.error().message;
    expect_equal(*sae, sae_);
}

TEST_F(SaeFile, ReadsSaeLensBeforeVersion6) {
    write_saelens({{"architecture", "standard"},
                   {"activation_fn_str", "topk"},
                   {"activation_fn_kwargs", {{"k", kK}}},
                   {"d_in", kD},
                   {"d_sae", kLatents}});
    const auto sae = read_sae(directory_.path());
    ASSERT_TRUE(sae.ok()) << sae.error().message;
    expect_equal(*sae, sae_);
}

TEST_F(SaeFile, WhatCodesCannotDoIsRefusedByName) {
    const auto refused = [&](const json& more) {
        json config = {{"architecture", "topk"}, {"k", kK}, {"d_in", kD}, {"d_sae", kLatents}};
        config.update(more);
        write_saelens(config);
        return error();
    };
    EXPECT_THAT(refused({{"finetuning_scaling_factor", true}}),
                HasSubstr("finetuning_scaling_factor"));
    EXPECT_THAT(refused({{"reshape_activations", "hook_z"}}), HasSubstr("reshape_activations"));
    EXPECT_THAT(refused({{"rescale_acts_by_decoder_norm", 1}}),
                AllOf(HasSubstr("rescale_acts_by_decoder_norm"), HasSubstr("true or false")));
    EXPECT_THAT(refused({{"apply_b_dec_to_input", "false"}}), HasSubstr("apply_b_dec_to_input"));
    EXPECT_THAT(refused({{"normalize_activations", 3}}), HasSubstr("expected a text"));
}

TEST_F(SaeFile, ReadsSparsify) {
    std::vector<float> weight(sae_.w_enc.size());
    for (uint32_t f = 0; f < kLatents; ++f) {
        for (uint32_t i = 0; i < kD; ++i) weight[f * kD + i] = sae_.w_enc[i * kLatents + f];
    }
    const auto write = [&](const json& config) {
        test::spit(directory_ / "cfg.json", config.dump());
        test::spit(directory_ / "sae.safetensors",
                   *serialize_safetensors({{"encoder.weight", {kLatents, kD}, weight},
                                           {"encoder.bias", {kLatents}, sae_.b_enc},
                                           {"W_dec", {kLatents, kD}, sae_.w_dec},
                                           {"b_dec", {kD}, sae_.b_dec}},
                                          {}, "x"));
    };
    write({{"activation", "topk"}, {"k", kK}, {"num_latents", 0}, {"d_in", kD}});
    const auto sae = read_sae(directory_.path());
    ASSERT_TRUE(sae.ok()) << sae.error().message;
    expect_equal(*sae, sae_);
    write({{"activation", "groupmax"}, {"k", kK}, {"d_in", kD}});
    EXPECT_THAT(error(), HasSubstr("groupmax"));
    write({{"signed", true}, {"k", kK}, {"d_in", kD}});
    EXPECT_THAT(error(), HasSubstr("signed"));
    write({{"transcode", true}, {"k", kK}, {"d_in", kD}});
    EXPECT_THAT(error(), HasSubstr("transcode"));
    write({{"signed", "true"}, {"k", kK}, {"d_in", kD}});  // read as unset it would load
    EXPECT_THAT(error(), AllOf(HasSubstr("signed"), HasSubstr("true or false")));
    write({{"k", kK}, {"d_in", kD + 1}});
    EXPECT_THAT(error(), HasSubstr("tensor 'encoder.weight'"));
}

TEST_F(SaeFile, FoldsWhatTheConfigAsksFor) {
    json config = config_;
    config["apply_b_dec_to_input"] = false;
    for (float& w : sae_.w_dec) w *= 2;
    config["rescale_acts_by_decoder_norm"] = true;
    write_saelens(config);
    const auto sae = read_sae(directory_.path());
    ASSERT_TRUE(sae.ok()) << sae.error().message;
    EXPECT_EQ(sae->b_dec, std::vector<float>(kD, 0.0f));
    for (size_t i = 0; i < sae->w_enc.size(); ++i) {
        EXPECT_NEAR(sae->w_enc[i], sae_.w_enc[i] * 2, 1e-5);
        EXPECT_NEAR(sae->w_dec[i], sae_.w_dec[i] / 2, 1e-5);
    }
}

TEST_F(SaeFile, NamesWhatItCannotUse) {
    EXPECT_THAT(error(), HasSubstr("cfg.json"));
    test::spit(directory_ / "cfg.json", config_.dump());
    EXPECT_THAT(error(), HasSubstr("neither sae_weights.safetensors"));
    const auto with = [&](const char* field, const json& value) {
        json config = config_;
        config[field] = value;
        write_saelens(config);
        return error();
    };
    EXPECT_THAT(with("architecture", "jumprelu"), HasSubstr("'jumprelu', expected 'topk'"));
    EXPECT_THAT(with("normalize_activations", "layer_norm"), HasSubstr("layer_norm"));
    EXPECT_THAT(with("d_in", kD + 1), HasSubstr("tensor 'W_enc' has shape"));
    EXPECT_THAT(with("d_sae", "many"), HasSubstr("'d_sae' is not a whole number"));
    EXPECT_THAT(with("d_sae", 1 << 20), HasSubstr("'d_sae' is 1048576"));
    EXPECT_THAT(with("k", kLatents + 1), HasSubstr("'k' is 11"));
    EXPECT_THAT(with("k", 0), HasSubstr("'k' is 0"));
}

TEST_F(SaeFile, WritesWhatSaeLensReads) {
    const auto files = serialize_sae(sae_, {"tiny", 9, 2}, "d");
    ASSERT_TRUE(files.ok());
    for (const auto& [name, bytes] : *files) test::spit(directory_ / name, bytes);
    const json config = json::parse(test::slurp(directory_ / "cfg.json"));
    EXPECT_EQ(config["architecture"], "topk");
    EXPECT_EQ(config["d_in"], kD);
    EXPECT_EQ(config["d_sae"], kLatents);
    EXPECT_EQ(config["k"], kK);
    EXPECT_EQ(config["hook_name"], "blocks.9.attn.hook_k");
    EXPECT_EQ(config["hook_head_index"], 2);
    EXPECT_EQ(config["normalize_activations"], "none");
    EXPECT_EQ(config["apply_b_dec_to_input"], true);
    EXPECT_TRUE(read_sae(directory_.path()).ok());
}

}  // namespace
}  // namespace s3attn

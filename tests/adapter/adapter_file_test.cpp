#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "adapter/adapter.h"
#include "adapter/adapter_search.h"
#include "adapter/encoder.h"
#include "random_adapter.h"
#include "temporary_directory.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using test::random_adapter;
using test::slurp;
using test::spit;
using ::testing::AllOf;
using ::testing::HasSubstr;

void expect_equal(const Adapter& a, const Adapter& b) {
    EXPECT_EQ(a.model_name, b.model_name);
    EXPECT_EQ(a.model_hash, b.model_hash);
    EXPECT_EQ(a.model_identity, b.model_identity);
    EXPECT_EQ(a.tokenizer_hash, b.tokenizer_hash);
    EXPECT_EQ(a.architecture, b.architecture);
    EXPECT_EQ(std::tie(a.n_layer, a.n_head, a.n_head_kv, a.d_head, a.latents, a.k),
              std::tie(b.n_layer, b.n_head, b.n_head_kv, b.d_head, b.latents, b.k));
    EXPECT_EQ(a.activation_scale, b.activation_scale);
    EXPECT_EQ(a.hybrid_s3_weight, b.hybrid_s3_weight);
    EXPECT_EQ(a.evidence_floor, b.evidence_floor);
    EXPECT_EQ(a.key_side_hash, b.key_side_hash);
    EXPECT_EQ(a.training_record, b.training_record);
    ASSERT_EQ(a.slots.size(), b.slots.size());
    for (size_t i = 0; i < a.slots.size(); ++i) {
        EXPECT_EQ(a.slots[i].layer, b.slots[i].layer);
        EXPECT_EQ(a.slots[i].kv_head, b.slots[i].kv_head);
        EXPECT_EQ(a.slots[i].mean_key, b.slots[i].mean_key);
        EXPECT_EQ(a.slots[i].mean_activation, b.slots[i].mean_activation);
        EXPECT_EQ(a.slots[i].sae.w_enc, b.slots[i].sae.w_enc);
        EXPECT_EQ(a.slots[i].sae.b_enc, b.slots[i].sae.b_enc);
        EXPECT_EQ(a.slots[i].sae.w_dec, b.slots[i].sae.w_dec);
        EXPECT_EQ(a.slots[i].sae.b_dec, b.slots[i].sae.b_dec);
    }
    ASSERT_EQ(a.heads.size(), b.heads.size());
    for (size_t i = 0; i < a.heads.size(); ++i) {
        const QueryHead &x = a.heads[i], &y = b.heads[i];
        EXPECT_EQ(std::tie(x.layer, x.query_head, x.slot, x.temperature, x.mixture, x.mean_query,
                           x.map, x.bias, x.token_weight),
                  std::tie(y.layer, y.query_head, y.slot, y.temperature, y.mixture, y.mean_query,
                           y.map, y.bias, y.token_weight));
    }
}

ordered_json adapter_json_head(uint32_t layer, uint32_t head) {
    return {{"layer", layer}, {"query_head", head}};
}

class AdapterFile : public testing::Test {
  protected:
    void save() {
        const Status status = save_adapter(adapter_, path_);
        ASSERT_TRUE(status.ok()) << status.error().message;
    }
    std::string load_error() {
        const auto loaded = load_adapter(path_);
        return loaded.ok() ? "no error" : loaded.error().message;
    }
    std::string error_with(const std::function<void(ordered_json&)>& change) {
        const std::string text = slurp(path_ + "/adapter.json");
        ordered_json json = ordered_json::parse(text);
        change(json);
        spit(path_ + "/adapter.json", json.dump());
        const std::string error = load_error();
        spit(path_ + "/adapter.json", text);
        return error;
    }
    std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::recursive_directory_iterator(path_)) {
            if (entry.is_regular_file()) names.push_back(entry.path().string());
        }
        return names;
    }

    test::TemporaryDirectory directory_;
    Adapter adapter_ = random_adapter(11, 4, 6, 2);
    const std::string path_ = directory_ / "tiny-adapter";
};

TEST_F(AdapterFile, LoadsWhatItSaves) {
    save();
    const auto loaded = load_adapter(path_ + "/");
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    EXPECT_EQ(loaded->name, "tiny-adapter");
    expect_equal(*loaded, adapter_);
    EXPECT_EQ(loaded->key_layers(), (std::vector<uint32_t>{2, 5}));
    EXPECT_EQ(loaded->query_layers(), (std::vector<uint32_t>{2, 5}));
    EXPECT_EQ(loaded->deepest_layer(), 5u);
    EXPECT_EQ(files().size(), 2u + 2 * 3);
    EXPECT_TRUE(fs::exists(path_ + "/sae_L2_H1/sae_weights.safetensors"));
    // Nothing else is left in the parent.
    EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);
}

TEST_F(AdapterFile, WeightsThatWereNotRoundedHashAsTheyAreStored) {
    for (KeySlot& slot : adapter_.slots) {
        for (float& w : slot.sae.w_enc) w *= 1.0001f;
    }
    const std::string before = compute_key_side_hash(adapter_);
    save();
    const auto loaded = load_adapter(path_);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    EXPECT_EQ(loaded->key_side_hash, before);
    round_to_stored_precision(adapter_);
    expect_equal(*loaded, adapter_);
}

TEST_F(AdapterFile, HashCoversTheKeySideOnly) {
    const auto hash_with = [&](const std::function<void(Adapter&)>& change) {
        Adapter changed = adapter_;
        change(changed);
        return compute_key_side_hash(changed);
    };
    const std::string hash = adapter_.key_side_hash;
    EXPECT_EQ(hash.size(), 32u);
    EXPECT_EQ(hash, hash_with([](Adapter& a) { a.heads[0].map[0] += 1; }));
    EXPECT_EQ(hash, hash_with([](Adapter& a) { a.heads[0].temperature += 1; }));
    EXPECT_EQ(hash, hash_with([](Adapter& a) { a.slots[0].mean_activation[0] += 1; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { a.slots[0].mean_key[0] += 1; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { a.slots[1].sae.w_enc[3] += 1; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { a.slots[1].sae.b_enc[3] += 1; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { a.slots[1].sae.w_dec[3] += 1; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { a.slots[1].sae.b_dec[3] += 1; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { a.slots[1].kv_head = 1; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { a.k = 1; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { a.activation_scale *= 2; }));
    EXPECT_NE(hash, hash_with([](Adapter& a) { std::swap(a.slots[0], a.slots[1]); }));
}

TEST_F(AdapterFile, ReplacesAnAdapterAndAnEmptyDirectoryButNothingElse) {
    fs::create_directory(path_);
    save();
    adapter_.evidence_floor = 0.5;
    save();
    EXPECT_EQ(load_adapter(path_)->evidence_floor, 0.5);
    EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);

    const std::string other = directory_ / "precious";
    fs::create_directory(other);
    spit(other + "/thesis.txt", "irreplaceable");
    const Status status = save_adapter(adapter_, other);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(slurp(other + "/thesis.txt"), "irreplaceable");
    EXPECT_EQ(save_adapter(adapter_, other + "/thesis.txt").error().code,
              ErrorCode::kInvalidArgument);
    EXPECT_EQ(save_adapter(adapter_, "").error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(save_adapter(adapter_, "/").error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(save_adapter(adapter_, other + "/thesis.txt/deeper").ok());
}

TEST_F(AdapterFile, RefusesToSaveAnInvalidAdapter) {
    const auto error_after = [&](const std::function<void(Adapter&)>& change) {
        Adapter changed = adapter_;
        change(changed);
        const Status status = save_adapter(changed, path_);
        return status.ok() ? "no error" : status.error().message;
    };
    EXPECT_THAT(error_after([](Adapter& a) { a.slots.clear(); }), HasSubstr("slots is empty"));
    EXPECT_THAT(error_after([](Adapter& a) { a.slots[1].mean_key.pop_back(); }),
                HasSubstr("slots[1].mean_key holds 3 values, expected 4"));
    EXPECT_THAT(error_after([](Adapter& a) { a.slots[0].sae.w_dec[0] = std::nanf(""); }),
                HasSubstr("slots[0].sae: W_dec holds NaN"));
    EXPECT_THAT(error_after([](Adapter& a) { a.slots[0].sae.w_dec[0] = 1e6f; }),
                AllOf(HasSubstr("sae_L2_H1"), HasSubstr("W_dec"), HasSubstr("cannot be stored")));
    EXPECT_THAT(error_after([](Adapter& a) { a.heads[1].slot = 1; }), HasSubstr("heads[1].slot"));
    EXPECT_THAT(error_after([](Adapter& a) { a.heads[1].mixture = 1; }), HasSubstr("mixture"));
    EXPECT_THAT(error_after([](Adapter& a) { a.heads[2] = a.heads[0]; }), HasSubstr("heads[2]"));
    EXPECT_THAT(error_after([](Adapter& a) { std::swap(a.slots[0], a.slots[1]); }),
                HasSubstr("ascending"));
    EXPECT_THAT(error_after([](Adapter& a) { a.training_record = "{"; }),
                HasSubstr("training_record"));
    EXPECT_FALSE(fs::exists(path_));
}

TEST_F(AdapterFile, NamesTheFieldThatIsMissingOrDiffers) {
    save();
    const auto set = [](const char* pointer, const ordered_json& value) {
        return [=](ordered_json& json) { json[ordered_json::json_pointer(pointer)] = value; };
    };
    EXPECT_THAT(error_with(set("/format", "cake")), HasSubstr("'format' is 'cake'"));
    EXPECT_THAT(error_with(set("/format_version", 2)), HasSubstr("'format_version' is 2"));
    EXPECT_THAT(error_with(set("/model/d_head", 5)), HasSubstr("'d_in' is 4, adapter.json says 5"));
    EXPECT_THAT(error_with(set("/codes/k", 1)), HasSubstr("'k' is 2, adapter.json says 1"));
    EXPECT_THAT(error_with(set("/codes/latents", 7)), HasSubstr("'d_sae' is 6"));
    EXPECT_THAT(error_with(set("/model/n_head", 7)), HasSubstr("'model.n_head'"));
    EXPECT_THAT(error_with(set("/model/hash", 7)), HasSubstr("'model.hash' is a number"));
    EXPECT_THAT(error_with(set("/heads/0/query_head", 5)), HasSubstr("'heads[0].query_head'"));
    EXPECT_THAT(error_with(set("/heads/0/mixture", 1)), HasSubstr("mixture"));
    EXPECT_THAT(error_with(set("/heads/0/temperature", 1e300)), HasSubstr("out of range"));
    EXPECT_THAT(error_with(set("/heads/0/temperature", 0.001)),
                AllOf(HasSubstr("heads[0].temperature is 0.001"), HasSubstr("0.1 to 1000")));
    EXPECT_THAT(error_with(set("/heads/0/temperature", 1e6)), HasSubstr("temperature"));
    EXPECT_THAT(error_with(set("/evidence_floor", -9e9)),
                AllOf(HasSubstr("evidence_floor"), HasSubstr("-1 to 1")));
    EXPECT_THAT(error_with(set("/evidence_floor", 1.5)), HasSubstr("evidence_floor"));
    EXPECT_THAT(error_with(set("/hybrid_s3_weight", 1e9)),
                AllOf(HasSubstr("hybrid_s3_weight"), HasSubstr("0 to 1000")));
    EXPECT_THAT(error_with(set("/codes/activation_scale", 40)), HasSubstr("activation_scale"));
    EXPECT_THAT(error_with(set("/codes/activation_scale", 1e-9)), HasSubstr("activation_scale"));
    EXPECT_THAT(error_with(set("/slots/0/layer", 12)), HasSubstr("'slots[0].layer' is 12"));
    EXPECT_THAT(error_with(set("/slots/0/layer", 3)), HasSubstr("files.sae_L3_H1/cfg.json"));
    EXPECT_THAT(error_with(set("/slots/0", "x")), HasSubstr("'slots[0].layer' is missing"));
    EXPECT_THAT(error_with(set("/codes/activation_scale", 0.25)), HasSubstr("'key_side_hash'"));
    EXPECT_THAT(error_with([](ordered_json& json) { json.erase("heads"); }),
                HasSubstr("'heads' is missing"));
    EXPECT_THAT(error_with([](ordered_json& json) { json["files"].erase("query.safetensors"); }),
                HasSubstr("query.safetensors"));
    fs::remove(path_ + "/sae_L5_H0/cfg.json");
    EXPECT_THAT(load_error(), HasSubstr("sae_L5_H0/cfg.json"));
    EXPECT_EQ(load_adapter(directory_ / "nothing").error().code, ErrorCode::kNotFound);
}

TEST_F(AdapterFile, ContextHeadsComeBackAndAreChecked) {
    save();
    EXPECT_EQ(slurp(path_ + "/adapter.json").find("\"context\""), std::string::npos);
    ASSERT_TRUE(load_adapter(path_).ok());
    EXPECT_TRUE(load_adapter(path_)->context.heads.empty());
    adapter_.context = {{{3, 1}, {5, 0}}, false, 0.25f};
    save();
    const auto loaded = load_adapter(path_);
    ASSERT_TRUE(loaded.ok()) << loaded.error().message;
    expect_equal(*loaded, adapter_);
    ASSERT_EQ(loaded->context.heads.size(), 2u);
    EXPECT_EQ(loaded->context.heads[0].layer, 3u);
    EXPECT_EQ(loaded->context.heads[1].query_head, 0u);
    EXPECT_EQ(loaded->context.deepest_layer(), 5u);
    EXPECT_FALSE(loaded->context.share);
    EXPECT_EQ(loaded->context.first_weight, 0.25f);
    const auto set = [](const char* pointer, const ordered_json& value) {
        return [=](ordered_json& json) { json[ordered_json::json_pointer(pointer)] = value; };
    };
    EXPECT_THAT(error_with(set("/context", 1)), HasSubstr("'context' is a number"));
    EXPECT_THAT(error_with(set("/context/heads/0/layer", 99)),
                HasSubstr("'context.heads[0].layer'"));
    EXPECT_THAT(error_with(set("/context/heads/1", adapter_json_head(3, 1))), HasSubstr("repeat"));
    EXPECT_THAT(error_with(set("/context/mass", "most")), HasSubstr("'context.mass'"));
    EXPECT_THAT(error_with(set("/context/first_weight", -1)), HasSubstr("first_weight"));
}

// Every file but adapter.json is covered by a hash; adapter.json may be edited by hand, so a flip
// there may give another valid adapter, but never an invalid one or a crash.
TEST_F(AdapterFile, FlippedBytesAndTruncationsAreNoticed) {
    save();
    for (const std::string& file : files()) {
        const bool json = fs::path(file).filename() == "adapter.json";
        const std::string good = slurp(file);
        for (size_t at = 0; at < good.size(); at += 5) {
            std::string bad = good;
            bad[at] = static_cast<char>(bad[at] ^ (at % 2 == 0 ? 1 : 0x80));
            spit(file, bad);
            const auto loaded = load_adapter(path_);
            if (json && loaded.ok()) {
                ASSERT_TRUE(validate_adapter(*loaded).ok()) << at;
            } else {
                ASSERT_FALSE(loaded.ok()) << file << " byte " << at;
                ASSERT_THAT(loaded.error().message, HasSubstr(path_));
            }
        }
        for (size_t size = 0; size < good.size(); size += 1 + good.size() / 50) {
            spit(file, good.substr(0, size));
            ASSERT_FALSE(load_adapter(path_).ok()) << file << " cut to " << size;
        }
        spit(file, good);
        ASSERT_TRUE(load_adapter(path_).ok());
    }
}

TEST_F(AdapterFile, IsFoundByTheModelsHash) {
    save();
    adapter_.model_hash = "another";
    adapter_.model_name = "other-model";
    ASSERT_TRUE(save_adapter(adapter_, directory_ / "a-first-name").ok());
    fs::create_directory(directory_ / "broken");
    spit(directory_ / "broken/adapter.json", "{");
    fs::create_directory(directory_ / "unrelated");

    const std::vector<std::string> dirs = {directory_ / "nowhere", directory_.path()};
    const auto found = find_adapter(dirs, "0123456789abcdef0123456789abcdef", "");
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_EQ(*found, path_);
    EXPECT_EQ(*find_adapter({path_}, "0123456789abcdef0123456789abcdef", ""), path_);
    const auto missing = find_adapter(dirs, "no such model", "");
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
    EXPECT_THAT(missing.error().message,
                AllOf(HasSubstr("other-model"), HasSubstr("broken")));
    EXPECT_FALSE(find_adapter({}, "x", "y").ok());
}

TEST_F(AdapterFile, CodesBeforeASaveEqualCodesAfterALoad) {
    adapter_ = random_adapter(12, 16, 64, 4);
    save();
    const auto loaded = load_adapter(path_);
    ASSERT_TRUE(loaded.ok());
    std::mt19937 rng(3);
    const auto rows = test::gaussian(rng, 16 * 50);
    CodeBatch before = test::sized_batch(adapter_, 50), after = before;
    for (uint32_t slot = 0; slot < 2; ++slot) {
        KeyEncoder(adapter_, 1).encode(slot, {rows.data(), 50, 16, 16}, before);
        KeyEncoder(*loaded, 1).encode(slot, {rows.data(), 50, 16, 16}, after);
    }
    EXPECT_EQ(before.feature, after.feature);
    EXPECT_EQ(before.activation, after.activation);
}

}  // namespace
}  // namespace s3attn

// An engine of injected parts: the fake model, an adapter made for it, a reader that echoes.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "engine/engine_parts.h"
#include "model/fake_model.h"
#include "s3attn/engine.h"
#include "s3attn/store.h"

namespace s3attn {

// Random unit directions in pairs of encoder and decoder: codes of equal keys are equal.
inline Adapter fake_adapter(const FakeOptions& model) {
    constexpr uint32_t kLatents = 128, kActive = 8;
    std::mt19937 rng(7);
    std::normal_distribution<float> normal;
    const ModelInfo info = fake_model_info(model);
    Adapter a;
    a.name = "fake adapter";
    a.model_name = info.name;
    a.model_hash = info.file_hash;
    a.model_identity = info.identity;
    a.tokenizer_hash = info.tokenizer_hash;
    a.architecture = info.architecture;
    a.n_layer = info.n_layer;
    a.n_head = info.n_head;
    a.n_head_kv = info.n_head_kv;
    a.d_head = info.d_head;
    a.latents = kLatents;
    a.k = kActive;
    KeySlot slot;
    slot.layer = 1;
    slot.mean_key.assign(info.d_head, 0.0f);
    slot.mean_activation.assign(kLatents, 0.1f);
    SparseAutoencoder& sae = slot.sae;
    sae.d_in = info.d_head;
    sae.latents = kLatents;
    sae.k = kActive;
    sae.w_enc.resize(size_t{sae.d_in} * kLatents);
    sae.b_enc.assign(kLatents, 0.0f);
    sae.b_dec.assign(sae.d_in, 0.0f);
    for (uint32_t f = 0; f < kLatents; ++f) {
        std::vector<float> row(sae.d_in);
        double norm = 0;
        for (float& value : row) norm += std::pow(value = normal(rng), 2);
        for (uint32_t i = 0; i < sae.d_in; ++i) {
            row[i] /= static_cast<float>(std::sqrt(norm));
            sae.w_enc[size_t{i} * kLatents + f] = row[i];
        }
        sae.w_dec.insert(sae.w_dec.end(), row.begin(), row.end());
    }
    a.slots = {slot};
    QueryHead head;
    head.layer = 1;
    head.mean_query.assign(info.d_head, 0.0f);
    a.heads = {head};
    round_to_stored_precision(a);
    return a;
}

class EngineTest : public testing::Test {
  protected:
    void SetUp() override {
        const auto* info = testing::UnitTest::GetInstance()->current_test_info();
        directory_ =
            std::filesystem::temp_directory_path() / ("s3attn_engine_" + std::string(info->name()) +
                                                      "_" + std::to_string(std::random_device{}()));
        std::filesystem::create_directories(directory_);
        model_.mean_weight = 0;  // the adapter's means are 0
        adapter_ = std::make_shared<const Adapter>(fake_adapter(model_));
    }
    void TearDown() override {
        engine_.reset();
        std::filesystem::remove_all(directory_);
    }

    EngineParts parts() {
        EngineParts parts;
        parts.model = fake_model_info(model_);
        parts.adapter = adapter_;
        parts.threads = 2;
        parts.open_scanner = [this](uint32_t chunk, ProgressSink*, const CancelToken*) {
            ++scanners_opened_;
            FakeOptions options = scanned_by_;
            options.mean_weight = 0;
            options.chunk_tokens = chunk;
            return Result<std::unique_ptr<Scanner>>(make_fake_scanner(options));
        };
        parts.open_reader = [this](const CancelToken*) {
            ++readers_opened_;
            return Result<std::unique_ptr<Reader>>(make_fake_reader(model_));
        };
        return parts;
    }
    Engine& engine() {
        if (!engine_) engine_ = make_engine(parts());
        return *engine_;
    }
    std::string file(const std::string& name, const std::string& text) {
        const std::string path = directory_ / name;
        std::ofstream(path) << text;
        return path;
    }
    IndexReport index(const std::vector<std::string>& files) {
        Store store = writing();
        auto report = engine().index(store, files, {}, sink_, cancel_);
        EXPECT_TRUE(report.ok()) << report.error().message;
        return report.ok() ? *report : IndexReport{};
    }
    std::string path() const { return directory_ / "store.s3"; }
    Store store() const { return opened(path(), Store::Access::kRead); }
    Store writing() const { return opened(path(), Store::Access::kCreate); }
    static Store opened(const std::string& path, Store::Access access) {
        auto store = Store::open(path, access);
        EXPECT_TRUE(store.ok()) << store.error().message;
        return std::move(store).value();
    }

    struct Silent final : ProgressSink {
        void update(const Progress&) override {}
        void note(const std::string&) override {}
    };
    std::filesystem::path directory_;
    FakeOptions model_, scanned_by_;  // what the adapter was made for; what the scanner is
    std::shared_ptr<const Adapter> adapter_;
    std::atomic<int> scanners_opened_{0}, readers_opened_{0};
    Silent sink_;
    CancelToken cancel_;
    std::unique_ptr<Engine> engine_;
};

inline const char* kLighthouse =
    "The lighthouse on Varn was built by Ada Solberg in 1871.\n\n"
    "Its lamp burned whale oil until the winter of 1903.\n\n"
    "The harbour below it freezes every January.\n";
inline const char* kMill =
    "The mill at Ost grinds rye and barley for three villages.\n\n"
    "A flood took its wheel in the spring of 1926.\n";

}  // namespace s3attn

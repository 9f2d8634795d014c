// Writes an adapter of random autoencoders for a model: as fast as a trained one, and as wrong as
// any. Four KV heads in layers 5 to 11 (or as deep as the model goes), 4,096 latents, k = 8.
#include <cmath>
#include <cstdio>
#include <random>

#include "adapter/adapter.h"
#include "model/llama_model.h"

namespace {

using namespace s3attn;

constexpr uint32_t kLatents = 4096, kActive = 8;

SparseAutoencoder random_sae(std::mt19937& rng, uint32_t d) {
    std::normal_distribution<float> normal;
    SparseAutoencoder sae;
    sae.d_in = d;
    sae.latents = kLatents;
    sae.k = kActive;
    sae.w_enc.resize(size_t{d} * kLatents);
    sae.w_dec.resize(size_t{d} * kLatents);
    sae.b_enc.assign(kLatents, 0.0f);
    sae.b_dec.assign(d, 0.0f);
    for (uint32_t f = 0; f < kLatents; ++f) {
        float* row = &sae.w_dec[size_t{f} * d];
        double norm = 0;
        for (uint32_t i = 0; i < d; ++i) {
            row[i] = normal(rng);
            norm += double{row[i]} * double{row[i]};
        }
        for (uint32_t i = 0; i < d; ++i) {
            row[i] /= static_cast<float>(std::sqrt(norm));
            sae.w_enc[size_t{i} * kLatents + f] = row[i];
        }
    }
    return sae;
}

Adapter random_adapter(const ModelInfo& model) {
    std::mt19937 rng(1);
    Adapter a;
    a.model_name = model.name;
    a.model_hash = model.file_hash;
    a.tokenizer_hash = model.tokenizer_hash;
    a.architecture = model.architecture;
    a.n_layer = model.n_layer;
    a.n_head = model.n_head;
    a.n_head_kv = model.n_head_kv;
    a.d_head = model.d_head;
    a.latents = kLatents;
    a.k = kActive;
    a.activation_scale = 1.0f / 255;
    a.training_record = R"({"note":"random weights"})";
    for (const uint32_t wanted : {5u, 7u, 9u, 11u}) {
        KeySlot slot;
        slot.layer = std::min(wanted, model.n_layer - 1);
        slot.kv_head = static_cast<uint32_t>(a.slots.size()) % model.n_head_kv;
        slot.mean_key.assign(model.d_head, 0.0f);
        slot.mean_activation.assign(kLatents, 0.5f);
        slot.sae = random_sae(rng, model.d_head);
        QueryHead head;
        head.layer = slot.layer;
        head.query_head = slot.kv_head * (model.n_head / model.n_head_kv);
        head.slot = static_cast<uint32_t>(a.slots.size());
        head.mean_query.assign(model.d_head, 0.0f);
        head.mixture = 0.25f;
        a.slots.push_back(std::move(slot));
        a.heads.push_back(std::move(head));
    }
    round_to_stored_precision(a);
    return a;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: gpu_adapter MODEL.gguf OUT_DIRECTORY\n");
        return 2;
    }
    const auto model = read_model_info(argv[1]);
    Status status = model.ok() ? save_adapter(random_adapter(*model), argv[2]) : model.error();
    if (status.ok()) return 0;
    std::fprintf(stderr, "error: %s\n", status.error().message.c_str());
    return 1;
}

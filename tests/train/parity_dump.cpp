// Writes what the C++ trainer and encoder compute, with the inputs, for parity.py to compute anew.
//   parity_dump sae OUT                  loss and gradients of one SAE step, weights after ten
//   parity_dump query OUT                loss and gradients of the query side
//   parity_dump codes OUT ADAPTER SLOT [MODEL TEXT]
//                                        codes of one slot, of TEXT's real keys or random ones
// OUT is a safetensors file.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>

#include "adapter/encoder.h"
#include "adapter/safetensors.h"
#include "base/files.h"
#include "model/llama_model.h"
#include "planted_keys.h"
#include "random_set.h"
#include "s3attn/model_log.h"
#include "train/capture.h"
#include "train/query_trainer.h"
#include "train/sae_trainer.h"

namespace s3attn {
namespace {

class Output {
  public:
    void add(const std::string& name, std::vector<uint64_t> shape, std::vector<float> values) {
        values_.push_back({name, std::move(shape), std::move(values)});
    }
    void scalar(const std::string& name, double value) {
        add(name, {1}, {static_cast<float>(value)});
    }
    bool write(const std::string& path) const {
        std::vector<TensorToWrite> tensors;
        for (const Tensor& t : values_) tensors.push_back({t.name, t.shape, t.values});
        const auto bytes = serialize_safetensors(tensors, {}, path);
        return bytes.ok() && write_file_atomic(path, *bytes).ok();
    }

  private:
    struct Tensor {
        std::string name;
        std::vector<uint64_t> shape;
        std::vector<float> values;
    };
    std::vector<Tensor> values_;
};

void add_weights(const std::string& prefix, const SaeWeights& weights, Output& out) {
    out.add(prefix + "encoder", {weights.latents, weights.d}, weights.encoder);
    out.add(prefix + "decoder", {weights.latents, weights.d}, weights.decoder);
    out.add(prefix + "bias", {weights.latents}, weights.bias);
}

bool dump_sae(const std::string& path) {
    constexpr uint32_t kD = 32, kLatents = 256, kRows = 200, kSteps = 10;
    SaeOptions options;
    options.latents = kLatents;
    options.k = 6;
    const HalfRows keys = planted_keys(kD, 80, 4000, 11);
    const std::vector<float> mean = keys.mean();
    std::vector<float> x(kRows * kD);
    read_unit(keys, 0, kRows, mean, x.data());
    ThreadPool pool(2);
    SaeTrainer trainer(initial_weights(keys, mean, keys.size(), options), options, pool);
    std::vector<float> dead;
    for (uint32_t f = 3; f < kLatents; f += 5) {
        trainer.mark_silent(f, options.dead_after + 1);
        dead.push_back(static_cast<float>(f));
    }
    Output out;
    out.add("x", {kRows, kD}, x);
    out.add("dead", {dead.size()}, dead);
    out.scalar("k", options.k);
    out.scalar("aux_k", std::min(2 * options.k, 32u));
    out.scalar("aux_weight", options.aux_weight);
    out.scalar("dead_after", options.dead_after);
    out.scalar("aux_every", options.aux_every);
    out.scalar("rate", 2e-3);
    add_weights("start.", trainer.weights(), out);
    for (const bool aux : {false, true}) {
        SaeWeights gradient;
        const std::string prefix = aux ? "aux." : "main.";
        out.scalar(prefix + "loss", trainer.gradients(x.data(), kRows, aux, gradient));
        add_weights(prefix, gradient, out);
    }
    std::vector<float> losses;
    for (uint32_t step = 0; step < kSteps; ++step) {
        losses.push_back(static_cast<float>(trainer.step(x.data(), kRows, 2e-3f)));
    }
    out.add("losses", {kSteps}, losses);
    add_weights("end.", trainer.weights(), out);
    return out.write(path);
}

template <class T>
std::vector<float> floats(const std::vector<T>& values) {
    return {values.begin(), values.end()};
}

void add_spans(const std::string& name, const std::vector<TokenSpan>& spans, Output& out) {
    std::vector<float> values;
    for (const TokenSpan& span : spans) {
        values.insert(values.end(), {static_cast<float>(span.begin), static_cast<float>(span.end)});
    }
    out.add(name, {spans.size(), 2}, values);
}

void add_params(const std::string& prefix, const QueryHeadParams& params, uint32_t d, Output& out) {
    out.add(prefix + "map", {d, d}, params.map);
    out.add(prefix + "bias", {d}, params.bias);
    out.add(prefix + "token_weight", {d}, params.token_weight);
    out.scalar(prefix + "log_temperature", params.log_temperature);
    out.scalar(prefix + "mixture_logit", params.mixture_logit);
}

bool dump_query(const std::string& path) {
    constexpr uint32_t kD = 12, kHeads = 3;
    const RetrievalSet set = random_set(kD, 40, 12, 2, kHeads, 5);
    const std::vector<QueryHeadParams> params = random_params(kD, kHeads, 6);
    ContrastiveBatch batch;
    for (uint32_t p = 0; p < 40; ++p) batch.units.push_back(p);
    for (uint32_t q = 0; q < 12; ++q) {
        batch.questions.push_back(q);
        batch.gold_at.push_back(set.gold[q][0]);
    }
    ThreadPool pool(2);
    std::vector<QueryHeadParams> gradient;
    Output out;
    out.scalar("regulariser", 1e-2);
    out.scalar("loss", contrastive_loss(set, params, batch, 1e-2, pool, &gradient));
    out.add("gold", {batch.gold_at.size()}, floats(batch.gold_at));
    add_spans("units", set.units, out);
    add_spans("questions", set.questions, out);
    for (size_t s = 0; s < set.keys.size(); ++s) {
        std::vector<float> rows(set.keys[s].size() * kD);
        set.keys[s].read(0, set.keys[s].size(), rows.data());
        out.add("keys." + std::to_string(s), {set.keys[s].size(), kD}, rows);
    }
    for (uint32_t j = 0; j < kHeads; ++j) {
        const std::string prefix = "head." + std::to_string(j) + ".";
        out.scalar(prefix + "slot", set.heads[j].slot);
        const auto& queries = set.heads[j].queries;
        out.add(prefix + "queries", {queries.size() / kD, kD}, queries);
        add_params(prefix, params[j], kD, out);
        add_params("gradient." + std::to_string(j) + ".", gradient[j], kD, out);
    }
    return out.write(path);
}

// Keys of the slot's KV head over the text.
Result<std::vector<float>> real_keys(const Adapter& adapter, const KeySlot& slot, const char* model,
                                     const char* text_path) {
    ScannerOptions options;
    options.model_path = model;
    options.deepest_layer = static_cast<int32_t>(adapter.deepest_layer());
    S3ATTN_TRY(const auto scanner, open_llama_scanner(options));
    S3ATTN_TRY(const std::string text, read_file(text_path, 1 << 24));
    const std::vector<std::string> texts{text};
    S3ATTN_TRY(const TokenText tokens, tokenize_texts(scanner->tokenizer(), texts));
    RowStore store;
    const CancelToken never;
    const std::vector<HeadKey> heads{{slot.layer, slot.kv_head}};
    S3ATTN_CHECK(capture_rows(*scanner, tokens, heads, Projection::kKey, store, {}, never));
    const HalfRows& rows = store.begin()->second;
    std::vector<float> keys(rows.size() * rows.d());
    rows.read(0, rows.size(), keys.data());
    return keys;
}

Status dump_codes(const std::string& path, const std::string& directory, uint32_t slot_index,
                  const char* model, const char* text) {
    S3ATTN_TRY(const Adapter adapter, load_adapter(directory));
    const KeySlot& slot = adapter.slots.at(slot_index);
    const uint32_t d = adapter.d_head;
    std::vector<float> keys;
    if (model != nullptr) {
        S3ATTN_TRY(keys, real_keys(adapter, slot, model, text));
    } else {
        keys = unit_rows(500, d, 3);
        for (size_t i = 0; i < keys.size(); ++i) keys[i] += slot.mean_key[i % d];
    }
    const uint32_t n = static_cast<uint32_t>(keys.size() / d);
    const uint32_t n_slots = static_cast<uint32_t>(adapter.slots.size());
    CodeBatch batch;
    batch.n_tokens = n;
    batch.n_slots = n_slots;
    batch.k = adapter.k;
    batch.feature.assign(size_t{n} * n_slots * adapter.k, 0);
    batch.activation.assign(batch.feature.size(), 0);
    KeyEncoder encoder(adapter, 2);
    encoder.encode(slot_index, {keys.data(), n, d, d}, batch);
    std::vector<float> feature, activation;
    for (size_t t = 0; t < n; ++t) {
        for (size_t i = 0; i < adapter.k; ++i) {
            const size_t at = (t * n_slots + slot_index) * adapter.k + i;
            feature.push_back(batch.feature[at]);
            activation.push_back(batch.activation[at]);
        }
    }
    Output out;
    out.add("keys", {n, d}, keys);
    out.add("mean_key", {d}, slot.mean_key);
    out.add("feature", {n, adapter.k}, feature);
    out.add("activation", {n, adapter.k}, activation);
    out.scalar("activation_scale", adapter.activation_scale);
    out.scalar("layer", slot.layer);
    out.scalar("kv_head", slot.kv_head);
    if (!out.write(path)) return make_error(ErrorCode::kIo, "cannot write " + path);
    return {};
}

int run(int argc, char** argv) {
    const std::string what = argc > 2 ? argv[1] : "";
    if (what == "sae") return dump_sae(argv[2]) ? 0 : 1;
    if (what == "query") return dump_query(argv[2]) ? 0 : 1;
    if (what == "codes" && (argc == 5 || argc == 7)) {
        const auto slot = static_cast<uint32_t>(std::atoi(argv[4]));
        const Status status = dump_codes(argv[2], argv[3], slot, argc == 7 ? argv[5] : nullptr,
                                         argc == 7 ? argv[6] : nullptr);
        if (!status.ok()) std::fprintf(stderr, "%s\n", status.error().message.c_str());
        return status.ok() ? 0 : 1;
    }
    std::fprintf(stderr,
                 "usage: parity_dump sae|query OUT | codes OUT ADAPTER SLOT [MODEL TEXT]\n");
    return 2;
}

}  // namespace
}  // namespace s3attn

int main(int argc, char** argv) {
    s3attn::set_model_log(nullptr);
    return s3attn::run(argc, argv);
}

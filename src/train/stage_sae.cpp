// The stage that fits the key side: means and one autoencoder per KV head.
#include <algorithm>

#include "adapter/sae_import.h"
#include "base/files.h"
#include "train/coded_keys.h"
#include "train/pipeline_parts.h"
#include "train/sae_measure.h"

namespace s3attn {
namespace {

std::vector<float> joint_mean(const HalfRows& a, const HalfRows& b) {
    std::vector<float> mean_a = a.mean();
    const std::vector<float> mean_b = b.mean();
    const double share =
        static_cast<double>(b.size()) / std::max(1.0, static_cast<double>(a.size() + b.size()));
    for (size_t i = 0; i < mean_a.size(); ++i) {
        mean_a[i] = static_cast<float>((1 - share) * mean_a[i] + share * mean_b[i]);
    }
    return mean_a;
}

void describe_model(const ModelInfo& model, const TrainOptions& options, Adapter& adapter) {
    adapter.model_name = model.name;
    adapter.model_hash = model.file_hash;
    adapter.model_identity = model.identity;
    adapter.tokenizer_hash = model.tokenizer_hash;
    adapter.architecture = model.architecture;
    adapter.n_layer = model.n_layer;
    adapter.n_head = model.n_head;
    adapter.n_head_kv = model.n_head_kv;
    adapter.d_head = model.d_head;
    adapter.latents = options.latents;
    adapter.k = options.k;
}

std::string slot_name(const HeadKey& slot, size_t i, size_t n) {
    return "layer " + std::to_string(slot.layer) + ", KV head " + std::to_string(slot.head) + " (" +
           std::to_string(i + 1) + " of " + std::to_string(n) + ")";
}

std::string hash_of(const HalfRows& rows) {
    const auto bytes = [](const auto& values) {
        return std::string_view(reinterpret_cast<const char*>(values.data()),
                                values.size() * sizeof values[0]);
    };
    return hash_bytes(hash_bytes(bytes(rows.offset())) + hash_bytes(bytes(rows.halves())));
}

std::string to_bytes(const TrainedSae& sae) {
    ByteWriter out;
    for (const auto* part : {&sae.sae.w_enc, &sae.sae.b_enc, &sae.sae.w_dec, &sae.sae.b_dec,
                             &sae.mean_activation, &sae.activation_sample}) {
        out.numbers(*part);
    }
    const SaeReport& report = sae.report;
    for (double value : {report.fvu, report.dead_share, report.densest, report.bytes_per_token}) {
        out.number(value);
    }
    out.numbers(report.frequency);
    out.number(report.densest_latent);
    out.number(report.steps);
    out.number(static_cast<uint8_t>(report.stopped_early));
    std::vector<double> history;
    for (const auto& [step, fvu] : report.held_out)
        history.insert(history.end(), {1.0 * step, fvu});
    out.numbers(history);
    return out.bytes();
}

// False: not what to_bytes() wrote.
bool from_bytes(std::string_view bytes, TrainedSae& sae) {
    ByteReader in(bytes);
    for (auto* part : {&sae.sae.w_enc, &sae.sae.b_enc, &sae.sae.w_dec, &sae.sae.b_dec,
                       &sae.mean_activation, &sae.activation_sample}) {
        *part = in.numbers<float>();
    }
    SaeReport& report = sae.report;
    for (double* value :
         {&report.fvu, &report.dead_share, &report.densest, &report.bytes_per_token}) {
        *value = in.number<double>();
    }
    report.frequency = in.numbers<uint32_t>();
    report.densest_latent = in.number<uint32_t>();
    report.steps = in.number<uint32_t>();
    report.stopped_early = in.number<uint8_t>() != 0;
    const std::vector<double> history = in.numbers<double>();
    for (size_t i = 0; i + 1 < history.size(); i += 2) {
        report.held_out.emplace_back(static_cast<uint32_t>(history[i]), history[i + 1]);
    }
    return in.ok();
}

// One slot's autoencoder: where it comes from, and what it is called in a checkpoint.
class SlotFitter {
  public:
    SlotFitter(TrainContext& context, const TrainOptions& options, const ChosenHeads& chosen,
               const TrainingRows& rows)
        : context_(context), options_(options), chosen_(chosen), rows_(rows) {}

    bool load(size_t i, TrainedSae& sae) {
        const auto bytes = context_.checkpoints.load(part(i), origin(i));
        if (!bytes || !from_bytes(*bytes, sae)) return false;
        sae.sae.d_in = keys(i).d();
        sae.sae.latents = options_.latents;
        sae.sae.k = options_.k;
        return true;
    }

    // `turn` of `turns` to be trained, for the progress bar.
    Result<TrainedSae> train(size_t i, size_t turn, size_t turns) {
        const uint64_t before = static_cast<uint64_t>(turn) * options_.sae_steps;
        const uint64_t total = static_cast<uint64_t>(turns) * options_.sae_steps;
        const std::string name = slot_name(chosen_.slots[i], i, chosen_.slots.size());
        S3ATTN_TRY(
            TrainedSae sae,
            train_sae(
                keys(i), keys(i).mean(), sae_options(i), context_.pool,
                [&](uint32_t step, uint32_t) {
                    context_.sink.update({"train SAEs", name, before + step, total, "steps", 0});
                },
                context_.cancel));
        S3ATTN_CHECK(context_.checkpoints.save(part(i), origin(i), to_bytes(sae)));
        return sae;
    }

  private:
    const HalfRows& keys(size_t i) const { return rows_.keys.at(chosen_.slots[i]); }

    SaeOptions sae_options(size_t i) const {
        SaeOptions sae;
        sae.latents = options_.latents;
        sae.k = options_.k;
        sae.steps = options_.sae_steps;
        sae.patience = options_.sae_patience;
        sae.seed = options_.seed + i;
        sae.on_device = options_.device == Device::kCuda;
        return sae;
    }

    std::string part(size_t i) const {
        return "sae-" + name_of(chosen_.slots[i]) + "-F" + std::to_string(options_.latents) + "-k" +
               std::to_string(options_.k);
    }

    Origin origin(size_t i) const {
        Origin origin = context_.origin();
        const SaeOptions sae = sae_options(i);
        origin.emplace_back("sae-steps", std::to_string(sae.steps));
        origin.emplace_back("sae-patience", std::to_string(sae.patience));
        origin.emplace_back("seed of the SAE", std::to_string(sae.seed));
        origin.emplace_back("keys", hash_of(keys(i)));
        if (sae.on_device) origin.emplace_back("device", "cuda");
        return origin;
    }

    TrainContext& context_;
    const TrainOptions& options_;
    const ChosenHeads& chosen_;
    const TrainingRows& rows_;
};

Result<std::vector<TrainedSae>> fit_all(TrainContext& context, const TrainOptions& options,
                                        const ChosenHeads& chosen, const TrainingRows& rows) {
    SlotFitter fitter(context, options, chosen, rows);
    std::vector<TrainedSae> saes(chosen.slots.size());
    std::vector<size_t> missing;
    for (size_t i = 0; i < saes.size(); ++i) {
        if (!fitter.load(i, saes[i])) missing.push_back(i);
    }
    for (size_t turn = 0; turn < missing.size(); ++turn) {
        S3ATTN_TRY(saes[missing[turn]], fitter.train(missing[turn], turn, missing.size()));
    }
    return saes;
}

// The autoencoders of options.sae_dir, measured on this model's keys.
Result<std::vector<TrainedSae>> import_all(TrainContext& context, const std::string& directory,
                                           const ChosenHeads& chosen, const TrainingRows& rows) {
    std::vector<TrainedSae> saes;
    std::string unsure;
    for (size_t i = 0; i < chosen.slots.size(); ++i) {
        const HeadKey slot = chosen.slots[i];
        const std::string folder = directory + "/" + sae_folder(slot.layer, slot.head);
        S3ATTN_TRY(ImportedSae imported,
                   import_sae(folder, slot.layer, slot.head, context.scanner.info().d_head));
        const uint32_t k = imported.sae.k, latents = imported.sae.latents;
        if (i > 0 && (k != saes[0].sae.k || latents != saes[0].sae.latents)) {
            return make_error(ErrorCode::kMismatch,
                              "'" + folder + "' has d_sae " + std::to_string(latents) + " and k " +
                                  std::to_string(k) + ", the one before it " +
                                  std::to_string(saes[0].sae.latents) + " and " +
                                  std::to_string(saes[0].sae.k) +
                                  ": all autoencoders of an adapter must agree");
        }
        const HalfRows& keys = rows.keys.at(slot);
        const SaeWeights weights = weights_of(imported.sae);
        context.sink.update({"measure SAEs", folder, i, chosen.slots.size(), "SAEs", 0});
        TrainedSae sae =
            measure_sae(weights, k, keys, keys.mean(), training_rows(keys.size()), context.pool);
        if (!(sae.report.fvu < 1)) {
            return make_error(ErrorCode::kMismatch,
                              "'" + folder + "' does not fit: it leaves " +
                                  std::to_string(sae.report.fvu) +
                                  " of the variance of unit(key - mean key) unexplained, more "
                                  "than no autoencoder at all; was it trained on "
                                  "another model's keys, or on keys that are not centred and "
                                  "normalised?");
        }
        if (!imported.knows_input) unsure += " " + sae_folder(slot.layer, slot.head);
        sae.sae = std::move(imported.sae);
        saes.push_back(std::move(sae));
    }
    if (!unsure.empty()) {
        context.sink.note(
            "cfg.json does not say what these autoencoders were trained on; they are "
            "fed unit(key - mean key), judge them by their FVU:" +
            unsure);
    }
    return saes;
}

void add_untrained_heads(const TrainContext& context, const ChosenHeads& chosen,
                         const TrainingRows& rows, const HeldOut& held_out, Adapter& adapter) {
    for (const HeadKey& key : chosen.as_keys()) {
        QueryHead head;
        head.layer = key.layer;
        head.query_head = key.head;
        const HeadKey slot{key.layer, key.head / context.group()};
        head.slot =
            static_cast<uint32_t>(std::lower_bound(chosen.slots.begin(), chosen.slots.end(), slot) -
                                  chosen.slots.begin());
        head.mean_query = joint_mean(rows.queries.at(key), held_out.queries.at(key));
        head.mixture = 1.0f / static_cast<float>(chosen.heads.size());
        adapter.heads.push_back(std::move(head));
    }
}

}  // namespace

Status fit_key_side(TrainContext& context, const TrainOptions& options, const ChosenHeads& chosen,
                    const TrainingRows& rows, const HeldOut& held_out, Adapter& adapter,
                    std::vector<SaeReport>& reports) {
    describe_model(context.scanner.info(), options, adapter);
    S3ATTN_TRY(std::vector<TrainedSae> saes,
               options.sae_dir.empty() ? fit_all(context, options, chosen, rows)
                                       : import_all(context, options.sae_dir, chosen, rows));
    adapter.latents = saes.front().sae.latents;
    adapter.k = saes.front().sae.k;
    std::vector<float> activations;
    for (size_t i = 0; i < saes.size(); ++i) {
        const HalfRows& keys = rows.keys.at(chosen.slots[i]);
        KeySlot slot;
        slot.layer = chosen.slots[i].layer;
        slot.kv_head = chosen.slots[i].head;
        slot.mean_key = keys.mean();
        slot.sae = std::move(saes[i].sae);
        slot.mean_activation = std::move(saes[i].mean_activation);
        const auto& sample = saes[i].activation_sample;
        activations.insert(activations.end(), sample.begin(), sample.end());
        SaeReport& report = saes[i].report;
        const RowScale scale = row_scale(keys);
        report.layer = slot.layer;
        report.kv_head = slot.kv_head;
        report.key_mean = scale.mean;
        report.key_spread = scale.spread;
        reports.push_back(std::move(report));
        adapter.slots.push_back(std::move(slot));
    }
    adapter.activation_scale = activation_scale_for(activations);
    round_to_stored_precision(adapter);
    add_untrained_heads(context, chosen, rows, held_out, adapter);
    return {};
}

}  // namespace s3attn

#include "adapter/sae_file.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "adapter/json_util.h"
#include "adapter/safetensors.h"
#include "base/files.h"

namespace s3attn {
namespace {

using adapter_json::Fields;
using adapter_json::Json;

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr uint32_t kMaxLatents = 65536;  // a feature id is 16 bits wide
constexpr uint32_t kMaxWidth = 8192;

Error unsupported(const std::string& file, const std::string& why) {
    return make_error(ErrorCode::kUnsupported, "'" + file + "': " + why);
}

// A field that may be absent or null, and must not be anything else than its type: a flag written
// as text would be read as unset.
Result<std::string> text_or(const Fields& config, std::string_view name, std::string otherwise) {
    const Json* json = config.find(name);
    if (json == nullptr || json->is_null()) return otherwise;
    if (!json->is_string()) return config.bad(name, "is " + json->dump() + ", expected a text");
    return json->get<std::string>();
}

Result<bool> flag_or(const Fields& config, std::string_view name, bool otherwise) {
    const Json* json = config.find(name);
    if (json == nullptr || json->is_null()) return otherwise;
    if (!json->is_boolean()) {
        return config.bad(name, "is " + json->dump() + ", expected true or false");
    }
    return json->get<bool>();
}

// k stands at the top (SAELens 6, sparsify) or in activation_fn_kwargs (SAELens before 6).
Result<uint32_t> read_k(const Json& json, const Fields& config, const std::string& file,
                        uint32_t latents) {
    const uint32_t most = std::min(latents, kMaxActive);
    if (config.find("k") != nullptr || !json.contains("activation_fn_kwargs")) {
        return config.number("k", 1, most);
    }
    return Fields(json["activation_fn_kwargs"], file, "activation_fn_kwargs").number("k", 1, most);
}

// SAELens can rank latents by pre-activation times decoder norm: the same as an encoder scaled by
// that norm and a decoder of unit rows, which is what our encoder computes.
void fold_decoder_norm(SparseAutoencoder& sae) {
    for (uint32_t f = 0; f < sae.latents; ++f) {
        float* row = &sae.w_dec[size_t{f} * sae.d_in];
        double sum = 0;
        for (uint32_t i = 0; i < sae.d_in; ++i) sum += double{row[i]} * row[i];
        const auto norm = static_cast<float>(std::sqrt(sum));
        for (uint32_t i = 0; i < sae.d_in; ++i) {
            if (norm > 0) row[i] /= norm;
            sae.w_enc[size_t{i} * sae.latents + f] *= norm;
        }
        sae.b_enc[f] *= norm;
    }
}

Result<SparseAutoencoder> read_saelens(const Json& json, const std::string& file,
                                       NamedBytes weights) {
    const Fields config(json, file, "");
    S3ATTN_TRY(const std::string architecture, text_or(config, "architecture", "standard"));
    S3ATTN_TRY(const std::string older, text_or(config, "activation_fn_str", architecture));
    S3ATTN_TRY(const std::string activation, text_or(config, "activation_fn", older));
    if (architecture != "topk" && !(architecture == "standard" && activation == "topk")) {
        return unsupported(file, "architecture is '" + architecture + "', expected 'topk'");
    }
    // What would change the input or the activations in a way that no code of ours has.
    for (const char* option : {"normalize_activations", "reshape_activations"}) {
        S3ATTN_TRY(const std::string what, text_or(config, option, "none"));
        if (what == "none") continue;
        return unsupported(file, std::string(option) + " is '" + what + "', expected 'none'");
    }
    S3ATTN_TRY(const bool factor, flag_or(config, "finetuning_scaling_factor", false));
    if (factor) {
        return unsupported(file,
                           "finetuning_scaling_factor is set: activations are scaled again, "
                           "which codes do not know");
    }
    SparseAutoencoder sae;
    S3ATTN_TRY(sae.d_in, config.number("d_in", 1, kMaxWidth));
    S3ATTN_TRY(sae.latents, config.number("d_sae", 1, kMaxLatents));
    S3ATTN_TRY(sae.k, read_k(json, config, file, sae.latents));
    S3ATTN_TRY(const SafetensorsFile tensors,
               SafetensorsFile::parse(std::move(weights.bytes), std::move(weights.path)));
    S3ATTN_TRY(sae.w_enc, tensors.floats("W_enc", {sae.d_in, sae.latents}));
    S3ATTN_TRY(sae.b_enc, tensors.floats("b_enc", {sae.latents}));
    S3ATTN_TRY(sae.w_dec, tensors.floats("W_dec", {sae.latents, sae.d_in}));
    S3ATTN_TRY(sae.b_dec, tensors.floats("b_dec", {sae.d_in}));
    S3ATTN_TRY(const bool rescale, flag_or(config, "rescale_acts_by_decoder_norm", false));
    if (rescale) fold_decoder_norm(sae);
    // Without it b_dec only shifts the output, which no score of ours looks at.
    S3ATTN_TRY(const bool shifts, flag_or(config, "apply_b_dec_to_input", true));
    if (!shifts) {
        std::fill(sae.b_dec.begin(), sae.b_dec.end(), 0.0f);
    }
    return sae;
}

Result<SparseAutoencoder> read_sparsify(const Json& json, const std::string& file,
                                        const std::string& weights) {
    const Fields config(json, file, "");
    S3ATTN_TRY(const std::string activation, text_or(config, "activation", "topk"));
    if (activation != "topk") {
        return unsupported(file, "activation is '" + activation + "', expected 'topk'");
    }
    for (const char* option : {"transcode", "skip_connection"}) {
        S3ATTN_TRY(const bool set, flag_or(config, option, false));
        if (set) {
            return unsupported(file, std::string(option) + " is set: not an autoencoder of keys");
        }
    }
    S3ATTN_TRY(const bool either_sign, flag_or(config, "signed", false));
    if (either_sign) {
        return unsupported(file,
                           "signed is set: the k latents of largest size, of either sign, are "
                           "active; here they are the k largest that are positive");
    }
    SparseAutoencoder sae;
    S3ATTN_TRY(sae.d_in, config.number("d_in", 1, kMaxWidth));
    S3ATTN_TRY(const SafetensorsFile tensors, SafetensorsFile::read(weights));
    // num_latents may be 0 in cfg.json (then an expansion factor counts): the tensor decides.
    S3ATTN_TRY(const std::vector<uint64_t> shape, tensors.shape("W_dec", 2));
    if (shape[0] < 1 || shape[0] > kMaxLatents) {
        return unsupported(weights, std::to_string(shape[0]) + " latents, expected 1 to 65536");
    }
    sae.latents = static_cast<uint32_t>(shape[0]);
    S3ATTN_TRY(sae.k, config.number("k", 1, std::min(sae.latents, kMaxActive)));
    S3ATTN_TRY(const std::vector<float> encoder,
               tensors.floats("encoder.weight", {sae.latents, sae.d_in}));
    S3ATTN_TRY(sae.b_enc, tensors.floats("encoder.bias", {sae.latents}));
    S3ATTN_TRY(sae.w_dec, tensors.floats("W_dec", {sae.latents, sae.d_in}));
    S3ATTN_TRY(sae.b_dec, tensors.floats("b_dec", {sae.d_in}));
    sae.w_enc.resize(encoder.size());
    for (size_t f = 0; f < sae.latents; ++f) {
        for (size_t i = 0; i < sae.d_in; ++i) {
            sae.w_enc[i * sae.latents + f] = encoder[f * sae.d_in + i];
        }
    }
    return sae;
}

bool all_finite(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

}  // namespace

Result<std::vector<std::pair<std::string, std::string>>> serialize_sae(
    const SparseAutoencoder& sae, const SaeOrigin& origin, const std::string& directory) {
    const std::string hook = "blocks." + std::to_string(origin.layer) + ".attn.hook_k";
    const Json config = {
        {"architecture", "topk"},
        {"d_in", sae.d_in},
        {"d_sae", sae.latents},
        {"k", sae.k},
        {"activation_fn", "topk"},
        {"activation_fn_kwargs", {{"k", sae.k}}},
        {"dtype", "float16"},
        {"device", "cpu"},
        {"apply_b_dec_to_input", true},
        {"normalize_activations", "none"},
        {"rescale_acts_by_decoder_norm", false},
        {"reshape_activations", "none"},
        {"finetuning_scaling_factor", false},
        {"model_name", origin.model_name},
        {"hook_name", hook},
        {"hook_layer", origin.layer},
        {"hook_head_index", origin.kv_head},
        {"s3attn_input", "unit(key before RoPE - mean key of the head)"},
    };
    const uint64_t d = sae.d_in, latents = sae.latents;
    S3ATTN_TRY(std::string weights,
               serialize_safetensors({{"W_enc", {d, latents}, sae.w_enc, TensorType::kF16},
                                      {"b_enc", {latents}, sae.b_enc, TensorType::kF16},
                                      {"W_dec", {latents, d}, sae.w_dec, TensorType::kF16},
                                      {"b_dec", {d}, sae.b_dec, TensorType::kF16}},
                                     {{"format", "pt"}}, directory + "/sae_weights.safetensors"));
    std::vector<std::pair<std::string, std::string>> files;
    files.emplace_back("cfg.json", adapter_json::dump(config, 2) + "\n");
    files.emplace_back("sae_weights.safetensors", std::move(weights));
    return files;
}

Result<SparseAutoencoder> read_sae(const std::string& directory) {
    const std::string file = directory + "/cfg.json";
    S3ATTN_TRY(const std::string text, read_file(file, kMaxConfigBytes));
    S3ATTN_TRY(const Json json, adapter_json::parse(text, file));
    std::error_code ignored;
    const std::string saelens = directory + "/sae_weights.safetensors";
    const std::string sparsify = directory + "/sae.safetensors";
    if (std::filesystem::exists(saelens, ignored)) {
        S3ATTN_TRY(std::string weights, read_file(saelens, kMaxSafetensorsBytes));
        return read_saelens(json, file, {saelens, std::move(weights)});
    }
    if (std::filesystem::exists(sparsify, ignored)) return read_sparsify(json, file, sparsify);
    return make_error(ErrorCode::kNotFound,
                      "'" + directory +
                          "' holds neither sae_weights.safetensors (SAELens) nor sae.safetensors "
                          "(sparsify)");
}

Result<SparseAutoencoder> parse_saelens(const NamedBytes& config, NamedBytes weights) {
    S3ATTN_TRY(const Json json, adapter_json::parse(config.bytes, config.path));
    return read_saelens(json, config.path, std::move(weights));
}

Status validate_sae(const SparseAutoencoder& sae, const std::string& name) {
    const auto fail = [&](const std::string& why) {
        return make_error(ErrorCode::kInvalidArgument, name + ": " + why);
    };
    if (sae.d_in < 1 || sae.d_in > kMaxWidth) return fail("d_in is " + std::to_string(sae.d_in));
    if (sae.latents < 1 || sae.latents > kMaxLatents) {
        return fail("latents is " + std::to_string(sae.latents) + ", expected 1 to 65536");
    }
    if (sae.k < 1 || sae.k > std::min(sae.latents, kMaxActive)) {
        return fail("k is " + std::to_string(sae.k));
    }
    const size_t matrix = size_t{sae.d_in} * sae.latents;
    const std::pair<const char*, std::pair<const std::vector<float>*, size_t>> parts[] = {
        {"W_enc", {&sae.w_enc, matrix}},
        {"b_enc", {&sae.b_enc, sae.latents}},
        {"W_dec", {&sae.w_dec, matrix}},
        {"b_dec", {&sae.b_dec, sae.d_in}},
    };
    for (const auto& [label, part] : parts) {
        if (part.first->size() != part.second) {
            return fail(std::string(label) + " holds " + std::to_string(part.first->size()) +
                        " values, expected " + std::to_string(part.second));
        }
        if (!all_finite(*part.first)) return fail(std::string(label) + " holds NaN or infinity");
    }
    return {};
}

}  // namespace s3attn

#include "adapter/sae_import.h"

#include "adapter/json_util.h"
#include "adapter/sae_file.h"
#include "base/files.h"

namespace s3attn {
namespace {

using adapter_json::Json;

constexpr uint32_t kMostActive = 64;  // what training allows
constexpr uint64_t kMaxConfigBytes = 1 << 20;

// A field of cfg.json; SAELens 6 keeps what describes the model under "metadata".
const Json* find(const Json& config, const char* field) {
    if (config.is_object() && config.contains(field)) return &config[field];
    if (config.is_object() && config.contains("metadata")) return find(config["metadata"], field);
    return nullptr;
}

bool is_key_hook(const std::string& name) {
    for (const char* part : {"hook_k", "k_proj", "attn_k", ".key", "Kcur"}) {
        if (name.find(part) != std::string::npos) return true;
    }
    return false;
}

}  // namespace

std::string sae_folder(uint32_t layer, uint32_t kv_head) {
    return "sae_L" + std::to_string(layer) + "_H" + std::to_string(kv_head);
}

Result<ImportedSae> import_sae(const std::string& directory, uint32_t layer, uint32_t kv_head,
                               uint32_t d_head) {
    ImportedSae imported;
    S3ATTN_TRY(imported.sae, read_sae(directory));
    const std::string file = directory + "/cfg.json";
    S3ATTN_TRY(const std::string text, read_file(file, kMaxConfigBytes));
    S3ATTN_TRY(const Json config, adapter_json::parse(text, file));
    const auto differs = [&](const std::string& field, const std::string& found,
                             const std::string& wanted) {
        return make_error(ErrorCode::kMismatch, "'" + file + "': field '" + field + "' is " +
                                                    found + ", expected " + wanted);
    };
    const SparseAutoencoder& sae = imported.sae;
    if (sae.d_in != d_head) {
        return differs("d_in", std::to_string(sae.d_in),
                       std::to_string(d_head) + ", the size of one key of the model");
    }
    if (sae.k > kMostActive) {
        return differs("k", std::to_string(sae.k), "at most " + std::to_string(kMostActive));
    }
    if (const Json* hook = find(config, "hook_name");
        hook != nullptr && hook->is_string() && !is_key_hook(hook->get<std::string>())) {
        return differs(
            "hook_name", "'" + hook->get<std::string>() + "'",
            "a key projection, such as 'blocks." + std::to_string(layer) + ".attn.hook_k'");
    }
    const std::pair<const char*, uint32_t> places[] = {{"hook_layer", layer},
                                                       {"hook_head_index", kv_head}};
    for (const auto& [field, wanted] : places) {
        const Json* found = find(config, field);
        if (found != nullptr && found->is_number_integer() && *found != wanted) {
            return differs(field, found->dump(), std::to_string(wanted));
        }
    }
    imported.knows_input = find(config, "s3attn_input") != nullptr;
    S3ATTN_CHECK(validate_sae(sae, "'" + directory + "'"));
    return imported;
}

}  // namespace s3attn

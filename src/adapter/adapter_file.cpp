// Reads adapter.json and the files it names. Layout of an adapter directory:
//   adapter.json              what follows, and the XXH3-128 of every other file
//   query.safetensors         heads.<i>.{mean_query, map, bias, token_weight}
//   sae_L<layer>_H<kv_head>/  cfg.json, sae_weights.safetensors (SAELens), key_stats.safetensors

#include <filesystem>

#include "adapter/adapter.h"
#include "adapter/json_util.h"
#include "adapter/sae_file.h"
#include "adapter/sae_import.h"
#include "adapter/safetensors.h"
#include "base/files.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using adapter_json::Fields;
using adapter_json::Json;
using adapter_json::kFormatVersion;
using Type = Json::value_t;

constexpr uint64_t kMaxJsonBytes = 16 << 20;
constexpr uint32_t kMaxSlots = 1024;

// An adapter directory whose files are checked against the hashes in adapter.json.
struct Reader {
    std::string directory;
    const Json* hashes = nullptr;  // adapter.json "files"

    std::string path(const std::string& name) const { return directory + "/" + name; }

    Result<NamedBytes> read(const std::string& name) const {
        const auto it = hashes->find(name);
        if (it == hashes->end() || !it->is_string()) {
            return make_error(ErrorCode::kCorrupt, "'" + path("adapter.json") + "': field 'files." +
                                                       name + "' is missing");
        }
        NamedBytes file{path(name), {}};
        S3ATTN_TRY(file.bytes, read_file(file.path, kMaxSafetensorsBytes));
        const std::string hash = hash_bytes(file.bytes);
        if (hash != it->get<std::string>()) {
            return make_error(ErrorCode::kCorrupt,
                              "'" + file.path +
                                  "' is not the file that adapter.json was written with (hash " +
                                  hash + "): restore it or train the adapter anew");
        }
        return file;
    }

    Result<SafetensorsFile> tensors(const std::string& name) const {
        S3ATTN_TRY(NamedBytes file, read(name));
        return SafetensorsFile::parse(std::move(file.bytes), std::move(file.path));
    }
};

Status read_model(const Fields& root, const std::string& file, Adapter& adapter) {
    S3ATTN_TRY(const Json* json, root.child("model", Type::object));
    const Fields model(*json, file, "model");
    S3ATTN_TRY(adapter.model_name, model.text("name"));
    S3ATTN_TRY(adapter.model_hash, model.text("hash"));
    S3ATTN_TRY(adapter.tokenizer_hash, model.text("tokenizer_hash"));
    S3ATTN_TRY(adapter.architecture, model.text("architecture"));
    if (model.find("identity") != nullptr) {
        S3ATTN_TRY(adapter.model_identity, model.text("identity"));
    }
    S3ATTN_TRY(adapter.n_layer, model.number("n_layer", 1, 1u << 16));
    S3ATTN_TRY(adapter.n_head, model.number("n_head", 1, 1u << 16));
    S3ATTN_TRY(adapter.n_head_kv, model.number("n_head_kv", 1, 1u << 16));
    S3ATTN_TRY(adapter.d_head, model.number("d_head", 1, 8192));
    if (adapter.n_head % adapter.n_head_kv != 0) {
        return model.bad("n_head", "is not a multiple of n_head_kv");
    }
    return {};
}

Result<KeySlot> read_slot(const Json& json, size_t index, const Reader& reader,
                          const Adapter& adapter) {
    const Fields fields(json, reader.path("adapter.json"), "slots[" + std::to_string(index) + "]");
    KeySlot slot;
    S3ATTN_TRY(slot.layer, fields.number("layer", 0, adapter.n_layer - 1));
    S3ATTN_TRY(slot.kv_head, fields.number("kv_head", 0, adapter.n_head_kv - 1));
    // The folder's name follows from the slot, so no path of the file is ever trusted.
    const std::string folder = sae_folder(slot.layer, slot.kv_head);
    S3ATTN_TRY(const NamedBytes config, reader.read(folder + "/cfg.json"));
    S3ATTN_TRY(NamedBytes weights, reader.read(folder + "/sae_weights.safetensors"));
    S3ATTN_TRY(slot.sae, parse_saelens(config, std::move(weights)));
    const auto differs = [&](const char* field, uint32_t found, uint32_t expected) {
        return make_error(ErrorCode::kMismatch, "'" + reader.path(folder) + "/cfg.json': field '" +
                                                    field + "' is " + std::to_string(found) +
                                                    ", adapter.json says " +
                                                    std::to_string(expected));
    };
    if (slot.sae.d_in != adapter.d_head) return differs("d_in", slot.sae.d_in, adapter.d_head);
    if (slot.sae.latents != adapter.latents) {
        return differs("d_sae", slot.sae.latents, adapter.latents);
    }
    if (slot.sae.k != adapter.k) return differs("k", slot.sae.k, adapter.k);
    S3ATTN_TRY(const SafetensorsFile stats, reader.tensors(folder + "/key_stats.safetensors"));
    S3ATTN_TRY(slot.mean_key, stats.floats("mean_key", {adapter.d_head}));
    S3ATTN_TRY(slot.mean_activation, stats.floats("mean_activation", {adapter.latents}));
    return slot;
}

Result<QueryHead> read_head(const Json& json, size_t index, const Reader& reader,
                            const SafetensorsFile& tensors, const Adapter& adapter) {
    const std::string where = "heads[" + std::to_string(index) + "]";
    const Fields fields(json, reader.path("adapter.json"), where);
    QueryHead head;
    S3ATTN_TRY(head.layer, fields.number("layer", 0, adapter.n_layer - 1));
    S3ATTN_TRY(head.query_head, fields.number("query_head", 0, adapter.n_head - 1));
    S3ATTN_TRY(head.temperature, fields.real32("temperature"));
    S3ATTN_TRY(head.mixture, fields.real32("mixture"));
    const uint32_t kv_head = head.query_head / (adapter.n_head / adapter.n_head_kv);
    head.slot = UINT32_MAX;
    for (uint32_t s = 0; s < adapter.slots.size(); ++s) {
        const KeySlot& slot = adapter.slots[s];
        if (slot.layer == head.layer && slot.kv_head == kv_head) head.slot = s;
    }
    if (head.slot == UINT32_MAX) {
        return fields.bad("query_head", "reads KV head " + std::to_string(kv_head) + " of layer " +
                                            std::to_string(head.layer) +
                                            ", for which there is no slot");
    }
    const uint64_t d = adapter.d_head;
    const std::string prefix = "heads." + std::to_string(index) + ".";
    S3ATTN_TRY(head.mean_query, tensors.floats(prefix + "mean_query", {d}));
    if (tensors.contains(prefix + "map")) {
        S3ATTN_TRY(head.map, tensors.floats(prefix + "map", {d, d}));
    }
    if (tensors.contains(prefix + "bias")) {
        S3ATTN_TRY(head.bias, tensors.floats(prefix + "bias", {d}));
    }
    if (tensors.contains(prefix + "token_weight")) {
        S3ATTN_TRY(head.token_weight, tensors.floats(prefix + "token_weight", {d}));
    }
    return head;
}

Status read_scalars(const Fields& root, const std::string& file, Adapter& adapter) {
    S3ATTN_TRY(const Json* json, root.child("codes", Type::object));
    const Fields codes(*json, file, "codes");
    S3ATTN_TRY(adapter.latents, codes.number("latents", 1, 65536));
    S3ATTN_TRY(adapter.k, codes.number("k", 1, std::min(adapter.latents, kMaxActive)));
    S3ATTN_TRY(adapter.activation_scale, codes.real32("activation_scale"));
    S3ATTN_TRY(adapter.hybrid_s3_weight, root.real32("hybrid_s3_weight"));
    S3ATTN_TRY(adapter.evidence_floor, root.real("evidence_floor"));
    S3ATTN_TRY(adapter.key_side_hash, root.text("key_side_hash"));
    const Json* training = root.find("training");
    adapter.training_record = training == nullptr ? "{}" : adapter_json::dump(*training);
    return {};
}

// Absent in adapters without a second stage.
Status read_context(const Fields& root, const std::string& file, Adapter& adapter) {
    if (root.find("context") == nullptr) return {};
    S3ATTN_TRY(const Json* json, root.child("context", Type::object));
    const Fields context(*json, file, "context");
    S3ATTN_TRY(const Json* heads, context.child("heads", Type::array));
    if (heads->size() > kMaxSlots) return context.bad("heads", "holds too many entries");
    for (size_t i = 0; i < heads->size(); ++i) {
        const Fields fields((*heads)[i], file, "context.heads[" + std::to_string(i) + "]");
        ContextHeads::Head head;
        S3ATTN_TRY(head.layer, fields.number("layer", 0, adapter.n_layer - 1));
        S3ATTN_TRY(head.query_head, fields.number("query_head", 0, adapter.n_head - 1));
        adapter.context.heads.push_back(head);
    }
    S3ATTN_TRY(const std::string mass, context.text("mass"));
    if (mass != "share" && mass != "raw") {
        return context.bad("mass", "is '" + mass + "', expected 'share' or 'raw'");
    }
    adapter.context.share = mass == "share";
    S3ATTN_TRY(adapter.context.first_weight, context.real32("first_weight"));
    return {};
}

// Absent in adapters whose hybrid has one weight for all questions.
Status read_fusion(const Fields& root, const std::string& file, Adapter& adapter) {
    if (root.find("fusion") == nullptr) return {};
    S3ATTN_TRY(const Json* json, root.child("fusion", Type::object));
    const Fields fusion(*json, file, "fusion");
    S3ATTN_TRY(adapter.fusion.bias, fusion.real("bias"));
    S3ATTN_TRY(const Json* features, fusion.child("features", Type::array));
    if (features->size() > kMaxSlots) return fusion.bad("features", "holds too many entries");
    for (size_t i = 0; i < features->size(); ++i) {
        const Fields fields((*features)[i], file, "fusion.features[" + std::to_string(i) + "]");
        FusionModel::Feature feature;
        S3ATTN_TRY(feature.name, fields.text("name"));
        S3ATTN_TRY(feature.mean, fields.real("mean"));
        S3ATTN_TRY(feature.spread, fields.real("spread"));
        S3ATTN_TRY(feature.weight, fields.real("weight"));
        if (!(feature.spread > 0)) return fields.bad("spread", "is not above 0");
        adapter.fusion.features.push_back(std::move(feature));
    }
    return {};
}

Status check_format(const Fields& root) {
    S3ATTN_TRY(const std::string format, root.text("format"));
    if (format != "s3attn-adapter") {
        return root.bad("format", "is '" + format + "', expected 's3attn-adapter'");
    }
    S3ATTN_TRY(const uint32_t version, root.number("format_version", 0, UINT32_MAX));
    if (version != kFormatVersion) {
        return make_error(
            ErrorCode::kUnsupported,
            root.bad("format_version", "is " + std::to_string(version) + ", this program reads " +
                                           std::to_string(kFormatVersion))
                .message);
    }
    return {};
}

Status read_parts(const Fields& root, const Reader& reader, Adapter& adapter) {
    S3ATTN_TRY(const Json* slots, root.child("slots", Type::array));
    S3ATTN_TRY(const Json* heads, root.child("heads", Type::array));
    if (slots->size() > kMaxSlots) return root.bad("slots", "holds too many entries");
    if (heads->size() > kMaxSlots) return root.bad("heads", "holds too many entries");
    for (size_t i = 0; i < slots->size(); ++i) {
        S3ATTN_TRY(KeySlot slot, read_slot((*slots)[i], i, reader, adapter));
        adapter.slots.push_back(std::move(slot));
    }
    S3ATTN_TRY(const SafetensorsFile tensors, reader.tensors("query.safetensors"));
    for (size_t i = 0; i < heads->size(); ++i) {
        S3ATTN_TRY(QueryHead head, read_head((*heads)[i], i, reader, tensors, adapter));
        adapter.heads.push_back(std::move(head));
    }
    return {};
}

std::string name_of(const std::string& directory) {
    std::error_code ignored;
    fs::path path = fs::absolute(directory, ignored).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    return path.filename().string();
}

}  // namespace

Result<Adapter> load_adapter(const std::string& directory) {
    const std::string file = directory + "/adapter.json";
    S3ATTN_TRY(const std::string text, read_file(file, kMaxJsonBytes));
    S3ATTN_TRY(const Json json, adapter_json::parse(text, file));
    const Fields root(json, file, "");
    S3ATTN_CHECK(check_format(root));
    Adapter adapter;
    adapter.name = name_of(directory);
    S3ATTN_CHECK(read_model(root, file, adapter));
    S3ATTN_CHECK(read_scalars(root, file, adapter));
    S3ATTN_CHECK(read_context(root, file, adapter));
    S3ATTN_CHECK(read_fusion(root, file, adapter));
    Reader reader{directory, nullptr};
    S3ATTN_TRY(reader.hashes, root.child("files", Type::object));
    S3ATTN_CHECK(read_parts(root, reader, adapter));

    const std::string recorded = adapter.key_side_hash;
    round_to_stored_precision(adapter);
    if (const Status status = validate_adapter(adapter); !status.ok()) {
        return make_error(ErrorCode::kCorrupt, "'" + file + "': " + status.error().message);
    }
    if (adapter.key_side_hash != recorded) {
        return root.bad("key_side_hash",
                        "is " + recorded + ", the weights beside it have " + adapter.key_side_hash);
    }
    return adapter;
}

}  // namespace s3attn

// Writes adapter.json and the files it names, all of them or none (adapter_file.cpp has the
// layout).
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "adapter/adapter.h"
#include "adapter/json_util.h"
#include "adapter/sae_file.h"
#include "adapter/sae_import.h"
#include "adapter/safetensors.h"
#include "base/files.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using adapter_json::Json;
using adapter_json::kFormatVersion;

using Files = std::vector<std::pair<std::string, std::string>>;  // relative path, bytes

Result<std::string> query_bytes(const Adapter& adapter, const std::string& file) {
    std::vector<TensorToWrite> tensors;
    const uint64_t d = adapter.d_head;
    for (size_t i = 0; i < adapter.heads.size(); ++i) {
        const QueryHead& head = adapter.heads[i];
        const std::string prefix = "heads." + std::to_string(i) + ".";
        tensors.push_back({prefix + "mean_query", {d}, head.mean_query});
        if (!head.map.empty()) tensors.push_back({prefix + "map", {d, d}, head.map});
        if (!head.bias.empty()) tensors.push_back({prefix + "bias", {d}, head.bias});
        if (!head.token_weight.empty()) {
            tensors.push_back({prefix + "token_weight", {d}, head.token_weight});
        }
    }
    return serialize_safetensors(tensors, {}, file);
}

Result<Files> part_files(const Adapter& adapter, const std::string& directory) {
    Files files;
    for (const KeySlot& slot : adapter.slots) {
        const std::string folder = sae_folder(slot.layer, slot.kv_head);
        const std::string path = directory + "/" + folder;
        S3ATTN_TRY(Files sae,
                   serialize_sae(slot.sae, {adapter.model_name, slot.layer, slot.kv_head}, path));
        for (auto& [name, bytes] : sae) files.emplace_back(folder + "/" + name, std::move(bytes));
        S3ATTN_TRY(
            std::string stats,
            serialize_safetensors({{"mean_key", {adapter.d_head}, slot.mean_key},
                                   {"mean_activation", {adapter.latents}, slot.mean_activation}},
                                  {}, path + "/key_stats.safetensors"));
        files.emplace_back(folder + "/key_stats.safetensors", std::move(stats));
    }
    S3ATTN_TRY(std::string query, query_bytes(adapter, directory + "/query.safetensors"));
    files.emplace_back("query.safetensors", std::move(query));
    return files;
}

Result<std::string> adapter_json_bytes(const Adapter& adapter, const Files& files) {
    const std::string record = adapter.training_record.empty() ? "{}" : adapter.training_record;
    S3ATTN_TRY(const Json training, adapter_json::parse(record, "training_record"));
    Json slots = Json::array(), heads = Json::array(), hashes = Json::object();
    for (const KeySlot& slot : adapter.slots) {
        slots.push_back({{"layer", slot.layer}, {"kv_head", slot.kv_head}});
    }
    for (const QueryHead& head : adapter.heads) {
        heads.push_back({{"layer", head.layer},
                         {"query_head", head.query_head},
                         {"temperature", head.temperature},
                         {"mixture", head.mixture}});
    }
    for (const auto& [name, bytes] : files) hashes[name] = hash_bytes(bytes);
    Json root = {
        {"format", "s3attn-adapter"},
        {"format_version", kFormatVersion},
        {"model",
         {{"name", adapter.model_name},
          {"hash", adapter.model_hash},
          {"identity", adapter.model_identity},
          {"tokenizer_hash", adapter.tokenizer_hash},
          {"architecture", adapter.architecture},
          {"n_layer", adapter.n_layer},
          {"n_head", adapter.n_head},
          {"n_head_kv", adapter.n_head_kv},
          {"d_head", adapter.d_head}}},
        {"codes",
         {{"latents", adapter.latents},
          {"k", adapter.k},
          {"activation_scale", adapter.activation_scale}}},
        {"hybrid_s3_weight", adapter.hybrid_s3_weight},
        {"evidence_floor", adapter.evidence_floor},
        {"key_side_hash", compute_key_side_hash(adapter)},
        {"slots", slots},
        {"heads", heads},
        {"files", hashes},
    };
    if (!adapter.context.heads.empty()) {
        Json context = Json::array();
        for (const ContextHeads::Head& head : adapter.context.heads) {
            context.push_back({{"layer", head.layer}, {"query_head", head.query_head}});
        }
        root["context"] = {{"heads", context},
                           {"mass", adapter.context.share ? "share" : "raw"},
                           {"first_weight", adapter.context.first_weight}};
    }
    if (!adapter.fusion.features.empty()) {
        Json features = Json::array();
        for (const FusionModel::Feature& each : adapter.fusion.features) {
            features.push_back({{"name", each.name},
                                {"mean", each.mean},
                                {"spread", each.spread},
                                {"weight", each.weight}});
        }
        root["fusion"] = {{"bias", adapter.fusion.bias}, {"features", features}};
    }
    root["training"] = training;
    return adapter_json::dump(root, 2) + "\n";
}

Status check_destination(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    if (status.type() == fs::file_type::not_found) return {};
    const auto refuse = [&](const std::string& why) {
        return make_error(ErrorCode::kInvalidArgument,
                          "'" + path.string() + "' " + why + ": choose another directory");
    };
    if (!fs::is_directory(status)) return refuse("exists and is not a directory");
    if (fs::is_empty(path, error) && !error) return {};
    if (fs::is_regular_file(path / "adapter.json", error)) return {};
    return refuse("is not empty and holds no adapter");
}

Status write_tree(const Files& files, const fs::path& directory) {
    std::error_code error;
    for (const auto& [name, bytes] : files) {
        const fs::path path = directory / name;
        fs::create_directories(path.parent_path(), error);
        if (error) {
            return make_error(ErrorCode::kIo, "cannot create '" + path.parent_path().string() +
                                                  "': " + error.message());
        }
        S3ATTN_CHECK(write_file_atomic(path.string(), bytes));
    }
    return sync_directory(directory.string());
}

// Puts `temporary` where `target` is; what stood there before is left at `temporary`.
Status swap_in(const fs::path& temporary, const fs::path& target) {
    if (::rename(temporary.c_str(), target.c_str()) == 0) return {};
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) == 0) {
        return {};
    }
    return errno_error("cannot rename a directory to", target.string());
}

}  // namespace

Status save_adapter(const Adapter& adapter, const std::string& directory, const Files& more) {
    S3ATTN_CHECK(validate_adapter(adapter));
    std::error_code error;
    fs::path target = fs::absolute(directory, error).lexically_normal();
    if (!target.has_filename()) target = target.parent_path();
    if (error || directory.empty() || !target.has_filename()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "'" + directory + "' cannot be an adapter directory");
    }
    S3ATTN_CHECK(check_destination(target));
    S3ATTN_TRY(Files files, part_files(adapter, target.string()));
    S3ATTN_TRY(std::string json, adapter_json_bytes(adapter, files));
    files.emplace_back("adapter.json", std::move(json));
    files.insert(files.end(), more.begin(), more.end());

    const fs::path temporary = target.parent_path() / ("." + target.filename().string() + ".tmp." +
                                                       std::to_string(::getpid()));
    fs::remove_all(temporary, error);
    Status status = write_tree(files, temporary);
    if (status.ok()) status = swap_in(temporary, target);
    fs::remove_all(temporary, error);
    if (!status.ok()) return status;
    return sync_directory(target.parent_path().string());
}

}  // namespace s3attn

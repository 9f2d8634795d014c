#include "adapter/adapter_search.h"

#include <algorithm>
#include <filesystem>

#include "adapter/json_util.h"
#include "base/files.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using adapter_json::Fields;
using adapter_json::Json;

constexpr uint64_t kMaxJsonBytes = 16 << 20;

// `directory` itself and its children that hold an adapter.json, sorted.
std::vector<std::string> candidates(const std::string& directory) {
    std::vector<std::string> found;
    std::error_code error;
    if (fs::is_regular_file(fs::path(directory) / "adapter.json", error)) {
        return {directory};
    }
    fs::directory_iterator it(directory, error);
    for (; !error && it != fs::directory_iterator(); it.increment(error)) {
        // A dot marks an unfinished save.
        if (it->path().filename().string().starts_with(".")) continue;
        std::error_code ignored;
        if (fs::is_regular_file(it->path() / "adapter.json", ignored)) {
            found.push_back(it->path().string());
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

struct Made {
    std::string model_name, model_hash, model_identity;
};

Result<Made> read_made_for(const std::string& directory) {
    const std::string file = directory + "/adapter.json";
    S3ATTN_TRY(const std::string text, read_file(file, kMaxJsonBytes));
    S3ATTN_TRY(const Json json, adapter_json::parse(text, file));
    const Fields root(json, file, "");
    S3ATTN_TRY(const Json* model, root.child("model", Json::value_t::object));
    const Fields fields(*model, file, "model");
    Made made;
    S3ATTN_TRY(made.model_name, fields.text("name"));
    S3ATTN_TRY(made.model_hash, fields.text("hash"));
    if (fields.find("identity") != nullptr) {
        S3ATTN_TRY(made.model_identity, fields.text("identity"));
    }
    return made;
}

std::string joined(const std::vector<std::string>& parts, const char* between) {
    std::string all;
    for (const std::string& part : parts) all += (all.empty() ? "" : between) + part;
    return all;
}

void add_once(std::vector<std::string>& all, const std::string& one) {
    if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
}

}  // namespace

Result<std::string> find_adapter(const std::vector<std::string>& dirs, std::string_view model_hash,
                                 std::string_view model_identity) {
    std::string same_model;
    std::vector<std::string> models, unreadable;
    for (const std::string& directory : dirs) {
        for (const std::string& candidate : candidates(directory)) {
            const auto made = read_made_for(candidate);
            if (!made.ok()) {
                add_once(unreadable, made.error().message);
                continue;
            }
            if (made->model_hash == model_hash) return candidate;
            if (same_model.empty() && !model_identity.empty() &&
                made->model_identity == model_identity) {
                same_model = candidate;
            }
            add_once(models, made->model_name);
        }
    }
    if (!same_model.empty()) return same_model;
    return make_error(ErrorCode::kNotFound, reason::kNoAdapter, {},
                      (models.empty() ? "there are no adapters"
                                      : "there are adapters for " + joined(models, ", ")) +
                          (unreadable.empty() ? "" : "; " + joined(unreadable, "; ")));
}

}  // namespace s3attn

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
    std::string model_name, model_hash;
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
    return made;
}

}  // namespace

Result<std::string> find_adapter(const std::vector<std::string>& dirs,
                                 std::string_view model_hash) {
    std::string seen;
    for (const std::string& directory : dirs) {
        for (const std::string& candidate : candidates(directory)) {
            const auto made = read_made_for(candidate);
            if (made.ok() && made->model_hash == model_hash) return candidate;
            seen += seen.empty() ? "" : "; ";
            seen += made.ok() ? "'" + candidate + "' is for " + made->model_name + " (" +
                                    made->model_hash + ")"
                              : made.error().message;
        }
    }
    std::string searched;
    for (const std::string& directory : dirs) {
        searched += (searched.empty() ? "'" : ", '") + directory + "'";
    }
    return make_error(ErrorCode::kNotFound, reason::kNoAdapter, std::string(model_hash),
                      "no adapter for the model with hash " + std::string(model_hash) + " in " +
                          (searched.empty() ? "(no directory given)" : searched) +
                          (seen.empty() ? "" : "; seen: " + seen));
}

}  // namespace s3attn

#include "stores.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "store_calls.h"

namespace s3attn::server {
namespace {

namespace fs = std::filesystem;

// "notes" for "dir/notes.s3/"; numbered where stores of several folders have one name.
std::string store_name(const std::string& path, const std::set<std::string>& taken) {
    fs::path clean = fs::path(path).lexically_normal();
    if (clean.filename().empty()) clean = clean.parent_path();
    std::string name =
        clean.extension() == ".s3" ? clean.stem().string() : clean.filename().string();
    if (name.empty() || name == "." || name == "..") name = "store";
    std::string unique = name;
    for (int i = 2; taken.contains(unique); ++i) unique = name + "-" + std::to_string(i);
    return unique;
}

std::string names_of(const std::vector<NamedStore>& stores) {
    std::string names;
    for (const NamedStore& store : stores) names += (names.empty() ? "" : ", ") + store.name;
    return names;
}

}  // namespace

Stores::Stores(const std::vector<std::string>& directories) {
    std::set<std::string> taken;
    for (const std::string& path : directories) {
        std::error_code error;
        const fs::path absolute = fs::weakly_canonical(fs::absolute(path), error);
        stores_.push_back({store_name(path, taken), error ? path : absolute.string()});
        taken.insert(stores_.back().name);
    }
}

Outcome<std::vector<size_t>> Stores::choose(const std::vector<std::string>& names) const {
    std::vector<size_t> chosen;
    for (const std::string& name : names) {
        const auto found = choose_one(name);
        if (const auto* failure = std::get_if<Failure>(&found)) return *failure;
        if (std::find(chosen.begin(), chosen.end(), std::get<size_t>(found)) == chosen.end()) {
            chosen.push_back(std::get<size_t>(found));
        }
    }
    for (size_t i = 0; names.empty() && i < stores_.size(); ++i) chosen.push_back(i);
    return chosen;
}

Outcome<size_t> Stores::choose_one(const std::string& name, bool or_first) const {
    if (name.empty() && (or_first || stores_.size() == 1)) return size_t{0};
    if (name.empty()) return bad_request("say which store: " + names_of(stores_), "store");
    for (size_t i = 0; i < stores_.size(); ++i) {
        if (stores_[i].name == name) return i;
    }
    return Failure{404, "store_not_found",
                   "there is no store '" + name + "'; there are: " + names_of(stores_), "store", 0};
}

Status Stores::check() const {
    for (const NamedStore& store : stores_) {
        const auto documents = list_store(store.path);
        if (!documents.ok() && documents.error().code != ErrorCode::kNotFound) {
            return documents.error();
        }
    }
    return {};
}

Outcome<std::vector<DocumentInfo>> Stores::documents(size_t store) const {
    auto listed = list_store(stores_[store].path);
    if (listed.ok()) return std::move(*listed);
    if (listed.error().code == ErrorCode::kNotFound) return std::vector<DocumentInfo>();
    return failure_of(listed.error());
}

std::string Stores::name_of(size_t store, const std::string& path) const {
    const std::string uploads = uploads_of(store) + "/";
    return path.starts_with(uploads) ? path.substr(uploads.size()) : path;
}

}  // namespace s3attn::server

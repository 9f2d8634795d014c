#include "inline_store.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "base/files.h"

namespace s3attn::server {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMostKept = 4;

class NoSink final : public ProgressSink {
  public:
    void update(const Progress&) override {}
    void note(const std::string&) override {}
};

bool is_blank(const std::string& text) {
    return text.find_first_not_of(" \t\r\n\v\f") == std::string::npos;
}

Result<std::string> make_folder() {
    std::error_code error;
    const fs::path base = fs::temp_directory_path(error);
    if (error) return make_error(ErrorCode::kIo, "there is no temporary folder: set TMPDIR");
    std::string folder = (base / "s3attn-inline-XXXXXX").string();
    if (::mkdtemp(folder.data()) == nullptr) return errno_error("cannot write to", base.string());
    return folder;
}

std::string key_of(const std::string& owner, const std::vector<InlineDocument>& documents) {
    std::string key = owner;
    for (const InlineDocument& document : documents) {
        key += '\n' + document.extension + ' ' + hash_bytes(document.bytes);
    }
    return key;
}

}  // namespace

InlineStore::~InlineStore() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

std::optional<size_t> InlineStore::number_of(DocumentId doc_id) const {
    for (const auto& [id, number] : numbers_) {
        if (id == doc_id) return number;
    }
    return {};
}

Outcome<std::shared_ptr<InlineStore>> InlineStore::scan(
    Engine& engine, const std::vector<InlineDocument>& documents, const CancelToken& cancel) {
    auto folder = make_folder();
    if (!folder.ok()) return failure_of(folder.error());
    std::shared_ptr<InlineStore> store(new InlineStore(*folder));
    std::vector<std::string> files;
    std::vector<size_t> numbers;
    for (size_t i = 0; i < documents.size(); ++i) {
        if (is_blank(documents[i].bytes)) continue;
        const std::string path = *folder + "/" + std::to_string(i) + "." + documents[i].extension;
        std::ofstream file(path, std::ios::binary);
        file << documents[i].bytes;
        file.close();
        if (!file) return failure_of(errno_error("cannot write", path));
        files.push_back(path);
        numbers.push_back(i);
    }
    if (files.empty()) return store;
    NoSink sink;
    auto opened = Store::open(store->store_, Store::Access::kCreate);
    if (!opened.ok()) return failure_of(opened.error());
    const auto report = engine.index(*opened, files, {}, sink, cancel);
    if (!report.ok()) return failure_of(report.error());
    if (report->cancelled) return failure_of(Error{ErrorCode::kCancelled, "interrupted"});
    for (const FileOutcome& outcome : report->files) {
        const auto file = std::find(files.begin(), files.end(), outcome.path);
        if (file == files.end()) continue;
        const size_t number = numbers[static_cast<size_t>(file - files.begin())];
        if (outcome.kind == FileOutcome::Kind::kSkipped) {
            const std::string& where = documents[number].where;
            std::string reason = outcome.reason;
            if (const size_t at = reason.find(*file); at != std::string::npos) {
                reason.replace(at, file->size(), "it");  // the client knows no file of ours
            }
            return bad_request("'" + where + "' cannot be read: " + reason, where);
        }
        store->numbers_.emplace_back(outcome.doc_id, number);
    }
    return store;
}

Outcome<std::shared_ptr<InlineStore>> InlineStores::get(Engine& engine, const std::string& owner,
                                                        const InlineDocuments& documents,
                                                        const CancelToken& cancel) {
    const std::string key = key_of(owner, *documents);
    {
        const std::lock_guard lock(mutex_);
        const auto found = std::find_if(kept_.begin(), kept_.end(),
                                        [&](const Kept& kept) { return kept.key == key; });
        if (found != kept_.end()) {
            kept_.splice(kept_.begin(), kept_, found);
            return found->store;
        }
    }
    auto made = InlineStore::scan(engine, *documents, cancel);
    if (const auto* store = std::get_if<std::shared_ptr<InlineStore>>(&made)) {
        const std::lock_guard lock(mutex_);
        kept_.push_front({key, *store});
        if (kept_.size() > kMostKept) kept_.pop_back();
    }
    return made;
}

}  // namespace s3attn::server

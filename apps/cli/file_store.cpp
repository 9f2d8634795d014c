#include "file_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/files.h"
#include "engine/fingerprint.h"
#include "progress_bar.h"
#include "scan/open_scan.h"
#include "store/relabel.h"
#include "text/document_reader.h"
#include "text/source_file.h"

namespace s3attn::cli {
namespace {

namespace fs = std::filesystem;
using EntryJson = nlohmann::json;
constexpr uint64_t kMostEntryBytes = 256u << 20;
constexpr uint64_t kLargeCache = 10ull << 30;  // worth a word

struct GivenFile {
    std::string path, source, hash;
};
// What is known of a store once all its files are read.
struct Entry {
    std::vector<GivenFile> files;
    std::vector<std::string> problems;
};

std::string files_folder(const std::string& cache_dir) { return cache_dir + "/files"; }

// Standard input is read twice, for its key and for its text: from a file, if need be.
Status keep_standard_input() {
    if (::lseek(STDIN_FILENO, 0, SEEK_CUR) >= 0) return {};
    S3ATTN_TRY(const auto copy, text::SourceFile::open("-"));
    if (::dup2(copy->fd(), STDIN_FILENO) < 0) return errno_error("cannot keep", "standard input");
    return {};
}

Result<std::vector<GivenFile>> hash_files(const std::vector<std::string>& inputs,
                                          std::vector<std::string>& problems) {
    if (std::find(inputs.begin(), inputs.end(), "-") != inputs.end()) {
        S3ATTN_CHECK(keep_standard_input());
    }
    std::vector<GivenFile> files;
    for (const InputFile& file : expand_inputs(inputs, true).files) {
        std::string problem = file.problem;
        if (problem.empty()) {
            const auto source = text::SourceFile::open(file.path);
            const auto hash = source.ok() ? (*source)->hash() : Result<std::string>(source.error());
            if (hash.ok()) {
                std::error_code error;
                const std::string canonical = fs::canonical(file.path, error).string();
                files.push_back({file.path, error ? std::string() : canonical, *hash});
                continue;
            }
            problem = hash.error().message;
        }
        problems.push_back(file.path + ": " + problem);
    }
    if (::lseek(STDIN_FILENO, 0, SEEK_SET) < 0) errno = 0;  // as it was, where it can be
    std::stable_sort(files.begin(), files.end(),
                     [](const auto& a, const auto& b) { return a.hash < b.hash; });
    return files;
}

// Contents, what their names say of their formats, and what reads them.
Result<std::string> key_of(const std::vector<GivenFile>& files, const GlobalOptions& options) {
    const EngineOptions& engine = options.engine;
    ScanRequest request{engine.model,     engine.adapter, engine.adapter_dirs,
                        engine.cache_dir, engine.threads, engine.device};
    S3ATTN_TRY(const ModelInfo model, open_scan_info(request));
    S3ATTN_TRY(const auto adapter, open_scan_adapter(request, model));
    const uint32_t chunk = engine.chunk_tokens == 0 ? kDefaultChunkTokens : engine.chunk_tokens;
    std::string words = S3ATTN_VERSION "\nocr=" + options.ocr;
    for (const auto& [field, value] : make_fingerprint(model, *adapter, chunk).fields) {
        words += '\n' + field + '=' + value;
    }
    for (const GivenFile& file : files) {
        words += '\n' + file.hash + fs::path(file.path).extension().string();
    }
    return hash_bytes(words);
}

std::string entry_file(const std::string& folder) { return folder + "/entry.json"; }

std::optional<Entry> read_entry(const std::string& folder) {
    const auto bytes = read_file(entry_file(folder), kMostEntryBytes);
    if (!bytes.ok()) return std::nullopt;
    const EntryJson json = EntryJson::parse(*bytes, nullptr, false);
    if (!json.is_object() || !json.contains("files") || !json["files"].is_array()) return {};
    Entry entry;
    for (const EntryJson& file : json["files"]) {
        if (!file.is_object()) return std::nullopt;
        entry.files.push_back(
            {file.value("path", ""), file.value("source", ""), file.value("hash", "")});
    }
    for (const EntryJson& problem : json.value("problems", EntryJson::array())) {
        if (problem.is_string()) entry.problems.push_back(problem.get<std::string>());
    }
    return entry;
}

Status write_entry(const std::string& folder, const Entry& entry) {
    EntryJson json = {{"files", EntryJson::array()}, {"problems", entry.problems}};
    for (const GivenFile& file : entry.files) {
        json["files"].push_back(
            {{"path", file.path}, {"source", file.source}, {"hash", file.hash}});
    }
    const auto replace = EntryJson::error_handler_t::replace;
    return write_file_atomic(entry_file(folder), json.dump(1, ' ', false, replace));
}

// None where another holds it and `wait` is false. A lock file that was removed while it was waited
// for locks nothing: the next one of its name is taken.
Result<std::optional<Descriptor>> lock_entry(const std::string& folder, LockKind kind, bool wait,
                                             const CancelToken* cancel) {
    const std::string path = folder + ".lock";
    constexpr auto kLookUp = std::chrono::milliseconds(100);
    for (bool told = false;;) {
        Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (!file.open()) return errno_error("cannot open", path);
        S3ATTN_TRY(const bool ours, lock_file(file, kind, false, path));
        if (ours) {
            struct stat held {
            }, named{};
            const bool same = ::fstat(file.get(), &held) == 0 &&
                              ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino;
            if (same) return std::optional<Descriptor>(std::move(file));
            continue;
        }
        if (!wait) return std::optional<Descriptor>();
        if (!std::exchange(told, true)) {
            std::fprintf(stderr, "note: another s3attn reads the same files; waiting for it\n");
        }
        if (cancel->cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        std::this_thread::sleep_for(kLookUp);
    }
}

Status make_folder(const std::string& path) {
    std::error_code error;
    fs::create_directories(fs::path(path).parent_path(), error);
    if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return make_error(ErrorCode::kIo, "files that are in no store are kept in the cache, and '" +
                                          path + "' cannot be made (--cache-dir names another " +
                                          "place): " + errno_error("", path).message);
}

void add_problems(const IndexReport& report, std::vector<std::string>& problems) {
    for (const FileOutcome& file : report.files) {
        if (file.kind == FileOutcome::Kind::kSkipped) {
            problems.push_back(file.path + ": " + file.reason);
        }
        for (const ReadNote& note : file.notes) {
            if (note.kind == ReadNote::Kind::kUnread) {
                problems.push_back(file.path + ": " + note.text());
            }
        }
    }
}

Status read_files(Engine& engine, const std::string& folder, Entry& entry,
                  const GlobalOptions& options, const CancelToken& cancel) {
    S3ATTN_CHECK(make_folder(folder));
    S3ATTN_TRY(Store store, Store::open(folder + "/store", Store::Access::kCreate));
    std::vector<std::string> paths;
    for (const GivenFile& file : entry.files) paths.push_back(file.path);
    std::sort(paths.begin(), paths.end());
    ConsoleProgress progress(options.quiet);
    const auto report = engine.index(store, paths, IndexOptions(), progress, cancel);
    progress.finish();
    if (!report.ok()) return report.error();
    if (report->cancelled) {
        return make_error(ErrorCode::kCancelled,
                          "interrupted: what was read is kept; the same command goes on");
    }
    add_problems(*report, entry.problems);
    if (report->store_tokens == 0) {
        return make_error(ErrorCode::kUnsupported,
                          "nothing of the files given can be read: " +
                              (entry.problems.empty() ? std::string("they hold no text")
                                                      : entry.problems.front()));
    }
    return write_entry(folder, entry);
}

// The same contents under other names: documents are called what they are called now.
Status take_names(const std::string& folder, const std::vector<GivenFile>& given, Entry& entry) {
    const auto same = [](const GivenFile& a, const GivenFile& b) {
        return a.path == b.path && a.source == b.source;
    };
    if (std::equal(given.begin(), given.end(), entry.files.begin(), entry.files.end(), same)) {
        return {};
    }
    std::vector<DocumentPlace> places;
    for (const GivenFile& file : given) places.push_back({file.hash, file.path, file.source});
    S3ATTN_CHECK(relabel_documents(folder + "/store", places));
    entry.files = given;
    return write_entry(folder, entry);
}

uint64_t size_of_folder(const std::string& folder) {
    uint64_t bytes = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
         at.increment(error)) {
        struct stat status {};
        if (::lstat(at->path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
            bytes += static_cast<uint64_t>(status.st_size);
        }
    }
    return bytes;
}

void note_large_cache(const std::string& cache_dir) {
    const uint64_t bytes = size_of_folder(files_folder(cache_dir));
    if (bytes < kLargeCache) return;
    std::fprintf(stderr, "note: %s holds %.1f GiB; s3attn cache lists and clears it\n",
                 files_folder(cache_dir).c_str(), static_cast<double>(bytes) / (1 << 30));
}

}  // namespace

bool names_a_store(const std::vector<std::string>& words) {
    if (words.size() != 1 || words.front() == "-") return false;
    std::error_code error;
    return !fs::exists(words.front(), error) || fs::exists(words.front() + "/catalog.db", error);
}

Result<FileStore> open_file_store(Engine& engine, std::vector<std::string> inputs,
                                  const GlobalOptions& options, const CancelToken& cancel) {
    for (const std::string& input : inputs) {
        if (inputs.size() > 1 && input != "-" && fs::exists(input + "/catalog.db")) {
            return make_error(ErrorCode::kInvalidArgument,
                              "'" + input + "' is a store, and other names are given beside it: " +
                                  "ask one store, or files and folders that are in none");
        }
    }
    Entry wanted;
    S3ATTN_TRY(wanted.files, hash_files(inputs, wanted.problems));
    if (wanted.files.empty()) {
        return make_error(ErrorCode::kNotFound,
                          "'" + inputs.front() + "' is no store, and no file that can be read: " +
                              (wanted.problems.empty() ? std::string("no document is in it")
                                                       : wanted.problems.front()));
    }
    S3ATTN_TRY(const std::string key, key_of(wanted.files, options));
    const std::string folder = files_folder(options.engine.cache_dir) + "/" + key;
    S3ATTN_CHECK(make_folder(files_folder(options.engine.cache_dir)));
    for (bool read = false;;) {
        S3ATTN_TRY(auto lock, lock_entry(folder, LockKind::kShared, true, &cancel));
        if (auto entry = read_entry(folder)) {
            // Of these files, then of the walk that found them.
            S3ATTN_CHECK(take_names(folder, wanted.files, *entry));
            if (!read) {
                entry->problems.insert(entry->problems.end(), wanted.problems.begin(),
                                       wanted.problems.end());
            }
            ::utimensat(AT_FDCWD, entry_file(folder).c_str(), nullptr, 0);  // used now
            S3ATTN_TRY(Store store, Store::open(folder + "/store"));
            return FileStore{std::move(store), std::move(*lock), !read, std::move(entry->problems)};
        }
        lock.reset();
        S3ATTN_TRY(const auto alone, lock_entry(folder, LockKind::kExclusive, true, &cancel));
        if (read_entry(folder).has_value()) continue;
        S3ATTN_CHECK(read_files(engine, folder, wanted, options, cancel));
        if (!options.quiet) note_large_cache(options.engine.cache_dir);
        read = true;
    }
}

Result<std::vector<CachedFiles>> list_file_stores(const std::string& cache_dir) {
    std::vector<CachedFiles> found;
    std::error_code error;
    const std::string root = files_folder(cache_dir);
    for (fs::directory_iterator at(root, error), end; !error && at != end; at.increment(error)) {
        std::error_code ignored;
        if (!at->is_directory(ignored)) continue;
        CachedFiles each;
        each.key = at->path().filename().string();
        const std::string folder = at->path().string();
        const auto entry = read_entry(folder);
        each.complete = entry.has_value();
        if (entry) {
            for (const GivenFile& file : entry->files) each.paths.push_back(file.path);
        }
        each.bytes = size_of_folder(folder);
        struct stat status {};
        const std::string dated = each.complete ? entry_file(folder) : folder;
        if (::stat(dated.c_str(), &status) == 0) {
            each.seconds_unused = std::max<int64_t>(0, std::time(nullptr) - status.st_mtime);
        }
        found.push_back(std::move(each));
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        return make_error(ErrorCode::kIo, "cannot list '" + root + "': " + error.message());
    }
    std::sort(found.begin(), found.end(), [](const CachedFiles& a, const CachedFiles& b) {
        return std::tie(a.seconds_unused, a.key) < std::tie(b.seconds_unused, b.key);
    });
    return found;
}

Result<bool> remove_file_store(const std::string& cache_dir, const std::string& key) {
    const std::string folder = files_folder(cache_dir) + "/" + key;
    S3ATTN_TRY(const auto alone, lock_entry(folder, LockKind::kExclusive, false, nullptr));
    if (!alone.has_value()) return false;
    std::error_code error;
    fs::remove(entry_file(folder), error);  // first: what is left is no whole store
    fs::remove_all(folder, error);
    if (error)
        return make_error(ErrorCode::kIo, "cannot remove '" + folder + "': " + error.message());
    fs::remove(folder + ".lock", error);
    return true;
}

}  // namespace s3attn::cli

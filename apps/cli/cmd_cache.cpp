// `s3attn cache`: what the program keeps to be quick, and how to be rid of it.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdio>
#include <ctime>
#include <filesystem>

#include "commands.h"
#include "file_store.h"
#include "output.h"
#include "progress_bar.h"

namespace s3attn::cli {
namespace {

struct CacheArguments {
    std::vector<std::string> keys;
    bool clear = false;
    bool copies = false;
    double older_days = -1;
};

// A model's first layers as a scan reads them; made again when they are needed.
struct ScanCopy {
    std::string name;
    uint64_t bytes = 0;
    int64_t seconds_unused = 0;
};

std::vector<ScanCopy> list_scan_copies(const std::string& cache_dir) {
    namespace fs = std::filesystem;
    std::vector<ScanCopy> found;
    std::error_code error;
    for (fs::directory_iterator at(cache_dir, error), end; !error && at != end;
         at.increment(error)) {
        const std::string name = at->path().filename().string();
        struct stat status {};
        if (!name.starts_with("scan-") || !name.ends_with(".gguf")) continue;
        if (::stat(at->path().c_str(), &status) != 0) continue;
        const int64_t used = std::max(status.st_atime, status.st_mtime);
        found.push_back({name, static_cast<uint64_t>(status.st_size),
                         std::max<int64_t>(0, std::time(nullptr) - used)});
    }
    std::sort(found.begin(), found.end(),
              [](const ScanCopy& a, const ScanCopy& b) { return a.name < b.name; });
    return found;
}

// Pages that were read by OCR, those unused for `seconds`; removed with `remove`.
struct KeptPages {
    uint64_t count = 0, bytes = 0;
};
KeptPages list_pages(const std::string& cache_dir, double seconds, bool remove) {
    namespace fs = std::filesystem;
    KeptPages found;
    std::error_code error;
    for (fs::directory_iterator at(cache_dir + "/ocr", error), end; !error && at != end;
         at.increment(error)) {
        struct stat status {};
        if (::stat(at->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
        if (static_cast<double>(std::time(nullptr) - status.st_mtime) < seconds) continue;
        ++found.count;
        found.bytes += static_cast<uint64_t>(status.st_size);
        std::error_code ignored;
        if (remove) fs::remove(at->path(), ignored);
    }
    return found;
}

std::string age(int64_t seconds) {
    if (seconds < 120) return fmt::format("{} s", seconds);
    if (seconds < 7200) return fmt::format("{} min", seconds / 60);
    if (seconds < 172800) return fmt::format("{} h", seconds / 3600);
    return fmt::format("{} days", seconds / 86400);
}

std::string size(uint64_t bytes) {
    return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string names_of(const CachedFiles& entry) {
    if (!entry.complete) return "(interrupted; the same question goes on)";
    std::string text = entry.paths.empty() ? "" : entry.paths.front();
    if (entry.paths.size() > 1) text += fmt::format(" and {} more", entry.paths.size() - 1);
    return text;
}

bool is_chosen(const CacheArguments& arguments, const std::string& key, int64_t seconds) {
    if (static_cast<double>(seconds) < arguments.older_days * 86400) return false;
    if (arguments.keys.empty()) return true;
    return std::any_of(arguments.keys.begin(), arguments.keys.end(),
                       [&](const std::string& word) { return key.starts_with(word); });
}

int list_cache(const std::vector<CachedFiles>& stores, const std::vector<ScanCopy>& copies,
               const GlobalOptions& options) {
    uint64_t all = 0;
    for (const CachedFiles& entry : stores) all += entry.bytes;
    for (const ScanCopy& copy : copies) all += copy.bytes;
    const KeptPages pages = list_pages(options.engine.cache_dir, 0, false);
    all += pages.bytes;
    if (options.json) {
        Json json = {{"directory", options.engine.cache_dir},
                     {"bytes", all},
                     {"files", Json::array()},
                     {"ocr_pages", pages.count},
                     {"scan_copies", Json::array()}};
        for (const CachedFiles& entry : stores) {
            json["files"].push_back({{"key", entry.key},
                                     {"paths", entry.paths},
                                     {"complete", entry.complete},
                                     {"bytes", entry.bytes},
                                     {"seconds_unused", entry.seconds_unused}});
        }
        for (const ScanCopy& copy : copies) {
            json["scan_copies"].push_back({{"name", copy.name},
                                           {"bytes", copy.bytes},
                                           {"seconds_unused", copy.seconds_unused}});
        }
        std::printf("%s\n", dump(json, 2).c_str());
        return 0;
    }
    for (const CachedFiles& entry : stores) {
        std::printf("%s  %11s  used %s ago  %s\n", entry.key.substr(0, 12).c_str(),
                    size(entry.bytes).c_str(), age(entry.seconds_unused).c_str(),
                    names_of(entry).c_str());
    }
    for (const ScanCopy& copy : copies) {
        std::printf("%-12s  %11s  used %s ago  %s\n", "scan copy", size(copy.bytes).c_str(),
                    age(copy.seconds_unused).c_str(), copy.name.c_str());
    }
    std::printf("%s: %zu sets of files, %zu scan copies, %s pages read by OCR, %s\n",
                options.engine.cache_dir.c_str(), stores.size(), copies.size(),
                group_digits(pages.count).c_str(), size(all).c_str());
    return 0;
}

int clear_cache(const CacheArguments& arguments, const std::vector<CachedFiles>& stores,
                const std::vector<ScanCopy>& copies, const GlobalOptions& options) {
    const std::string& cache = options.engine.cache_dir;
    std::vector<std::string> removed, in_use;
    uint64_t bytes = 0;
    for (const CachedFiles& entry : stores) {
        if (!is_chosen(arguments, entry.key, entry.seconds_unused)) continue;
        const auto gone = remove_file_store(cache, entry.key);
        if (!gone.ok()) return fail(gone.error());
        (*gone ? removed : in_use).push_back(entry.key);
        if (*gone) bytes += entry.bytes;
    }
    for (const ScanCopy& copy : copies) {
        if (!arguments.copies || !is_chosen(arguments, copy.name, copy.seconds_unused)) continue;
        std::error_code error;
        // A run that has it open keeps it until its end. Its lock stays: another may hold it.
        for (const char* part : {"", ".xxh3"}) {
            std::filesystem::remove(cache + "/" + copy.name + part, error);
        }
        removed.push_back(copy.name);
        bytes += copy.bytes;
    }
    const bool all = arguments.keys.empty();
    const KeptPages pages =
        all ? list_pages(cache, arguments.older_days * 86400, true) : KeptPages();
    bytes += pages.bytes;
    if (options.json) {
        const Json json = {
            {"removed", removed}, {"ocr_pages", pages.count}, {"in_use", in_use}, {"bytes", bytes}};
        std::printf("%s\n", dump(json, 2).c_str());
    } else {
        std::printf("removed %zu and %s pages read by OCR, %s\n", removed.size(),
                    group_digits(pages.count).c_str(), size(bytes).c_str());
        for (const std::string& key : in_use) {
            std::printf("kept %s: it is being asked or read\n", key.substr(0, 12).c_str());
        }
    }
    if (!arguments.keys.empty() && removed.empty() && in_use.empty()) {
        return fail(make_error(ErrorCode::kNotFound,
                               "nothing in the cache has that key; s3attn cache lists what is"));
    }
    return 0;
}

int run_cache(const CacheArguments& arguments, const GlobalOptions& options) {
    const auto stores = list_file_stores(options.engine.cache_dir);
    if (!stores.ok()) return fail(stores.error());
    const auto copies = list_scan_copies(options.engine.cache_dir);
    return arguments.clear ? clear_cache(arguments, *stores, copies, options)
                           : list_cache(*stores, copies, options);
}

}  // namespace

void add_cache_command(Context& context) {
    auto arguments = std::make_shared<CacheArguments>();
    CLI::App* command = add_command(
        context, "cache", "List or clear what is kept of files that were asked without a store",
        "What `ask FILE`, `search FILE` and `chat FILE` have read stays in the cache until it is\n"
        "cleared, and so do pages read by OCR and scan copies of models. Models themselves are\n"
        "not listed.\n\n"
        "Example: s3attn cache --clear --older-than 30");
    CLI::Option* keys = command->add_option("key", arguments->keys,
                                            "with --clear: only these (the first digits will do)");
    CLI::Option* clear = command->add_flag("--clear", arguments->clear,
                                           "remove what was read of files, and pages read by OCR");
    keys->needs(clear);
    command->add_flag("--copies", arguments->copies, "with --clear: scan copies of models too")
        ->needs(clear);
    command
        ->add_option("--older-than", arguments->older_days,
                     "with --clear: only what was not used for so long")
        ->check(CLI::Range(0.0, 36500.0))
        ->type_name("DAYS")
        ->needs(clear);
    command->callback([arguments, &context] {
        context.run = [arguments, &context] { return run_cache(*arguments, context.options); };
    });
}

}  // namespace s3attn::cli

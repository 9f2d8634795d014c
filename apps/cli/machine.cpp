#include "machine.h"

#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "text/child_process.h"

namespace s3attn::cli {
namespace {

namespace fs = std::filesystem;

// The rest of the first line that begins with `key`, without separators.
std::string value_in(const char* file, const std::string& key) {
    std::ifstream lines(file);
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with(key)) continue;
        const size_t begin = line.find_first_not_of(" \t:=\"", key.size());
        if (begin == std::string::npos) return "";
        return line.substr(begin, line.find_last_not_of("\"") + 1 - begin);
    }
    return "";
}

uint64_t kib_in_meminfo(const char* key) {
    const std::string value = value_in("/proc/meminfo", key);
    return std::strtoull(value.c_str(), nullptr, 10) << 10;
}

uint64_t number_in(const char* file, uint64_t otherwise) {
    std::ifstream in(file);
    uint64_t value = 0;
    return in >> value ? value : otherwise;  // "max": no limit
}

}  // namespace

Json system_json() {
    utsname names{};
    ::uname(&names);
    const std::string distribution = value_in("/etc/os-release", "PRETTY_NAME");
    return std::string(names.sysname) + " " + names.release + " " + names.machine +
           (distribution.empty() ? "" : ", " + distribution);
}

Json processor_json(uint32_t cores) {
    Json features = Json::array();
#if defined(__x86_64__)
    const auto add = [&](bool there, const char* name) {
        if (there) features.push_back(name);
    };
    add(__builtin_cpu_supports("avx2"), "avx2");
    add(__builtin_cpu_supports("fma"), "fma");
    add(__builtin_cpu_supports("avx512f"), "avx512f");
    add(__builtin_cpu_supports("avx512bw"), "avx512bw");
    add(__builtin_cpu_supports("avx512vnni"), "avx512vnni");
#endif
    std::string name = value_in("/proc/cpuinfo", "model name");
    if (name.empty()) name = "unknown";
    return {{"name", name}, {"cores", cores}, {"features", features}};
}

Json memory_json() {
    uint64_t total = kib_in_meminfo("MemTotal"), free = kib_in_meminfo("MemAvailable");
    const uint64_t limit = number_in("/sys/fs/cgroup/memory.max", UINT64_MAX);
    if (limit < total) {
        const uint64_t used = number_in("/sys/fs/cgroup/memory.current", 0);
        total = limit;
        free = std::min(free, limit - std::min(limit, used));
    }
    return {{"total_bytes", total}, {"available_bytes", free}};
}

Json disk_json(const std::vector<std::string>& directories) {
    Json disks = Json::array();
    for (const std::string& directory : directories) {
        std::error_code error;
        fs::path place = fs::absolute(directory, error);
        while (!fs::exists(place, error) && place.has_relative_path()) place = place.parent_path();
        const fs::space_info space = fs::space(place, error);
        disks.push_back({{"directory", fs::absolute(directory, error).lexically_normal().string()},
                         {"free_bytes", error ? 0 : uint64_t{space.available}}});
    }
    return disks;
}

Json converters_json() {
    struct Converter {
        const char *name, *use, *package;
    };
    static constexpr Converter kPrograms[] = {
        {"pdftotext", "PDF", "poppler-utils"},
        {"pdfdetach", "attachments of PDF", "poppler-utils"},
        {"tesseract", "scanned pages and pictures", "tesseract-ocr"},
        {"soffice", "DOC, RTF and other old formats", "libreoffice-writer-nogui"},
        {"antiword", "DOC without LibreOffice", "antiword"},
        {"unrtf", "RTF without LibreOffice", "unrtf"}};
    Json out = Json::array();
    const auto add = [&](const Converter& each, const std::string& file) {
        out.push_back({{"name", each.name},
                       {"for", each.use},
                       {"package", each.package},
                       {"file", file.empty() ? Json() : Json(file)}});
    };
    for (const Converter& each : kPrograms) add(each, text::find_program(each.name));
    const std::string words = "/usr/share/hunspell/en_US.dic";
    std::error_code ignored;
    add({"en_US.dic", "hyphens at line ends of PDF", "hunspell-en-us"},
        std::filesystem::exists(words, ignored) ? words : "");
    return out;
}

}  // namespace s3attn::cli

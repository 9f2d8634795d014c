// The machine a run was made on, and the memory it took there.
#include <malloc.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/parallel.h"
#include "base/timing.h"
#include "eval/run_record.h"
#include "model/llama_model.h"
#include "remote/reader_url.h"

namespace s3attn::eval {
namespace {

// The value of the first "key<separator> value" line of a file of such lines.
std::string field_of(const char* path, const std::string& key, char separator) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(key)) continue;
        const size_t at = line.find(separator);
        if (at == std::string::npos) continue;
        std::string value = line.substr(at + 1);
        while (!value.empty() &&
               (value.front() == ' ' || value.front() == '\t' || value.front() == '"')) {
            value.erase(value.begin());
        }
        while (!value.empty() && value.back() == '"') value.pop_back();
        return value;
    }
    return "";
}

}  // namespace

Json machine_json(Device device) {
    std::string system = field_of("/etc/os-release", "PRETTY_NAME", '=');
    utsname names{};
    if (uname(&names) == 0) {
        system += (system.empty() ? "" : ", ") + std::string(names.sysname) + " " + names.machine;
    }
    const auto pages = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PHYS_PAGES)));
    const auto page = static_cast<uint64_t>(std::max(0L, sysconf(_SC_PAGESIZE)));
    return Json{{"cpu", field_of("/proc/cpuinfo", "model name", ':')},
                {"cores", available_threads()},
                {"memory_bytes", pages * page},
                {"device", llama_device_name(device)},
                {"os", system}};
}

Result<Json> model_json(const std::string& path) {
    if (is_reader_url(path)) {  // nobody can tell which weights are there
        S3ATTN_TRY(const ReaderUrl url, parse_reader_url(path));
        return Json{{"name", url.model}, {"path", url.base}, {"hash", "unknown: " + path}};
    }
    S3ATTN_TRY(const ModelInfo info, read_model_info(path));
    return Json{{"name", info.name}, {"path", path}, {"hash", info.file_hash}};
}

void reset_peak_memory() {
    malloc_trim(0);  // what an earlier method freed must not count for the next
    std::ofstream("/proc/self/clear_refs") << "5";  // refused: the peak stays the process's
}

uint64_t peak_memory_bytes() {
    const std::string kib = field_of("/proc/self/status", "VmHWM", ':');
    const uint64_t bytes = std::strtoull(kib.c_str(), nullptr, 10) * 1024;
    return bytes > 0 ? bytes : peak_rss_bytes();
}

}  // namespace s3attn::eval

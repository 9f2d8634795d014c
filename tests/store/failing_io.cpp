// Preloaded into a program under test: the n-th call that changes a file fails.
//   S3ATTN_FAIL_AT=n      which one, from 1; 0 or unset: none
//   S3ATTN_FAIL_CALLS=... "write", "fsync", "rename" or "all" (as unset)
//   S3ATTN_FAIL_ONCE=1    only that call; otherwise it and all calls after it, as on a full disk
//   S3ATTN_FAIL_COUNT=f   at the end, the number of calls is written into this file
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

struct Plan {
    long at = 0;
    bool once = false;
    const char* kinds = nullptr;

    Plan() {
        const char* text = std::getenv("S3ATTN_FAIL_AT");
        if (text != nullptr) at = std::atol(text);
        once = std::getenv("S3ATTN_FAIL_ONCE") != nullptr;
        kinds = std::getenv("S3ATTN_FAIL_CALLS");
    }
    bool counts(const char* kind) const {
        return kinds == nullptr || std::strcmp(kinds, "all") == 0 || std::strcmp(kinds, kind) == 0;
    }
};

std::atomic<long> g_calls{0};

bool fails(const char* kind) {
    static const Plan plan;
    if (!plan.counts(kind)) return false;
    const long n = g_calls.fetch_add(1) + 1;
    if (plan.at == 0 || (plan.once ? n != plan.at : n < plan.at)) return false;
    errno = std::strcmp(kind, "write") == 0 ? ENOSPC : EIO;
    return true;
}

// Standard output, error and pipes are not what is tested.
bool is_file(int fd) {
    struct stat info {};
    return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

template <class Function>
Function real(Function, const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

struct Report {
    ~Report() {
        const char* path = std::getenv("S3ATTN_FAIL_COUNT");
        if (path == nullptr) return;
        if (std::FILE* file = std::fopen(path, "w"); file != nullptr) {
            std::fprintf(file, "%ld\n", g_calls.load());  // fprintf does not come by here
            std::fclose(file);
        }
    }
} g_report;

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
    static const auto next = real(&write, "write");
    return is_file(fd) && fails("write") ? -1 : next(fd, data, size);
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
    static const auto next = real(&pwrite64, "pwrite64");
    return is_file(fd) && fails("write") ? -1 : next(fd, data, size, offset);
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    return pwrite64(fd, data, size, offset);
}

size_t fwrite(const void* data, size_t size, size_t n, FILE* stream) {
    static const auto next = real(&fwrite, "fwrite");
    return is_file(fileno(stream)) && fails("write") ? 0 : next(data, size, n, stream);
}

int fsync(int fd) {
    static const auto next = real(&fsync, "fsync");
    return fails("fsync") ? -1 : next(fd);
}

int fdatasync(int fd) {
    static const auto next = real(&fdatasync, "fdatasync");
    return fails("fsync") ? -1 : next(fd);
}

int rename(const char* from, const char* to) noexcept {
    using Rename = int (*)(const char*, const char*);
    static const auto next = real(Rename(), "rename");
    return fails("rename") ? -1 : next(from, to);
}

int renameat2(int from_fd, const char* from, int to_fd, const char* to, unsigned flags) noexcept {
    using Rename = int (*)(int, const char*, int, const char*, unsigned);
    static const auto next = real(Rename(), "renameat2");
    return fails("rename") ? -1 : next(from_fd, from, to_fd, to, flags);
}

}  // extern "C"

// Starts store_worker.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <vector>

namespace s3attn::store_test {

struct WorkerOptions {
    std::vector<std::string> environment;  // "NAME=VALUE"
    uint64_t file_limit = 0;               // most bytes of a file; 0: none
    std::string errors;                    // file that gets standard error
};

inline pid_t start_worker(const std::vector<std::string>& arguments,
                          const WorkerOptions& options = {}) {
    const pid_t child = ::fork();
    if (child != 0) return child;
    for (const std::string& setting : options.environment)
        ::putenv(const_cast<char*>(setting.data()));
    const std::string& errors = options.errors.empty() ? "/dev/null" : options.errors;
    if (std::freopen(errors.c_str(), "w", stderr) == nullptr) ::_exit(100);
    if (options.file_limit > 0) {
        const rlimit limit{options.file_limit, options.file_limit};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    }
    std::vector<char*> argv = {const_cast<char*>(S3ATTN_STORE_WORKER)};
    for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.data()));
    argv.push_back(nullptr);
    ::execv(argv[0], argv.data());
    ::_exit(101);
}

// Exit code; 128 + signal when it was killed.
inline int wait_for(pid_t child) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline int run_worker(const std::vector<std::string>& arguments,
                      const WorkerOptions& options = {}) {
    return wait_for(start_worker(arguments, options));
}

}  // namespace s3attn::store_test

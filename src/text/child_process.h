// Runs a converter as a child process: no shell, limits on time, memory and output, killed when it
// exceeds one. A crash of the converter is an exit status here.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "s3attn/result.h"

namespace s3attn::text {

struct ChildLimits {
    uint32_t seconds = 300;
    uint64_t output_bytes = 1ull << 30;
    uint64_t memory_bytes = 4ull << 30;  // address space
};

struct ChildOutcome {
    int exit_code = -1;  // -1: ended by a signal
    int signal = 0;
    bool timed_out = false;
    bool output_limit = false;
    std::string messages;  // the beginning of its standard error
};

// The path of `program` in PATH; empty when there is none.
std::string find_program(const std::string& program);

// Runs `arguments` (the first is the program's path) with `input` as standard input, standard
// output copied into `output`.
Result<ChildOutcome> run_child(const std::vector<std::string>& arguments, int input, int output,
                               const ChildLimits& limits);

}  // namespace s3attn::text

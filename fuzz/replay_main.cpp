// Runs a fuzz target without a fuzzer: over its seeds, a number of random changes of them, and the
// files named (inputs that once failed).
//   replay_TARGET [--changes N] [FILE|DIRECTORY...]
//   replay_TARGET --write-seeds DIRECTORY
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "target.h"

namespace {

namespace fs = std::filesystem;
using s3attn::fuzz::read_file;

void run(const std::string& input) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

std::string changed(std::string input, std::mt19937& random) {
    for (auto n = 1 + random() % 4; n > 0 && !input.empty(); --n) {
        const size_t at = random() % input.size();
        switch (random() % 5) {
            case 0: input.resize(at); break;
            case 1: input.insert(at, 1 + random() % 9, static_cast<char>(random())); break;
            case 2: input.erase(at, 1 + random() % 9); break;
            default: input[at] = static_cast<char>(random());
        }
    }
    return input;
}

int write_seeds(const std::string& directory) {
    fs::create_directories(directory);
    size_t i = 0;
    for (const std::string& seed : s3attn::fuzz::seeds()) {
        s3attn::fuzz::write_file(directory + "/seed-" + std::to_string(i++), seed.data(),
                                 seed.size());
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    unsigned long changes = 200;
    std::vector<std::string> inputs = s3attn::fuzz::seeds();
    const size_t seeds = inputs.size();
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--write-seeds" && i + 1 < argc) return write_seeds(argv[i + 1]);
        if (argument == "--changes" && i + 1 < argc) {
            changes = std::strtoul(argv[++i], nullptr, 10);
        } else if (fs::is_directory(argument)) {
            for (const auto& entry : fs::recursive_directory_iterator(argument)) {
                if (entry.is_regular_file()) inputs.push_back(read_file(entry.path().string()));
            }
        } else if (fs::exists(argument)) {
            inputs.push_back(read_file(argument));
        }
    }
    for (const std::string& input : inputs) run(input);
    std::mt19937 random(1);
    for (unsigned long i = 0; i < changes && seeds > 0; ++i) {
        run(changed(inputs[random() % seeds], random));
    }
    std::printf("%zu seeds, %zu saved inputs, %lu changes: no finding\n", seeds,
                inputs.size() - seeds, changes);
    return 0;
}

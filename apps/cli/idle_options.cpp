#include "idle_options.h"

#include <cstdio>

#include "eval/methods.h"

namespace s3attn::cli {

void IdleOptions::when(bool idle, const std::string& why,
                       std::initializer_list<const char*> options) {
    for (const char* option : options) {
        if (idle && command_.count(option) > 0) notes_.push_back(option + (" " + why));
    }
}

void IdleOptions::note_ranking(const std::vector<std::string>& methods, uint32_t rounds) {
    const bool attention = eval::any_uses(methods, {"s3", "hybrid", "random-codes"});
    when(!attention, "does nothing: no method ranks by s3, hybrid or random-codes",
         {"--scoring", "--max-features", "--rounds", "--round-query", "--round-weight"});
    when(attention && rounds < 2, "does nothing without a second round (--rounds 2)",
         {"--round-query", "--round-weight"});
    if (command_.get_option_no_throw("--embedder") == nullptr) return;
    when(!eval::any_uses(methods, {"dense"}), "does nothing: no method is dense", {"--embedder"});
}

void IdleOptions::print(bool quiet) const {
    for (const std::string& note : notes_) {
        if (!quiet) std::fprintf(stderr, "note: %s\n", note.c_str());
    }
}

}  // namespace s3attn::cli

#include "text/english_words.h"

#include <unistd.h>

#include <hunspell.hxx>
#include <memory>
#include <mutex>

namespace s3attn::text {

KnownWord is_english_word(const std::string& word) {
    static constexpr const char* kRules = "/usr/share/hunspell/en_US.aff";
    static constexpr const char* kWords = "/usr/share/hunspell/en_US.dic";
    static std::mutex mutex;  // a Hunspell serves one call at a time
    const std::lock_guard lock(mutex);
    // Read by the first PDF that needs it, and kept: it takes some milliseconds and megabytes.
    static const std::unique_ptr<Hunspell> dictionary =
        ::access(kRules, R_OK) == 0 && ::access(kWords, R_OK) == 0
            ? std::make_unique<Hunspell>(kRules, kWords)
            : nullptr;
    if (!dictionary) return KnownWord::kNoDictionary;
    return dictionary->spell(word) ? KnownWord::kYes : KnownWord::kNo;
}

}  // namespace s3attn::text

#include "answer/reader_class.h"

#include <algorithm>
#include <array>
#include <string>

namespace s3attn {
namespace {

constexpr std::string_view kBriefly = "Answer briefly, from the evidence.";

// Refuses 5 of 100 train questions whose evidence is there (docs/answers.md).
constexpr double kPoint = 0.25;

constexpr std::array kClasses{
    ReaderClass{"below 0.3B", 300'000'000, true, kBriefly, 64, 2, 4, kPoint},
    ReaderClass{"0.3B to 1B", 1'000'000'000, true, kBriefly, 96, 2, 6, kPoint},
    ReaderClass{"1B and more", 0, true, kBriefly, 256, 0, 0, kPoint},
};

// What a question begins with when a name, a number or a place answers it.
constexpr auto kFactWords = std::to_array<std::string_view>(
    {"at", "from", "how", "in", "into", "name", "of", "on", "since", "to", "under", "until", "what",
     "when", "where", "which", "who", "whom", "whose"});
static_assert(std::is_sorted(kFactWords.begin(), kFactWords.end()));
constexpr auto kHowMeasures =
    std::to_array<std::string_view>({"big", "deep", "far", "fast", "heavy", "high", "large", "long",
                                     "many", "much", "often", "old", "small", "tall", "wide"});
static_assert(std::is_sorted(kHowMeasures.begin(), kHowMeasures.end()));

std::string next_word(std::string_view& text) {
    std::string word;
    size_t i = 0;
    for (; i < text.size(); ++i) {
        const char lower =
            text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
        if (lower >= 'a' && lower <= 'z') {
            word += lower;
        } else if (!word.empty()) {
            break;
        }
    }
    text.remove_prefix(i);
    return word;
}

}  // namespace

const ReaderClass& class_of(const ReaderInfo& reader) {
    for (const ReaderClass& each : kClasses) {
        if (reader.parameters > 0 && reader.parameters < each.below) return each;
    }
    return kClasses.back();
}

bool asks_for_fact(std::string_view question) {
    const std::string first = next_word(question);
    if (!std::binary_search(kFactWords.begin(), kFactWords.end(), first)) return false;
    if (first != "how") return true;
    return std::binary_search(kHowMeasures.begin(), kHowMeasures.end(), next_word(question));
}

}  // namespace s3attn

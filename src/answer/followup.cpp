#include "answer/followup.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "retrieve/words.h"

namespace s3attn {
namespace {

// Words that name something said before.
constexpr std::array<std::string_view, 29> kPointers = {
    "he",    "she",  "it",   "they",  "him",    "her",     "them",    "his",     "hers",  "its",
    "their", "this", "that", "these", "those",  "there",   "then",    "one",     "ones",  "same",
    "such",  "else", "also", "again", "former", "another", "himself", "herself", "itself"};
constexpr std::array<std::string_view, 4> kOpeners = {"and", "but", "or", "so"};
constexpr size_t kMostEarlier = 2;  // questions that are put in front

std::vector<std::string> lower_words(const std::string& text) {
    std::vector<std::string> words(1);
    for (const char c : text) {
        if (c >= 'A' && c <= 'Z') {
            words.back() += static_cast<char>(c - 'A' + 'a');
        } else if ((c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80) {
            words.back() += c;
        } else if (!words.back().empty()) {
            words.emplace_back();
        }
    }
    if (words.back().empty()) words.pop_back();
    return words;
}

bool points_back(const std::string& question) {
    const std::vector<std::string> words = lower_words(question);
    if (words.empty()) return false;
    const auto has = [](const auto& list, const std::string& word) {
        return std::find(list.begin(), list.end(), word) != list.end();
    };
    if (has(kOpeners, words.front())) return true;
    if (content_word_set(question).empty()) return true;  // "Why?": nothing to search for
    return std::any_of(words.begin(), words.end(),
                       [&](const std::string& word) { return has(kPointers, word); });
}

}  // namespace

std::string retrieval_question(const std::vector<ChatTurn>& history, const std::string& question) {
    std::string all = question, last = question;
    size_t earlier = 0;
    for (auto turn = history.rbegin(); turn != history.rend(); ++turn) {
        if (turn->role != "user") continue;
        // What the question before points back to is worth finding too.
        if (!points_back(last) || earlier++ == kMostEarlier) break;
        last = turn->text;
        all = last + "\n" + all;
    }
    return all;
}

}  // namespace s3attn

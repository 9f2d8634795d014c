#include "retrieve/words.h"

#include <algorithm>
#include <unordered_set>

namespace s3attn {
namespace {

bool is_stop_word(const std::string& word) {
    static const std::unordered_set<std::string> kStopWords = {
        "a",       "about",   "above",  "after", "again",  "against",  "all",     "also",
        "am",      "an",      "and",    "any",   "are",    "as",       "at",      "be",
        "because", "been",    "before", "being", "below",  "between",  "both",    "but",
        "by",      "can",     "could",  "did",   "do",     "does",     "doing",   "down",
        "during",  "each",    "few",    "for",   "from",   "further",  "had",     "has",
        "have",    "having",  "he",     "her",   "here",   "hers",     "herself", "him",
        "himself", "his",     "how",    "i",     "if",     "in",       "into",    "is",
        "it",      "its",     "itself", "just",  "may",    "me",       "might",   "more",
        "most",    "much",    "must",   "my",    "myself", "no",       "nor",     "not",
        "now",     "of",      "off",    "on",    "once",   "only",     "or",      "other",
        "our",     "ours",    "out",    "over",  "own",    "per",      "same",    "shall",
        "she",     "should",  "so",     "some",  "such",   "than",     "that",    "the",
        "their",   "theirs",  "them",   "then",  "there",  "these",    "they",    "this",
        "those",   "through", "to",     "too",   "under",  "until",    "up",      "upon",
        "us",      "very",    "was",    "we",    "were",   "what",     "when",    "where",
        "which",   "while",   "who",    "whom",  "whose",  "why",      "will",    "with",
        "would",   "yes",     "you",    "your",  "yours",  "yourself", "s",       "t",
        "d",       "ll",      "m",      "re",    "ve",     "don",      "didn",    "doesn",
        "isn",     "wasn",    "weren",  "won",   "wouldn", "couldn",   "shouldn", "hasn",
        "haven",   "hadn",    "aren"};
    return kStopWords.contains(word);
}

}  // namespace

std::vector<ContentWord> content_words(std::string_view text) {
    std::vector<ContentWord> words;
    text::Stemmers stemmers;
    text::WordCutter().cut(text, [&](const text::Word& word) {
        if (is_stop_word(word.form)) return true;
        words.push_back({word.form, word.script,
                         stemmers.stem(word.form, text::default_language(word.script))});
        return true;
    });
    const auto by_stem = [](const ContentWord& a, const ContentWord& b) { return a.stem < b.stem; };
    std::stable_sort(words.begin(), words.end(), by_stem);
    const auto same = [](const ContentWord& a, const ContentWord& b) { return a.stem == b.stem; };
    words.erase(std::unique(words.begin(), words.end(), same), words.end());
    return words;
}

std::vector<std::string> content_word_set(std::string_view text) {
    std::vector<std::string> stems;
    for (ContentWord& word : content_words(text)) stems.push_back(std::move(word.stem));
    return stems;
}

TextWords::TextWords(std::string_view text) : language_(text::detect_language(text)) {
    text::WordCutter().cut(text, [&](const text::Word& word) {
        if (!is_stop_word(word.form)) {
            stems_.insert(
                stemmers_.stem(word.form, text::language_of_word(word.script, language_)));
        }
        return true;
    });
}

bool TextWords::has(const ContentWord& word) {
    return stems_.contains(
        stemmers_.stem(word.form, text::language_of_word(word.script, language_)));
}

}  // namespace s3attn

#include "retrieve/words.h"

#include <libstemmer.h>
#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>
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

class Stemmer {
  public:
    Stemmer() : stemmer_(sb_stemmer_new("english", "UTF_8"), sb_stemmer_delete) {}
    std::string stem(const std::string& word) {
        if (!stemmer_) return word;
        const sb_symbol* stemmed =
            sb_stemmer_stem(stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.data()),
                            static_cast<int>(word.size()));
        if (stemmed == nullptr) return word;
        return {reinterpret_cast<const char*>(stemmed),
                static_cast<size_t>(sb_stemmer_length(stemmer_.get()))};
    }

  private:
    std::unique_ptr<sb_stemmer, void (*)(sb_stemmer*)> stemmer_;
};

bool is_word_char(UChar32 c) { return u_isalnum(c) || (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0; }
// Scripts without spaces between words.
bool stands_alone(UChar32 c) {
    UErrorCode error = U_ZERO_ERROR;
    const UScriptCode script = uscript_getScript(c, &error);
    return script == USCRIPT_HAN || script == USCRIPT_HIRAGANA || script == USCRIPT_KATAKANA;
}

void append_utf8(std::string& out, UChar32 c) {
    char buffer[U8_MAX_LENGTH];
    int32_t length = 0;
    U8_APPEND_UNSAFE(buffer, length, c);
    out.append(buffer, static_cast<size_t>(length));
}

}  // namespace

std::vector<std::string> content_words(std::string_view text) {
    std::vector<std::string> words;
    Stemmer stemmer;
    std::string word;
    const auto finish = [&] {
        if (!word.empty() && !is_stop_word(word)) words.push_back(stemmer.stem(word));
        word.clear();
    };
    const char* bytes = text.data();
    const auto size = static_cast<int64_t>(text.size());
    for (int64_t i = 0; i < size;) {
        UChar32 c;
        U8_NEXT(bytes, i, size, c);
        if (c < 0 || !is_word_char(c)) {
            finish();
        } else if (stands_alone(c)) {
            finish();
            append_utf8(word, c);
            finish();
        } else {
            append_utf8(word, u_foldCase(c, U_FOLD_CASE_DEFAULT));
        }
    }
    finish();
    return words;
}

std::vector<std::string> content_word_set(std::string_view text) {
    std::vector<std::string> words = content_words(text);
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    return words;
}

}  // namespace s3attn

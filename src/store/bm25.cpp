#include "store/bm25.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "store/word_tokenizer.h"
#include "text/languages.h"

namespace s3attn {
namespace {

// Words that say nothing about a passage (the classic list of 31 that Lucene made common, and
// "is", "it" ...). On pooled MuSiQue questions dropping them gains a point of R@10.
const std::set<std::string_view>& stop_words() {
    static const std::set<std::string_view> words = {
        "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
        "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
        "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
    return words;
}

constexpr size_t kWordsPerQuery = 256;  // keeps FTS5's expression tree and cursors small

// Languages that units of the store are in, besides those that a script is taken for anyway.
Result<std::vector<std::string>> store_languages(Database& db) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT term FROM temp.units_words "
                                          "WHERE term >= ?1 AND term < ?2"));
    const char first[] = {kLanguageMark}, behind[] = {kLanguageMark + 1};
    rows.bind(1, std::string_view(first, 1)).bind(2, std::string_view(behind, 1));
    std::vector<std::string> languages;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return languages;
        languages.push_back(rows.text(0).substr(1));
    }
}

// Adds `weight` times the BM25 of any of the words to every matching unit.
Status add_scores(Database& db, const std::string& match, double weight,
                  std::unordered_map<int64_t, double>& scores) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT rowid, bm25(units_fts) FROM units_fts "
                                          "WHERE units_fts MATCH ?1"));
    rows.bind(1, match);
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return {};
        scores[rows.integer(0)] -= weight * rows.real(1);  // FTS5: smaller is better
    }
}

void add_reading(std::vector<std::string>& terms, std::string term) {
    if (!term.empty() && std::find(terms.begin(), terms.end(), term) == terms.end()) {
        terms.push_back(std::move(term));
    }
}

}  // namespace

Result<std::vector<QuestionWord>> question_words(Database& db, std::string_view question) {
    S3ATTN_TRY(const auto terms, TermMaker::make(db));
    S3ATTN_TRY(const auto languages, store_languages(db));
    std::vector<QuestionWord> words;
    std::map<std::string, size_t> places;  // form -> index
    terms->cutter().cut(question, [&](const text::Word& word) {
        const auto [place, is_new] = places.emplace(word.form, words.size());
        if (!is_new) {
            ++words[place->second].count;
            return true;
        }
        QuestionWord& added = words.emplace_back();
        added.form = word.form;
        add_reading(added.terms, terms->term(word, text::default_language(word.script)));
        for (const std::string& language : languages) {
            if (text::language_of_word(word.script, language) != language) continue;
            add_reading(added.terms, terms->term(word, language));
        }
        return true;
    });
    return words;
}

Result<std::vector<StoreReader::Match>> search_words(Database& db, std::string_view question,
                                                     uint32_t limit) {
    S3ATTN_TRY(const auto words, question_words(db, question));
    const bool any_telling = std::any_of(words.begin(), words.end(), [](const QuestionWord& word) {
        return !stop_words().contains(word.form);
    });
    // BM25 is a sum over words, so words said equally often share a query, in parts.
    std::map<uint32_t, std::vector<std::string>> by_count;
    for (const QuestionWord& word : words) {
        if (any_telling && stop_words().contains(word.form)) continue;
        if (!word.terms.empty()) by_count[word.count].push_back(query_phrase(word.terms));
    }
    std::unordered_map<int64_t, double> scores;
    for (const auto& [count, group] : by_count) {
        for (size_t begin = 0; begin < group.size(); begin += kWordsPerQuery) {
            std::string match;
            const size_t end = std::min(group.size(), begin + kWordsPerQuery);
            for (size_t i = begin; i < end; ++i) {
                if (!match.empty()) match += " OR ";
                match += group[i];
            }
            S3ATTN_CHECK(add_scores(db, match, count, scores));
        }
    }
    std::vector<StoreReader::Match> matches;
    matches.reserve(scores.size());
    for (const auto& [unit_id, score] : scores) matches.push_back({UnitId(unit_id), score});
    const auto better = [](const StoreReader::Match& a, const StoreReader::Match& b) {
        return a.bm25 != b.bm25 ? a.bm25 > b.bm25 : a.unit_id < b.unit_id;
    };
    const size_t keep = std::min<size_t>(limit, matches.size());
    std::partial_sort(matches.begin(), matches.begin() + static_cast<ptrdiff_t>(keep),
                      matches.end(), better);
    matches.resize(keep);
    return matches;
}

Result<std::vector<WordFrequency>> word_frequencies(Database& db, std::string_view question) {
    S3ATTN_TRY(const auto words, question_words(db, question));
    S3ATTN_TRY(Statement one, db.prepare("SELECT doc FROM temp.units_words WHERE term = ?1"));
    S3ATTN_TRY(Statement several,
               db.prepare("SELECT count(*) FROM units_fts WHERE units_fts MATCH ?1"));
    std::vector<WordFrequency> frequencies;
    for (const QuestionWord& word : words) {
        Statement& rows = word.terms.size() == 1 ? one : several;
        if (word.terms.empty()) continue;
        rows.bind(1, word.terms.size() == 1 ? word.terms[0] : query_phrase(word.terms));
        S3ATTN_TRY(const bool found, rows.step());
        frequencies.push_back({word.form, found ? static_cast<uint64_t>(rows.integer(0)) : 0});
        rows.reset();
    }
    return frequencies;
}

}  // namespace s3attn

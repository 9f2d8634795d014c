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

Result<uint64_t> count_matches(Database& db, const std::string& match, const WordScope* scope,
                               uint64_t most) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT rowid FROM units_fts WHERE units_fts MATCH ?1"));
    rows.bind(1, match);
    uint64_t units = 0;
    while (units < most) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) break;
        units += scope == nullptr || scope->has(rows.integer(0));
    }
    return units;
}

// Languages that units of the store are in, besides those that a script is taken for anyway.
Result<std::vector<std::string>> store_languages(Database& db, const WordScope* scope) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT term FROM temp.units_words "
                                          "WHERE term >= ?1 AND term < ?2"));
    const char first[] = {kLanguageMark}, behind[] = {kLanguageMark + 1};
    rows.bind(1, std::string_view(first, 1)).bind(2, std::string_view(behind, 1));
    std::vector<std::string> languages;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return languages;
        const std::string mark = rows.text(0);
        if (scope != nullptr) {
            S3ATTN_TRY(const uint64_t units, count_matches(db, query_phrase({mark}), scope, 1));
            if (units == 0) continue;
        }
        languages.push_back(mark.substr(1));
    }
}

// Adds `weight` times the BM25 of any of the words to every matching unit.
Status add_scores(Database& db, const std::string& match, double weight, const WordScope* scope,
                  std::unordered_map<int64_t, double>& scores) {
    S3ATTN_TRY(Statement rows, db.prepare("SELECT rowid, s3bm25(units_fts, ?2) FROM units_fts "
                                          "WHERE units_fts MATCH ?1"));
    bind_scope(rows.bind(1, match), 2, scope);
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return {};
        if (!rows.is_null(1)) scores[rows.integer(0)] += weight * rows.real(1);
    }
}

void add_reading(std::vector<std::string>& terms, std::string term) {
    if (!term.empty() && std::find(terms.begin(), terms.end(), term) == terms.end()) {
        terms.push_back(std::move(term));
    }
}

}  // namespace

Result<std::vector<QuestionWord>> question_words(Database& db, std::string_view question,
                                                 const WordScope* scope) {
    S3ATTN_TRY(const auto terms, TermMaker::make(db));
    S3ATTN_TRY(const auto languages, store_languages(db, scope));
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
                                                     uint32_t limit, const WordScope* scope) {
    S3ATTN_TRY(const auto words, question_words(db, question, scope));
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
            S3ATTN_CHECK(add_scores(db, match, count, scope, scores));
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

Result<std::vector<WordFrequency>> word_frequencies(Database& db, std::string_view question,
                                                    const WordScope* scope) {
    S3ATTN_TRY(const auto words, question_words(db, question, scope));
    S3ATTN_TRY(Statement one, db.prepare("SELECT doc FROM temp.units_words WHERE term = ?1"));
    std::vector<WordFrequency> frequencies;
    for (const QuestionWord& word : words) {
        if (word.terms.empty()) continue;
        WordFrequency& added = frequencies.emplace_back(WordFrequency{word.form, 0});
        if (word.terms.size() > 1 || scope != nullptr) {
            S3ATTN_TRY(added.units, count_matches(db, query_phrase(word.terms), scope, UINT64_MAX));
            continue;
        }
        S3ATTN_TRY(const bool found, one.bind(1, word.terms[0]).step());
        if (found) added.units = static_cast<uint64_t>(one.integer(0));
        one.reset();
    }
    return frequencies;
}

}  // namespace s3attn

#include "retrieve/evidence.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "retrieve/words.h"

namespace s3attn {
namespace {

constexpr uint32_t kCoverageUnits = 5;         // a multi-hop question's words lie in several units
constexpr double kEnoughCoverageAlone = 0.35;  // without a cosine to fall back on

double idf(size_t n_units, size_t units_with_word) {
    const auto n = static_cast<double>(n_units), with = static_cast<double>(units_with_word);
    return std::log(1.0 + (n - with + 0.5) / (with + 0.5));
}

// The best units by BM25, as the voice ranks them.
Result<std::vector<UnitId>> best_by_words(const StoreReader& store, const std::string& question,
                                          const Filter& filter, const VoiceScores* words) {
    std::vector<UnitId> best;
    if (words != nullptr) {
        for (const RankedUnit& unit : words->units) {
            if (best.size() == kCoverageUnits) break;
            best.push_back(store.live_units()[unit.unit].unit_id);
        }
        return best;
    }
    S3ATTN_TRY(const auto matches, store.bm25(question, kCoverageUnits, filter.places()));
    for (const StoreReader::Match& match : matches) best.push_back(match.unit_id);
    return best;
}

}  // namespace

Result<double> lexical_coverage(const StoreReader& store, const std::string& question,
                                const VoiceScores* said, const Filter& filter) {
    const std::vector<ContentWord> words = content_words(question);
    if (words.empty()) return 1.0;
    S3ATTN_TRY(const auto best, best_by_words(store, question, filter, said));
    std::set<std::string> present;  // forms
    for (const UnitId unit_id : best) {
        S3ATTN_TRY(const UnitRow row, store.unit(unit_id));
        TextWords text(row.heading.empty() && row.columns.empty()
                           ? row.text
                           : row.text + "\n\n" + row.heading + "\n" + row.columns);
        for (const ContentWord& word : words) {
            if (text.has(word)) present.insert(word.form);
        }
    }
    std::map<std::string, uint64_t> units_with;
    S3ATTN_TRY(const auto frequencies, store.word_frequencies(question, filter.places()));
    for (const WordFrequency& word : frequencies) units_with[word.form] = word.units;
    const size_t n_units = filter.all() ? store.live_units().size() : filter.allowed().size();
    double covered = 0, all = 0;
    for (const ContentWord& word : words) {
        const double weight = idf(n_units, std::min<size_t>(units_with[word.form], n_units));
        all += weight;
        if (present.contains(word.form)) covered += weight;
    }
    return all > 0 ? covered / all : 1.0;
}

Result<Evidence> assess_evidence(const StoreReader& store, std::optional<double> cosine,
                                 const std::string& question, double floor,
                                 const VoiceScores* words, const Filter& filter) {
    Evidence evidence;
    evidence.floor = floor;
    S3ATTN_TRY(evidence.lexical_coverage, lexical_coverage(store, question, words, filter));
    if (cosine) {
        evidence.score = *cosine;
        evidence.floor += kMissingWordsPenalty * (1.0 - evidence.lexical_coverage);
        evidence.found =
            evidence.score >= evidence.floor || evidence.lexical_coverage >= kEnoughCoverage;
    } else {
        evidence.found = evidence.lexical_coverage >= kEnoughCoverageAlone;
    }
    return evidence;
}

}  // namespace s3attn

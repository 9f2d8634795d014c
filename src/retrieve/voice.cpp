#include "retrieve/voice.h"

#include <algorithm>
#include <set>

#include "base/timing.h"

namespace s3attn {

void sort_best_first(std::vector<RankedUnit>& units) {
    std::sort(units.begin(), units.end(), [](const RankedUnit& a, const RankedUnit& b) {
        return a.score != b.score ? a.score > b.score : a.unit < b.unit;
    });
}

std::optional<UnitNumber> number_of(const StoreReader& store, UnitId unit_id) {
    const std::vector<UnitExtent>& units = store.live_units();  // ascending by id too
    const auto found =
        std::lower_bound(units.begin(), units.end(), unit_id,
                         [](const UnitExtent& unit, UnitId id) { return unit.unit_id < id; });
    if (found == units.end() || found->unit_id != unit_id) return std::nullopt;
    return static_cast<UnitNumber>(found - units.begin());
}

bool Filter::allows(UnitNumber unit) const {
    return all_ || std::binary_search(allowed_.begin(), allowed_.end(), unit);
}

Result<Filter> filter_documents(const StoreReader& store,
                                const std::vector<DocumentInfo>& documents,
                                const std::function<bool(const DocumentInfo&)>& wanted) {
    std::set<DocumentId> ids;
    for (const DocumentInfo& document : documents) {
        if (wanted(document)) ids.insert(document.doc_id);
    }
    if (ids.size() == documents.size()) return Filter();
    S3ATTN_TRY(const std::vector<UnitPlace> places, store.places());
    std::vector<UnitNumber> allowed;
    for (size_t u = 0; u < places.size(); ++u) {
        if (ids.contains(places[u].doc_id)) allowed.push_back(static_cast<UnitNumber>(u));
    }
    return Filter(std::move(allowed));
}

const std::string& WordVoice::name() const {
    static const std::string kName = "bm25";
    return kName;
}

Result<VoiceScores> WordVoice::score(const VoiceRequest& request) const {
    const Stopwatch watch;
    VoiceScores scores;
    const auto all =
        static_cast<uint32_t>(std::min<size_t>(request.store.live_units().size(), UINT32_MAX));
    const uint32_t limit = request.depth > 0 ? std::min(all, request.depth) : all;
    S3ATTN_TRY(const auto matches,
               request.store.bm25(request.question, limit, request.filter.places()));
    for (const StoreReader::Match& match : matches) {
        const auto unit = number_of(request.store, match.unit_id);
        if (unit) scores.units.push_back({*unit, match.bm25});
    }
    scores.timings_ms["words"] = watch.milliseconds();
    S3ATTN_CHECK(check_cancelled(request.cancel));
    return scores;
}

}  // namespace s3attn

#include "store/inspect.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "store/snapshot.h"
#include "store/store.h"

namespace s3attn {
namespace {

constexpr size_t kDensestFeatures = 10;
constexpr uint64_t kDenseShare = 10;  // dense: fires on more than every tenth token

// Postings per feature over all slots, [slot * latents + latent].
Result<std::vector<uint64_t>> count_postings(const StoreReader& reader) {
    const StoreShape& shape = reader.shape();
    std::vector<uint64_t> lengths(static_cast<size_t>(shape.n_slots) * shape.latents);
    BlockScratch scratch;
    for (const auto& segment : reader.segments()) {
        for (uint32_t block = 0; block < segment->n_blocks(); ++block) {
            for (uint32_t slot = 0; slot < shape.n_slots; ++slot) {
                S3ATTN_TRY(const BlockView view, segment->read_block(slot, block, scratch));
                uint64_t* slot_lengths = lengths.data() + static_cast<size_t>(slot) * shape.latents;
                for (uint32_t f = 0; f < shape.latents; ++f) {
                    slot_lengths[f] += view.feature_begin[f + 1] - view.feature_begin[f];
                }
            }
        }
    }
    return lengths;
}

void describe_lengths(const std::vector<uint64_t>& lengths, InspectReport& report) {
    for (const uint64_t length : lengths) {
        if (length == 0) ++report.dead_features;
        if (length * kDenseShare > report.tokens) ++report.dense_features;
        // 0 -> [0]; 1 and 2 -> [1]; 3 and 4 -> [2]; 5 .. 8 -> [3]; ...
        const size_t bin =
            length == 0 ? 0 : std::max<size_t>(1, static_cast<size_t>(std::bit_width(length - 1)));
        if (bin >= report.posting_length_histogram.size()) {
            report.posting_length_histogram.resize(bin + 1);
        }
        ++report.posting_length_histogram[bin];
    }
    std::vector<std::pair<uint32_t, uint64_t>> order;
    for (size_t i = 0; i < lengths.size(); ++i) {
        if (lengths[i] > 0) order.emplace_back(static_cast<uint32_t>(i), lengths[i]);
    }
    const size_t keep = std::min(kDensestFeatures, order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(keep), order.end(),
                      [](const auto& a, const auto& b) {
                          return a.second != b.second ? a.second > b.second : a.first < b.first;
                      });
    order.resize(keep);
    report.densest = std::move(order);
}

// The live unit that owns a position, or nullptr.
const UnitExtent* unit_at(const std::vector<UnitExtent>& units, uint64_t position) {
    auto after = std::upper_bound(
        units.begin(), units.end(), position,
        [](uint64_t p, const UnitExtent& unit) { return p < unit.position_begin.value; });
    while (after != units.begin()) {
        --after;
        if (position < (after->position_begin + after->n_tokens).value) return &*after;
        if (after->n_tokens > 0) return nullptr;
    }
    return nullptr;
}

struct Place {
    uint64_t position = 0;
    uint8_t activation = 0;
};

// Where the feature fires in live units, ascending by position.
Result<std::vector<Place>> find_places(const StoreReader& reader, uint32_t slot, uint32_t latent) {
    std::vector<Place> places;
    BlockScratch scratch;
    const uint32_t wanted[] = {latent};
    for (const auto& segment : reader.segments()) {
        for (uint32_t block = 0; block < segment->n_blocks(); ++block) {
            S3ATTN_TRY(const BlockView view, segment->read_features(slot, block, wanted, scratch));
            const uint64_t begin = segment->base() + static_cast<uint64_t>(block) * kBlockTokens;
            for (uint32_t i = view.feature_begin[0]; i < view.feature_begin[1]; ++i) {
                const uint64_t position = begin + view.position[i];
                if (unit_at(reader.live_units(), position) == nullptr) continue;
                places.push_back({position, view.activation[i]});
            }
        }
    }
    return places;
}

Status describe_feature(const StoreReader& reader, const InspectOptions& options,
                        InspectReport& report) {
    const auto slot = static_cast<uint32_t>(options.head_slot);
    S3ATTN_TRY(std::vector<Place> places, find_places(reader, slot, options.latent));
    report.feature_postings = places.size();
    double sum = 0;
    for (const Place& place : places) sum += place.activation;
    if (!places.empty()) report.mean_activation = sum / static_cast<double>(places.size());
    // The strongest come first.
    std::stable_sort(places.begin(), places.end(),
                     [](const Place& a, const Place& b) { return a.activation > b.activation; });
    places.resize(std::min<size_t>(places.size(), options.limit));
    for (const Place& place : places) {
        const UnitExtent* extent = unit_at(reader.live_units(), place.position);
        S3ATTN_TRY(UnitRow unit, reader.unit(extent->unit_id));
        S3ATTN_TRY(DocumentInfo document, reader.document(unit.doc_id));
        FeatureOccurrence occurrence;
        occurrence.doc_id = unit.doc_id;
        occurrence.position = TokenPosition(place.position);
        occurrence.activation = place.activation;
        occurrence.path = std::move(document.path);
        occurrence.unit_token = static_cast<uint32_t>(occurrence.position - extent->position_begin);
        occurrence.byte_begin = unit.byte_begin;
        occurrence.context = std::move(unit.text);
        report.occurrences.push_back(std::move(occurrence));
    }
    return {};
}

// What the bytes of the store are for. Needs SQLite's dbstat table; without it all of the catalogue
// is one part.
Status measure_parts(const std::string& store, InspectReport& report) {
    uint64_t text = 0, words = 0;
    S3ATTN_TRY(const CatalogSnapshot snapshot, open_snapshot(store));
    auto rows = snapshot.db->prepare("SELECT name, sum(pgsize) FROM dbstat GROUP BY name");
    for (; rows.ok();) {
        S3ATTN_TRY(const bool row, rows->step());
        if (!row) break;
        const auto bytes = static_cast<uint64_t>(rows->integer(1));
        if (rows->view(0) == "units") text += bytes;
        if (rows->view(0).starts_with("units_fts")) words += bytes;
    }
    const uint64_t rest = report.catalog_bytes - std::min(report.catalog_bytes, text + words);
    report.parts = {{"postings", report.segment_bytes},
                    {"text", text},
                    {"word index", words},
                    {"catalogue", rest}};
    return {};
}

}  // namespace

Result<InspectReport> inspect_postings(const std::string& store, const InspectOptions& options) {
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    const StoreShape& shape = reader->shape();
    const bool feature = options.head_slot >= 0;
    if (feature && (static_cast<uint32_t>(options.head_slot) >= shape.n_slots ||
                    options.latent >= shape.latents)) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the store '" + store + "' has head slots 0 to " +
                              std::to_string(shape.n_slots - 1) + " of latents 0 to " +
                              std::to_string(shape.latents - 1));
    }
    InspectReport report;
    report.fingerprint = reader->fingerprint().fields;
    S3ATTN_TRY(const auto documents, reader->documents());
    report.documents = documents.size();
    report.units = reader->live_units().size();
    report.tokens = reader->live_tokens();
    report.heads = shape.n_slots;
    report.latents = shape.latents;
    report.k = shape.k;
    report.segments = reader->segments().size();
    for (const auto& segment : reader->segments()) {
        report.postings += segment->n_postings();
        report.segment_bytes += segment->bytes();
    }
    report.catalog_bytes = reader->bytes_on_disk() - report.segment_bytes;
    S3ATTN_TRY(const auto lengths, count_postings(*reader));
    describe_lengths(lengths, report);
    if (feature) S3ATTN_CHECK(describe_feature(*reader, options, report));
    if (options.stats) S3ATTN_CHECK(measure_parts(store, report));
    return report;
}

}  // namespace s3attn

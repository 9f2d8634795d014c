// What can be done to a store without a model (s3attn/engine.h): list, text, remove, inspect.
#include <algorithm>
#include <bit>
#include <vector>

#include "s3attn/engine.h"
#include "store/open_writer.h"
#include "store/store.h"

namespace s3attn {
namespace {

constexpr size_t kDensestFeatures = 10;

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
        [](uint64_t p, const UnitExtent& unit) { return p < unit.position_begin; });
    while (after != units.begin()) {
        --after;
        if (position < after->position_begin + after->n_tokens) return &*after;
        if (after->n_tokens > 0) return nullptr;
    }
    return nullptr;
}

Status find_occurrences(const StoreReader& reader, uint32_t slot, uint32_t latent, uint32_t limit,
                        std::vector<FeatureOccurrence>& occurrences) {
    BlockScratch scratch;
    for (const auto& segment : reader.segments()) {
        for (uint32_t block = 0; block < segment->n_blocks(); ++block) {
            if (occurrences.size() >= limit) return {};
            S3ATTN_TRY(const BlockView view, segment->read_block(slot, block, scratch));
            for (uint32_t i = view.feature_begin[latent]; i < view.feature_begin[latent + 1]; ++i) {
                const uint64_t position = segment->base() +
                                          static_cast<uint64_t>(block) * kBlockTokens +
                                          view.position[i];
                const UnitExtent* extent = unit_at(reader.live_units(), position);
                if (extent == nullptr || occurrences.size() >= limit) continue;
                S3ATTN_TRY(UnitRow unit, reader.unit(extent->unit_id));
                S3ATTN_TRY(DocumentInfo document, reader.document(unit.doc_id));
                occurrences.push_back({unit.doc_id, position,
                                       static_cast<double>(view.activation[i]),
                                       std::move(document.path), std::move(unit.text)});
            }
        }
    }
    return {};
}

}  // namespace

Result<std::vector<DocumentInfo>> list_documents(const std::string& store) {
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    return reader->documents();
}

Status read_document_text(const std::string& store, int64_t doc_id,
                          const std::function<bool(std::string_view)>& on_text) {
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    return reader->read_text(doc_id, on_text);
}

Result<DocumentInfo> remove_document(const std::string& store, const std::string& path_or_id) {
    S3ATTN_TRY(const auto writer, open_existing_writer(store));
    return writer->remove_document(path_or_id);
}

Result<InspectReport> inspect_store(const std::string& store, int head_slot, uint32_t latent,
                                    uint32_t limit) {
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    const StoreShape& shape = reader->shape();
    if (head_slot >= 0 &&
        (static_cast<uint32_t>(head_slot) >= shape.n_slots || latent >= shape.latents)) {
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
    if (head_slot >= 0) {
        S3ATTN_CHECK(find_occurrences(*reader, static_cast<uint32_t>(head_slot), latent, limit,
                                      report.occurrences));
    }
    return report;
}

}  // namespace s3attn

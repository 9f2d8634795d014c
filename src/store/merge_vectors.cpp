#include "store/merge_vectors.h"

#include <map>
#include <optional>
#include <utility>

#include "base/files.h"
#include "store/vectors.h"

namespace s3attn {
namespace {

constexpr uint32_t kUnitsAtATime = 512;

// Where the vectors of the inputs are, by their units' text: a vector depends on nothing else.
class KnownVectors {
  public:
    explicit KnownVectors(const std::vector<VectorSource>& inputs) : inputs_(inputs) {}

    // The model that made them; none where no input has any. kMismatch when there are several.
    Result<std::optional<EmbedderInfo>> load() {
        std::optional<EmbedderInfo> all;
        for (size_t i = 0; i < inputs_.size(); ++i) {
            Database& db = *inputs_[i].catalog;
            S3ATTN_TRY(const auto own, load_embedder(db));
            if (!own) continue;
            if (all && (all->hash != own->hash || all->dimension != own->dimension)) {
                return make_error(ErrorCode::kMismatch,
                                  "the stores cannot be merged: the vectors of some were made by " +
                                      all->name + ", those of '" + inputs_[i].directory + "' by " +
                                      own->name + "; index their documents with one embedder");
            }
            all = own;
            S3ATTN_CHECK(add(i, db));
        }
        return all;
    }
    // Of the units that have one, with it.
    Status copy(std::vector<StoreWriter::UnitToEmbed>& units, uint32_t dimension,
                std::vector<std::vector<float>>& vectors) const {
        std::vector<StoreWriter::UnitToEmbed> known;
        for (StoreWriter::UnitToEmbed& unit : units) {
            const auto found = places_.find(hash_bytes(unit.text));
            if (found == places_.end()) continue;
            Database& db = *inputs_[found->second.first].catalog;
            S3ATTN_TRY(Statement row,
                       db.prepare("SELECT scale, code FROM vectors WHERE unit_id = ?1"));
            S3ATTN_TRY(const bool there, row.bind(1, found->second.second).step());
            if (!there || row.view(1).size() != dimension) {
                return make_error(ErrorCode::kCorrupt,
                                  "the store '" + inputs_[found->second.first].directory +
                                      "' has a damaged vector; verifying it says more");
            }
            std::vector<float> vector;
            for (const char code : row.view(1)) {
                vector.push_back(static_cast<float>(static_cast<int8_t>(code) * row.real(0)));
            }
            known.push_back(std::move(unit));
            vectors.push_back(std::move(vector));
        }
        units = std::move(known);
        return {};
    }

  private:
    Status add(size_t input, Database& db) {
        S3ATTN_TRY(Statement rows, db.prepare("SELECT u.unit_id, u.text FROM units u JOIN vectors "
                                              "v ON v.unit_id = u.unit_id"));
        for (;;) {
            S3ATTN_TRY(const bool row, rows.step());
            if (!row) return {};
            places_.emplace(hash_bytes(rows.view(1)), std::pair(input, rows.integer(0)));
        }
    }
    const std::vector<VectorSource>& inputs_;
    std::map<std::string, std::pair<size_t, int64_t>> places_;  // hash -> (input, unit)
};

}  // namespace

Status copy_vectors(const std::vector<VectorSource>& sources, StoreWriter& writer,
                    ProgressSink& sink, const CancelToken& cancel) {
    KnownVectors known(sources);
    S3ATTN_TRY(const auto embedder, known.load());
    if (!embedder) return {};
    S3ATTN_CHECK(writer.use_embedder(*embedder));
    uint64_t without = 0;
    UnitId after;
    for (;;) {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        S3ATTN_TRY(auto units, writer.units_to_embed(after, kUnitsAtATime));
        if (units.empty()) break;
        after = units.back().unit_id;
        without += units.size();
        std::vector<std::vector<float>> vectors;
        S3ATTN_CHECK(known.copy(units, embedder->dimension, vectors));
        without -= units.size();
        if (!units.empty()) S3ATTN_CHECK(writer.add_vectors(units, vectors));
    }
    if (without > 0) {
        sink.note(std::to_string(without) +
                  " of the merged passages have no vectors yet; indexing again makes them");
    }
    return {};
}

}  // namespace s3attn

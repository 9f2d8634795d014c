#include "s3attn/reason.h"
#include "store/vectors.h"
#include "store/writer.h"

namespace s3attn {

Status Writer::need_committed(const char* before) const {
    S3ATTN_CHECK(usable());
    if (!db_->in_transaction()) return {};
    return make_error(ErrorCode::kInvalidArgument,
                      std::string("commit what was added before ") + before);
}

Result<std::optional<EmbedderInfo>> Writer::embedder() {
    S3ATTN_CHECK(usable());
    return load_embedder(*db_);
}

Status Writer::use_embedder(const EmbedderInfo& embedder) {
    S3ATTN_CHECK(need_committed("choosing what makes vectors"));
    S3ATTN_TRY(const auto stored, load_embedder(*db_));
    if (stored) {
        if (stored->hash == embedder.hash && stored->dimension == embedder.dimension) return {};
        return make_error(ErrorCode::kMismatch, reason::kStoreMismatch, "embedder",
                          "the vectors of the store '" + directory_ + "' were made by " +
                              stored->name + ", which is another file than " + embedder.name +
                              ": use that one, or index into a new store");
    }
    return attempt([&]() -> Status {
        S3ATTN_CHECK(begin_transaction());
        S3ATTN_CHECK(create_vector_tables(*db_));
        S3ATTN_CHECK(save_embedder(*db_, embedder));
        return db_->exec("COMMIT");
    });
}

Result<std::vector<StoreWriter::UnitToEmbed>> Writer::units_to_embed(UnitId after, uint32_t limit) {
    S3ATTN_CHECK(need_committed("making vectors"));
    return units_without_vector(*db_, after, limit);
}

Result<uint64_t> Writer::count_units_to_embed() {
    S3ATTN_CHECK(usable());
    return count_units_without_vector(*db_);
}

Status Writer::add_vectors(const std::vector<UnitToEmbed>& units,
                           const std::vector<std::vector<float>>& vectors) {
    S3ATTN_CHECK(need_committed("adding vectors"));
    S3ATTN_TRY(const auto stored, load_embedder(*db_));
    if (!stored) {
        return make_error(ErrorCode::kInvalidArgument, "the store has no embedder yet");
    }
    return attempt([&]() -> Status {
        S3ATTN_CHECK(begin_transaction());
        S3ATTN_CHECK(insert_vectors(*db_, units, vectors, stored->dimension));
        return db_->exec("COMMIT");
    });
}

}  // namespace s3attn

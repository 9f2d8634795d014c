#include "engine/dense_voice.h"

#include "base/timing.h"
#include "retrieve/vector_scores.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

constexpr uint32_t kUnitsAtATime = 256;  // durable together

Error no_embedder(const std::optional<EmbedderInfo>& wanted) {
    return make_error(ErrorCode::kNotFound, reason::kNoModel, "embedder",
                      wanted ? "the store's vectors were made by " + wanted->name +
                                   ", and no embedder was named: name that file"
                             : std::string("no embedder was named"));
}

}  // namespace

Status EmbedderSlot::need(const std::optional<EmbedderInfo>& wanted) {
    if (!opened_.model) {
        if (!open_) return no_embedder(wanted);
        S3ATTN_TRY(opened_, open_());
    }
    if (!wanted || wanted->hash == opened_.info.hash) return {};
    return make_error(ErrorCode::kMismatch, reason::kStoreMismatch, "embedder",
                      "the store's vectors were made by " + wanted->name +
                          ", which is another file than the embedder " + opened_.info.name +
                          ": name that one");
}

Result<EmbedderInfo> EmbedderSlot::info(const std::optional<EmbedderInfo>& wanted) {
    const std::lock_guard lock(mutex_);
    S3ATTN_CHECK(need(wanted));
    return opened_.info;
}

Result<std::vector<std::vector<float>>> EmbedderSlot::embed(std::span<const std::string> texts) {
    const std::lock_guard lock(mutex_);
    S3ATTN_CHECK(need(std::nullopt));
    return opened_.model->embed(texts);
}

const std::string& DenseVoice::name() const {
    static const std::string kName = "dense";
    return kName;
}

Result<VoiceScores> DenseVoice::score(const VoiceRequest& request) const {
    const Stopwatch watch;
    VoiceScores out;
    S3ATTN_CHECK(check_cancelled(request.cancel));
    S3ATTN_TRY(const auto embedded, embedder_.embed({&request.question, 1}));
    const std::vector<double> scores = vector_scores(vectors_, embedded.front());
    for (UnitNumber u = 0; u < scores.size(); ++u) {
        if (vectors_.scales[u] > 0 && request.filter.allows(u)) {
            out.units.push_back({u, scores[u]});
        }
    }
    sort_best_first(out.units);
    out.timings_ms["dense"] = watch.milliseconds();
    return out;
}

Status embed_units(StoreWriter& writer, EmbedderSlot& embedder, ProgressSink& sink,
                   const CancelToken& cancel, uint64_t& made) {
    S3ATTN_TRY(const auto stored, writer.embedder());
    S3ATTN_TRY(const EmbedderInfo info, embedder.info(stored));
    S3ATTN_CHECK(writer.use_embedder(info));
    Progress progress;
    progress.stage = "embed";
    progress.unit = "passages";
    S3ATTN_TRY(progress.total, writer.count_units_to_embed());
    UnitId after;
    for (;;) {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        sink.update(progress);
        S3ATTN_TRY(const auto units, writer.units_to_embed(after, kUnitsAtATime));
        if (units.empty()) return {};
        after = units.back().unit_id;
        std::vector<std::string> texts;
        for (const StoreWriter::UnitToEmbed& unit : units) texts.push_back(unit.text);
        S3ATTN_TRY(const auto vectors, embedder.embed(texts));
        S3ATTN_CHECK(writer.add_vectors(units, vectors));
        progress.done = made += units.size();
    }
}

}  // namespace s3attn

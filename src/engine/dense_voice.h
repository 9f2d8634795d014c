// The optional third voice: a sentence embedder's vectors, made by `index --embed`.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model/embedder.h"
#include "retrieve/voice.h"
#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

struct OpenedEmbedder {
    std::unique_ptr<Embedder> model;
    EmbedderInfo info;
};
using OpenEmbedder = std::function<Result<OpenedEmbedder>()>;

// The embedder, opened by the first that wants it; several callers wait for each other.
class EmbedderSlot {
  public:
    // `open` may be null: there is none.
    explicit EmbedderSlot(OpenEmbedder open) : open_(std::move(open)) {}
    // kNotFound says which model was asked for: `wanted`, the store's, or none.
    Result<EmbedderInfo> info(const std::optional<EmbedderInfo>& wanted);
    Result<std::vector<std::vector<float>>> embed(std::span<const std::string> texts);

  private:
    Status need(const std::optional<EmbedderInfo>& wanted);
    OpenEmbedder open_;
    std::mutex mutex_;
    OpenedEmbedder opened_;
};

// Cosine of the question's vector and each unit's. Units without a vector have no score.
class DenseVoice final : public Voice {
  public:
    DenseVoice(EmbedderSlot& embedder, const UnitVectors& vectors)
        : embedder_(embedder), vectors_(vectors) {}
    const std::string& name() const override;
    Result<VoiceScores> score(const VoiceRequest& request) const override;

  private:
    EmbedderSlot& embedder_;
    const UnitVectors& vectors_;
};

// Gives every unit of the store that has no vector one; what was made counts when it is cancelled
// or killed. `made` counts them.
Status embed_units(StoreWriter& writer, EmbedderSlot& embedder, ProgressSink& sink,
                   const CancelToken& cancel, uint64_t& made);

}  // namespace s3attn

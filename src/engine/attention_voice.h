// The voice that the project exists for: the model's own attention, from its queries for the
// question to the keys that the index holds.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adapter/adapter.h"
#include "engine/question_codes.h"
#include "model/language_model.h"
#include "retrieve/scan_cache.h"
#include "retrieve/score.h"
#include "retrieve/voice.h"
#include "s3attn/types.h"

namespace s3attn {

struct AttentionTrace final : VoiceTrace {
    Tokens tokens;
    QuestionCodes codes;
    std::vector<std::vector<double>> log_total;  // [block], as S3Scores has it; empty for Eq. 7
};

class AttentionVoice final : public Voice {
  public:
    // All must outlive the voice. Several questions at once need a scanner that waits for itself
    // (scan/shared_scanner.h).
    AttentionVoice(Scanner& scanner, const Adapter& adapter, const SearchOptions& options,
                   uint32_t threads, ScanCache* cache)
        : scanner_(scanner),
          adapter_(adapter),
          scoring_(options.scoring),
          max_features_(options.max_features),
          threads_(threads),
          cache_(cache) {}

    const std::string& name() const override;
    Result<VoiceScores> score(const VoiceRequest& request) const override;

  private:
    Scanner& scanner_;
    const Adapter& adapter_;
    Scoring scoring_;
    uint32_t max_features_, threads_;
    ScanCache* cache_;
};

}  // namespace s3attn

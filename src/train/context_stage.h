// The last stage of train_adapter: context heads, with a model opened for them.
#pragma once

#include "adapter/adapter.h"
#include "train/context_heads.h"

namespace s3attn {

// Chooses them on the corpus and puts them, and what was measured, into the adapter.
Result<ContextHeadReport> fit_context_heads(const Corpus& corpus, const TrainOptions& options,
                                            Adapter& adapter, ProgressSink& sink,
                                            const CancelToken& cancel);

// Files that somebody put beside an adapter: they stay when it is written again.
Result<std::vector<std::pair<std::string, std::string>>> other_files(const std::string& directory);

}  // namespace s3attn

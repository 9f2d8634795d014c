// What identifies the codes of a store: model, adapter and the scan's settings.
#pragma once

#include <cstdint>

#include "adapter/adapter.h"
#include "model/language_model.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

// The query side (maps, temperatures, mixture) is left out on purpose: it may be retrained without
// touching an index.
Fingerprint make_fingerprint(const ModelInfo& model, const Adapter& adapter, uint32_t chunk_tokens);

// Whether the store was made with another quantisation of the engine's model: it can be searched,
// its codes being those of slightly other keys, but not added to.
bool is_other_quantisation(const Fingerprint& store, const Fingerprint& engine,
                           const Adapter& adapter);

// Compares what searching needs (chunk size and quantisation may differ); kMismatch names the first
// field that differs, both values and what to do.
Status check_searchable(const Fingerprint& store, const Fingerprint& engine, const Adapter& adapter,
                        const std::string& directory);

}  // namespace s3attn

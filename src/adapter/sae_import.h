// Takes a trained autoencoder, ours or another's, for one KV head of a model.
#pragma once

#include <cstdint>
#include <string>

#include "adapter/adapter.h"
#include "s3attn/result.h"

namespace s3attn {

struct ImportedSae {
    SparseAutoencoder sae;
    bool knows_input = false;  // cfg.json says that it was trained on what our encoder feeds it
};

// `directory` is what read_sae() takes. kMismatch names the field of cfg.json that does not fit
// this KV head: d_in, k, hook_layer, hook_head_index, or a hook_name that is no key projection.
// Fields that are absent are not held against it.
Result<ImportedSae> import_sae(const std::string& directory, uint32_t layer, uint32_t kv_head,
                               uint32_t d_head);

// "sae_L5_H1", the folder of a KV head's autoencoder in an adapter.
std::string sae_folder(uint32_t layer, uint32_t kv_head);

}  // namespace s3attn

// Sparse autoencoders on disk: our own in SAELens' layout (cfg.json + sae_weights.safetensors), and
// the import of other people's: SAELens TopK and EleutherAI sparsify (cfg.json + sae.safetensors).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "adapter/adapter.h"
#include "s3attn/result.h"

namespace s3attn {

// What SAELens' cfg.json says beside the shapes.
struct SaeOrigin {
    std::string model_name;
    uint32_t layer = 0, kv_head = 0;
};

// The two files of an SAE directory as (name, bytes); weights are rounded to F16.
Result<std::vector<std::pair<std::string, std::string>>> serialize_sae(
    const SparseAutoencoder& sae, const SaeOrigin& origin, const std::string& directory);

// Reads either layout, told apart by the file names. kUnsupported for architectures other than
// TopK, for input normalisation, transcoders and skip connections.
Result<SparseAutoencoder> read_sae(const std::string& directory);

// The SAELens layout from the bytes of its two files; the paths are for messages.
struct NamedBytes {
    std::string path, bytes;
};
Result<SparseAutoencoder> parse_saelens(const NamedBytes& config, NamedBytes weights);

// Sizes agree and every value is finite; `name` is for the message.
Status validate_sae(const SparseAutoencoder& sae, const std::string& name);

}  // namespace s3attn

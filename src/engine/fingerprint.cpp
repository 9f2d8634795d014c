#include "engine/fingerprint.h"

#include "s3attn/reason.h"

namespace s3attn {

Fingerprint make_fingerprint(const ModelInfo& model, const Adapter& adapter,
                             uint32_t chunk_tokens) {
    Fingerprint fingerprint;
    fingerprint.fields = {
        {"chunk_tokens", std::to_string(chunk_tokens)},
        {"k", std::to_string(adapter.k)},
        {"key_side_hash", adapter.key_side_hash},
        {"latents", std::to_string(adapter.latents)},
        {"model_hash", model.file_hash},
        {"rope", "before"},
        {"tokenizer_hash", model.tokenizer_hash},
    };
    return fingerprint;
}

Status check_searchable(const Fingerprint& store, const Fingerprint& engine,
                        const std::string& directory) {
    for (const auto& [field, wanted] : engine.fields) {
        if (field == "chunk_tokens") continue;
        const auto found = store.fields.find(field);
        const std::string have = found == store.fields.end() ? "(absent)" : found->second;
        if (have == wanted) continue;
        const char* advice = field == "key_side_hash" ? "use the adapter that it was made with"
                                                      : "use the model that it was made with";
        return make_error(ErrorCode::kMismatch, reason::kStoreMismatch, field,
                          "store '" + directory + "' was made with another " + field + " (" + have +
                              ", this run has " + wanted + "): " + advice +
                              ", or index the documents again into a new store");
    }
    return {};
}

}  // namespace s3attn

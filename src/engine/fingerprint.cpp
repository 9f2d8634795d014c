#include "engine/fingerprint.h"

#include "s3attn/reason.h"

namespace s3attn {
namespace {

std::string field_of(const Fingerprint& fingerprint, const std::string& field) {
    const auto found = fingerprint.fields.find(field);
    return found == fingerprint.fields.end() ? std::string() : found->second;
}

}  // namespace

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
    if (!model.identity.empty()) fingerprint.fields[kModelIdentityField] = model.identity;
    return fingerprint;
}

bool is_other_quantisation(const Fingerprint& store, const Fingerprint& engine,
                           const Adapter& adapter) {
    const std::string identity = field_of(engine, kModelIdentityField);
    if (identity.empty() || field_of(store, "model_hash") == field_of(engine, "model_hash")) {
        return false;
    }
    // Stores of older programs tell the file alone; the adapter knows which model that was.
    const std::string of_store = field_of(store, "model_hash") == adapter.model_hash
                                     ? adapter.model_identity
                                     : field_of(store, kModelIdentityField);
    return of_store == identity;
}

Status check_searchable(const Fingerprint& store, const Fingerprint& engine,
                        const Adapter& adapter, const std::string& directory) {
    const bool same_model = is_other_quantisation(store, engine, adapter);
    for (const std::string& field : binding_fields(store, engine)) {
        if (field == "chunk_tokens") continue;
        if (same_model && (field == "model_hash" || field == "tokenizer_hash")) continue;
        const std::string have = field_of(store, field), wanted = field_of(engine, field);
        if (have == wanted) continue;
        const char* advice = field == "key_side_hash" ? "use the adapter that it was made with"
                                                      : "use the model that it was made with";
        return make_error(ErrorCode::kMismatch, reason::kStoreMismatch, field,
                          "store '" + directory + "' was made with another " + field + " (" +
                              (have.empty() ? "(absent)" : have) + ", this run has " + wanted +
                              "): " + advice +
                              ", or index the documents again into a new store");
    }
    return {};
}

}  // namespace s3attn

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

Status check_adapter(const ModelInfo& model, const Adapter& adapter) {
    struct Field {
        const char* name;
        std::string adapter_value, model_value;
    };
    const Field fields[] = {
        {"architecture", adapter.architecture, model.architecture},
        {"n_layer", std::to_string(adapter.n_layer), std::to_string(model.n_layer)},
        {"n_head", std::to_string(adapter.n_head), std::to_string(model.n_head)},
        {"n_head_kv", std::to_string(adapter.n_head_kv), std::to_string(model.n_head_kv)},
        {"d_head", std::to_string(adapter.d_head), std::to_string(model.d_head)},
        {"tokenizer_hash", adapter.tokenizer_hash, model.tokenizer_hash},
        {"model_hash", adapter.model_hash, model.file_hash},
    };
    for (const Field& field : fields) {
        if (field.adapter_value == field.model_value) continue;
        return make_error(ErrorCode::kMismatch, reason::kAdapterMismatch, field.name,
                          "adapter '" + adapter.name + "' was made for model '" +
                              adapter.model_name + "' and does not fit '" + model.name +
                              "': " + field.name + " is " + field.adapter_value + " there and " +
                              field.model_value + " here");
    }
    return {};
}

}  // namespace s3attn

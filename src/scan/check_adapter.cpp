#include "s3attn/reason.h"
#include "scan/open_scan.h"

namespace s3attn {

bool is_same_model(const ModelInfo& model, const Adapter& adapter) {
    return adapter.model_hash == model.file_hash ||
           (!adapter.model_identity.empty() && adapter.model_identity == model.identity);
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
    const bool same = is_same_model(model, adapter);
    for (const Field& field : fields) {
        if (field.adapter_value == field.model_value) continue;
        // An identity covers the tokenizer, as far as it decides which token a text becomes.
        const std::string_view name = field.name;
        if (same && (name == "tokenizer_hash" || name == "model_hash")) continue;
        const bool number = name.starts_with("n_") || name == "d_head" || name == "architecture";
        return make_error(
            ErrorCode::kMismatch, reason::kAdapterMismatch, field.name,
            "adapter '" + adapter.name + "' was made for model '" + adapter.model_name +
                "' and does not fit '" + model.name + "': " +
                (number ? std::string(field.name) + " is " + field.adapter_value + " there and " +
                              field.model_value + " here"
                        : "another model (" + std::string(field.name) + " differs" +
                              (adapter.model_identity.empty()
                                   ? "; this adapter, of an older program, fits one file only)"
                                   : ")")));
    }
    return {};
}

}  // namespace s3attn

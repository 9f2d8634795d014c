#include "s3attn/reason.h"
#include "scan/open_scan.h"

namespace s3attn {

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

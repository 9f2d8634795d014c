#include "model/graph_nodes.h"

#include <ggml-backend.h>

#include <charconv>

namespace s3attn {
namespace {

constexpr int kMostNodes = 24;  // between a node and its weights; real graphs need 9

bool passes_through(ggml_op op, Between between) {
    switch (op) {
        case GGML_OP_RESHAPE:
        case GGML_OP_VIEW:
        case GGML_OP_CONT:
        case GGML_OP_MUL:
        case GGML_OP_ADD:
        case GGML_OP_SCALE:
        case GGML_OP_CLAMP:
        case GGML_OP_NORM:
        case GGML_OP_RMS_NORM:
        case GGML_OP_L2_NORM: return true;
        case GGML_OP_PERMUTE:
        case GGML_OP_ROPE: return between == Between::kRopeToo;
        default: return false;
    }
}

}  // namespace

std::optional<LayerWeight> layer_weight(std::string_view name) {
    const size_t at = name.find("blk.");
    if (at == std::string_view::npos) return std::nullopt;
    name.remove_prefix(at + 4);
    LayerWeight weight;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), weight.layer);
    if (error != std::errc()) return std::nullopt;
    name.remove_prefix(static_cast<size_t>(end - name.data()));
    if (!name.starts_with('.')) return std::nullopt;
    weight.part = name.substr(1);
    return weight;
}

const ggml_tensor* weights_behind(const ggml_tensor* tensor, Between between) {
    for (int i = 0; i < kMostNodes && tensor != nullptr; ++i) {
        if (tensor->op == GGML_OP_MUL_MAT && tensor->src[0] != nullptr) return tensor->src[0];
        if (!passes_through(tensor->op, between)) return nullptr;
        tensor = tensor->src[0];
    }
    return nullptr;
}

bool is_on_host(const ggml_tensor* tensor) {
    const ggml_backend_buffer_t buffer =
        tensor->view_src != nullptr ? tensor->view_src->buffer : tensor->buffer;
    return buffer == nullptr || ggml_backend_buffer_is_host(buffer);
}

const char* host_bytes(const ggml_tensor* tensor, size_t offset, std::vector<char>& copy) {
    if (is_on_host(tensor)) return static_cast<const char*>(tensor->data) + offset;
    copy.resize(ggml_nbytes(tensor) - offset);
    ggml_backend_tensor_get(tensor, copy.data(), offset, copy.size());
    return copy.data();
}

}  // namespace s3attn

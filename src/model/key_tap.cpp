#include "model/key_tap.h"

#include <ggml-backend.h>

#include <charconv>
#include <cstring>
#include <exception>
#include <optional>
#include <string_view>

namespace s3attn {
namespace {

constexpr int kMaxWalk = 16;  // nodes between a ROPE and its weights; real graphs need 5

struct Source {
    uint32_t layer;
    Projection projection;
};

// "blk.7.attn_k.weight" -> {7, key}. A fused weight holds both; then the node's own name tells.
// Copies on another backend are called "CUDA0#blk.7.attn_k.weight#0".
std::optional<Source> parse_weight(std::string_view weight, std::string_view node_name) {
    const size_t at = weight.find("blk.");
    if (at == std::string_view::npos) return std::nullopt;
    weight.remove_prefix(at + 4);
    uint32_t layer = 0;
    const auto [end, error] = std::from_chars(weight.data(), weight.data() + weight.size(), layer);
    if (error != std::errc()) return std::nullopt;
    weight.remove_prefix(static_cast<size_t>(end - weight.data()));
    if (weight.starts_with(".attn_k.")) return Source{layer, Projection::kKey};
    if (weight.starts_with(".attn_q.")) return Source{layer, Projection::kQuery};
    if (weight.starts_with(".attn_qkv.") && !node_name.empty()) {
        const char first = node_name.front();
        if (first == 'K' || first == 'k') return Source{layer, Projection::kKey};
        if (first == 'Q' || first == 'q') return Source{layer, Projection::kQuery};
    }
    return std::nullopt;
}

bool passes_through(ggml_op op) {
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
        default: return false;
    }
}

// Down from a tensor to the matrix product it was made from; nothing when RoPE, or anything
// else that is not per-row arithmetic, lies between.
std::optional<Source> source_of(const ggml_tensor* tensor) {
    const std::string_view name = tensor->name;
    for (int i = 0; i < kMaxWalk && tensor != nullptr; ++i) {
        if (tensor->op == GGML_OP_MUL_MAT && tensor->src[0] != nullptr) {
            return parse_weight(tensor->src[0]->name, name);
        }
        if (!passes_through(tensor->op)) return std::nullopt;
        tensor = tensor->src[0];
    }
    return std::nullopt;
}

}  // namespace

bool KeyTap::on_node(ggml_tensor* node, bool ask, void* self) noexcept {
    auto* tap = static_cast<KeyTap*>(self);
    if (tap->mode_ == Mode::kCapture) {
        // After the last layer each further backend split runs one node and breaks off; answering
        // "not wanted" would let it run to its end.
        if (tap->done_) return ask;
        return ask ? tap->is_wanted(node) : tap->deliver(node);
    }
    if (tap->mode_ == Mode::kPlan && ask) {
        try {
            tap->plan_node(node);
        } catch (...) {
            tap->error_ = make_error(ErrorCode::kInternal, "out of memory in the plan pass");
        }
    }
    return !ask;
}

void KeyTap::start_plan(uint32_t rows) {
    mode_ = Mode::kPlan;
    plan_rows_ = rows;
    picks_.clear();
    seen_.clear();
}

void KeyTap::finish_plan() {
    mode_ = Mode::kOff;
    std::erase_if(picks_, [this](const auto& entry) {
        const Pick& pick = entry.second;
        const auto seen = seen_.find({pick.name, static_cast<int>(pick.op)});
        return seen == seen_.end() || seen->second != 1;
    });
    seen_.clear();
}

void KeyTap::plan_node(const ggml_tensor* node) {
    ++seen_[{node->name, static_cast<int>(node->op)}];
    if (node->op == GGML_OP_ROPE) {
        consider(node->src[0], true);
    } else {
        consider(node, false);
    }
}

void KeyTap::consider(const ggml_tensor* tensor, bool from_rope) {
    if (tensor == nullptr || tensor->type != GGML_TYPE_F32 || tensor->nb[0] != sizeof(float) ||
        tensor->ne[2] != static_cast<int64_t>(plan_rows_) || tensor->ne[3] != 1) {
        return;
    }
    if (std::strstr(tensor->name, " (") != nullptr) return;  // a derived view, not unique
    const auto source = source_of(tensor);
    if (!source) return;
    Pick& pick = picks_[{source->layer, source->projection}];
    if (pick.from_rope) return;  // whatever follows RoPE is not ours
    pick = {tensor->name, tensor->op, static_cast<uint32_t>(tensor->ne[0]),
            static_cast<uint32_t>(tensor->ne[1]), from_rope};
}

const KeyTap::Pick* KeyTap::pick(uint32_t layer, Projection projection) const {
    const auto found = picks_.find({layer, projection});
    return found == picks_.end() ? nullptr : &found->second;
}

void KeyTap::start_capture(const Request& request) {
    mode_ = Mode::kCapture;
    request_ = request;
    next_ = 0;
    done_ = false;
    error_ = {};
}

Status KeyTap::finish_capture() {
    mode_ = Mode::kOff;
    Status status = std::move(error_);
    error_ = {};
    if (!status.ok()) return status;
    if (next_ != request_.layers.size()) {
        return make_error(ErrorCode::kInternal,
                          "layer " + std::to_string(request_.layers[next_]) +
                              " was not computed as the plan pass saw it; this llama.cpp builds "
                              "its graph in a way this program does not know");
    }
    return {};
}

bool KeyTap::is_wanted(const ggml_tensor* node) const {
    // Layers come in ascending order, so only one tensor can be next.
    if (next_ == request_.layers.size()) return false;
    const Pick& wanted = picks_.at({request_.layers[next_], request_.projection});
    return node->op == wanted.op && wanted.name == node->name;
}

bool KeyTap::deliver(const ggml_tensor* node) {
    try {
        error_ = deliver_rows(node);
    } catch (const std::exception& e) {
        error_ = make_error(ErrorCode::kInternal, std::string("while taking keys: ") + e.what());
    } catch (...) {
        error_ = make_error(ErrorCode::kInternal, "unknown exception while taking keys");
    }
    ++next_;
    done_ = !error_.ok() || (next_ == request_.layers.size() && request_.stop_early);
    return !done_;
}

Status KeyTap::deliver_rows(const ggml_tensor* node) {
    const uint32_t layer = request_.layers[next_];
    const Pick& pick = picks_.at({layer, request_.projection});
    if (node->type != GGML_TYPE_F32 || node->nb[0] != sizeof(float) || node->ne[0] != pick.d_head ||
        node->ne[1] != pick.n_heads || node->ne[2] != request_.rows || node->ne[3] != 1) {
        return make_error(ErrorCode::kInternal,
                          "layer " + std::to_string(layer) + ": tensor " + pick.name + " has " +
                              std::to_string(node->ne[2]) + " rows where " +
                              std::to_string(request_.rows) + " were decoded");
    }
    const float* data = static_cast<const float*>(node->data);
    const ggml_backend_buffer_t buffer = node->view_src ? node->view_src->buffer : node->buffer;
    const bool on_host = buffer == nullptr || ggml_backend_buffer_is_host(buffer);
    if (request_.on_device && on_host) {
        return make_error(ErrorCode::kInternal,
                          "layer " + std::to_string(layer) + " was not computed on the device");
    }
    if (!on_host && !request_.on_device) {
        host_.resize((ggml_nbytes(node) + sizeof(float) - 1) / sizeof(float));
        ggml_backend_tensor_get(node, host_.data(), 0, ggml_nbytes(node));
        data = host_.data();
    }
    ProjectionView view;
    view.layer = layer;
    view.projection = request_.projection;
    // The scheduler waited for the device before it handed the tensor over: no stream to follow.
    view.on_device = request_.on_device;
    view.n_sequences = request_.sequences;
    view.n_tokens = request_.rows / request_.sequences - request_.skip_rows;
    view.n_heads = pick.n_heads;
    view.d_head = pick.d_head;
    view.token_stride = node->nb[2] / sizeof(float);  // wider than a row where QKV is fused
    view.head_stride = node->nb[1] / sizeof(float);
    view.sequence_stride = request_.rows / request_.sequences * view.token_stride;
    view.data = data + request_.skip_rows * view.token_stride;
    return (*request_.sink)(view);
}

}  // namespace s3attn

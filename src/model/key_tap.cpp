#include "model/key_tap.h"

#include <cstring>
#include <optional>

#include "base/guarded.h"
#include "model/graph_nodes.h"

namespace s3attn {
namespace {

struct Source {
    uint32_t layer;
    Projection projection;
};

// Of which weights a tensor was made, with nothing but per-row arithmetic between. Fused ones hold
// both projections; then the tensor's own name tells.
std::optional<Source> source_of(const ggml_tensor* tensor) {
    const ggml_tensor* weights = weights_behind(tensor, Between::kArithmetic);
    const auto weight = weights == nullptr ? std::nullopt : layer_weight(weights->name);
    if (!weight) return std::nullopt;
    if (weight->part.starts_with("attn_k.")) return Source{weight->layer, Projection::kKey};
    if (weight->part.starts_with("attn_q.")) return Source{weight->layer, Projection::kQuery};
    if (!weight->part.starts_with("attn_qkv.")) return std::nullopt;
    const char first = tensor->name[0];
    if (first == 'K' || first == 'k') return Source{weight->layer, Projection::kKey};
    if (first == 'Q' || first == 'q') return Source{weight->layer, Projection::kQuery};
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
        const Status planned = guarded([&]() -> Status {
            tap->plan_node(node);
            return {};
        });
        if (!planned.ok()) tap->error_ = planned;
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
    error_ = guarded([&] { return deliver_rows(node); });
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
    if (request_.on_device && is_on_host(node)) {
        return make_error(ErrorCode::kInternal,
                          "layer " + std::to_string(layer) + " was not computed on the device");
    }
    const void* bytes = request_.on_device ? node->data : host_bytes(node, 0, host_);
    const auto* data = static_cast<const float*>(bytes);
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

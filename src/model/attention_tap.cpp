#include "model/attention_tap.h"

#include <cmath>
#include <cstring>
#include <optional>

#include "base/guarded.h"
#include "model/graph_nodes.h"

namespace s3attn {
namespace {

// Nothing where the node's queries come from elsewhere.
std::optional<uint32_t> attention_layer(const ggml_tensor* attention) {
    const ggml_tensor* weights = weights_behind(attention->src[0], Between::kRopeToo);
    const auto weight = weights == nullptr ? std::nullopt : layer_weight(weights->name);
    if (!weight) return std::nullopt;
    if (!weight->part.starts_with("attn_q.") && !weight->part.starts_with("attn_qkv.")) {
        return std::nullopt;
    }
    return weight->layer;
}

// Rows [first, first + n) of `heads` heads of `d` values: out[row][head][d].
bool take_rows(const ggml_tensor* tensor, size_t first, size_t n, std::vector<char>& copy,
               std::vector<float>& out) {
    const auto d = static_cast<size_t>(tensor->ne[0]), heads = static_cast<size_t>(tensor->ne[2]);
    const char* bytes = host_bytes(tensor, first * tensor->nb[1], copy);
    out.resize(n * heads * d);
    for (size_t row = 0; row < n; ++row) {
        for (size_t h = 0; h < heads; ++h) {
            const char* from = bytes + row * tensor->nb[1] + h * tensor->nb[2];
            float* to = out.data() + (row * heads + h) * d;
            if (tensor->type == GGML_TYPE_F32) {
                std::memcpy(to, from, d * sizeof(float));
            } else if (tensor->type == GGML_TYPE_F16) {
                ggml_fp16_to_fp32_row(reinterpret_cast<const ggml_fp16_t*>(from), to,
                                      static_cast<int64_t>(d));
            } else {
                return false;
            }
        }
    }
    return true;
}

Error unknown_form(uint32_t layer, const std::string& why) {
    return make_error(ErrorCode::kUnsupported, "the attention of layer " + std::to_string(layer) +
                                                   " " + why +
                                                   ": its context heads cannot be read");
}

}  // namespace

bool AttentionTap::on_node(ggml_tensor* node, bool ask, void* self) noexcept {
    auto* tap = static_cast<AttentionTap*>(self);
    if (!tap->active_) return !ask;
    // As in KeyTap: each further split of the graph runs one node and breaks off.
    if (tap->done_) return ask;
    return ask ? tap->is_wanted(node) : tap->deliver(node);
}

void AttentionTap::start(const Request& request) {
    request_ = request;
    active_ = true;
    done_ = false;
    next_ = 0;
    error_ = {};
}

Status AttentionTap::finish(const std::string& who) {
    active_ = false;
    Status status = std::move(error_);
    error_ = {};
    if (!status.ok()) {
        return make_error(status.error().code, who + ": " + status.error().message);
    }
    if (next_ < request_.layers.size() || !done_) {
        const uint32_t layer =
            next_ < request_.layers.size() ? request_.layers[next_] : request_.stop_layer;
        return make_error(
            ErrorCode::kUnsupported,
            "layer " + std::to_string(layer) + " of " + who +
                " has no attention of per-head keys that can be read in context "
                "(recurrent or latent attention, or one that llama.cpp does not fuse)");
    }
    return {};
}

bool AttentionTap::is_wanted(const ggml_tensor* node) const {
    if (node->op != GGML_OP_FLASH_ATTN_EXT) return false;
    const auto layer = attention_layer(node);
    if (!layer) return false;
    return *layer >= request_.stop_layer ||
           (next_ < request_.layers.size() && *layer == request_.layers[next_]);
}

bool AttentionTap::deliver(const ggml_tensor* node) {
    const auto layer = attention_layer(node);
    if (!layer) return true;
    if (next_ < request_.layers.size() && *layer == request_.layers[next_]) {
        error_ = guarded([&] { return deliver_layer(node, *layer); });
        ++next_;
    }
    done_ = !error_.ok() || *layer >= request_.stop_layer;
    return !done_;
}

Status AttentionTap::deliver_layer(const ggml_tensor* node, uint32_t layer) {
    const ggml_tensor *q = node->src[0], *k = node->src[1], *mask = node->src[3],
                      *sinks = node->src[4];
    float parameters[3];  // scale, ALiBi's largest slope, soft cap
    std::memcpy(parameters, node->op_params, sizeof parameters);
    if (parameters[1] > 0) return unknown_form(layer, "weighs positions (ALiBi)");
    if (mask == nullptr || mask->type != GGML_TYPE_F16) return unknown_form(layer, "has no mask");
    if (q->ne[0] != request_.d_head || q->ne[1] != request_.batch_rows ||
        q->ne[2] != request_.n_head || q->ne[3] != 1 || k->ne[0] != request_.d_head ||
        k->ne[2] != request_.n_head_kv || k->ne[1] < request_.columns || k->ne[3] != 1 ||
        mask->ne[0] < request_.columns || mask->ne[1] < request_.batch_rows || mask->ne[2] != 1) {
        return unknown_form(
            layer, "has " + std::to_string(q->ne[2]) + " heads of " + std::to_string(q->ne[0]) +
                       " over " + std::to_string(k->ne[2]) + " KV heads and " +
                       std::to_string(k->ne[1]) + " cells, which is not what the model states");
    }
    const size_t first = request_.batch_rows - request_.rows;
    if (!take_rows(q, first, request_.rows, bytes_, queries_) ||
        !take_rows(k, 0, request_.columns, bytes_, keys_)) {
        return unknown_form(layer, "keeps its keys in a format that is not known here");
    }
    // The cells of a context that began empty are its tokens in order; the mask must say the same.
    const char* rows = host_bytes(mask, first * mask->nb[1], bytes_);
    mask_.resize(size_t{request_.rows} * request_.columns);
    for (uint32_t r = 0; r < request_.rows; ++r) {
        float* to = mask_.data() + size_t{r} * request_.columns;
        ggml_fp16_to_fp32_row(reinterpret_cast<const ggml_fp16_t*>(rows + r * mask->nb[1]), to,
                              request_.columns);
        const uint32_t own = request_.columns - request_.rows + r;
        if (to[own] != 0 || (own + 1 < request_.columns && std::isfinite(to[own + 1]))) {
            return unknown_form(layer, "does not look from each token at those before it");
        }
    }
    if (sinks != nullptr) {
        const char* logits = host_bytes(sinks, 0, bytes_);
        sinks_.resize(request_.n_head);
        std::memcpy(sinks_.data(), logits, sinks_.size() * sizeof(float));
    }
    ContextLayer view;
    view.layer = layer;
    view.n_columns = request_.columns;
    view.skip = request_.skip;
    view.n_rows = request_.rows;
    view.n_head = request_.n_head;
    view.n_head_kv = request_.n_head_kv;
    view.d_head = request_.d_head;
    view.queries = queries_.data();
    view.keys = keys_.data();
    view.mask = mask_.data();
    view.sinks = sinks != nullptr ? sinks_.data() : nullptr;
    view.scale = parameters[0];
    view.softcap = parameters[2];
    return (*request_.sink)(view);
}

}  // namespace s3attn

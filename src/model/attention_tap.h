// Watches the attention nodes of a llama.cpp graph while it is computed, hands out what each wanted
// layer's attention reads, and stops the network behind the deepest one.
//
// The node itself holds all that its formula needs: queries and keys in their final form, the mask
// (causal, sliding windows included) and the scale; so nothing here depends on what an architecture
// does in front of it. Its layer is told by the weights that its queries come from.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/context_attention.h"

namespace s3attn {

class AttentionTap {
  public:
    struct Request {
        uint32_t stop_layer = 0;           // the network ends behind this layer's attention
        std::span<const uint32_t> layers;  // ascending, to be delivered; empty: only stop
        uint32_t columns = 0;              // of the context once this batch is computed
        uint32_t batch_rows = 0;           // tokens of this batch, its last ones the context's last
        uint32_t rows = 0;                 // how many of these are delivered
        uint32_t skip = 0;
        uint32_t n_head = 0, n_head_kv = 0, d_head = 0;
        const ContextSink* sink = nullptr;
    };

    // For llama_context_params::cb_eval, with the AttentionTap as user data.
    static bool on_node(ggml_tensor* node, bool ask, void* self) noexcept;

    // Around one decode. finish() tells whether each layer came; `who` names the model in errors.
    void start(const Request& request);
    Status finish(const std::string& who);

  private:
    bool is_wanted(const ggml_tensor* node) const;
    bool deliver(const ggml_tensor* node);
    Status deliver_layer(const ggml_tensor* node, uint32_t layer);

    bool active_ = false, done_ = false;
    Request request_;
    size_t next_ = 0;
    Status error_;
    std::vector<char> bytes_;
    std::vector<float> queries_, keys_, mask_, sinks_;
};

}  // namespace s3attn

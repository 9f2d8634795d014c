// Watches a llama.cpp graph while it is computed: learns where each layer's keys and queries
// stand before RoPE, hands them out, and stops the network above the deepest wanted layer.
//
// A plan pass (one tiny decode during which every node is only looked at) learns for each layer
// the exact (name, op) of the tensor: it is the input of the layer's ROPE node, or, in a layer
// without RoPE, the last per-head tensor made from the key or query weights. Names alone would
// mislead: "Kcur-1 (view)" is post-RoPE, and phi3 uses "Qcur" again after it.
#pragma once

#include <ggml.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/language_model.h"
#include "s3attn/result.h"

namespace s3attn {

class KeyTap {
  public:
    struct Pick {
        std::string name;
        ggml_op op = GGML_OP_NONE;
        uint32_t d_head = 0;
        uint32_t n_heads = 0;
        bool from_rope = false;  // the input of a ROPE node, the surest sign
    };
    struct Request {
        std::span<const uint32_t> layers;  // ascending; each has a pick
        Projection projection = Projection::kKey;
        uint32_t rows = 0;       // of the graph, BOS included
        uint32_t skip_rows = 0;  // in front of each sequence, not delivered
        uint32_t sequences = 1;  // of equal length
        bool on_device = false;  // deliver where the tensor lies, which must be a CUDA device
        bool stop_early = true;
        const ProjectionSink* sink = nullptr;
    };

    // For llama_context_params::cb_eval, with the KeyTap as user data.
    static bool on_node(ggml_tensor* node, bool ask, void* self) noexcept;

    // Around one decode of `rows` tokens.
    void start_plan(uint32_t rows);
    void finish_plan();
    // nullptr: the layer has no such tensor, or more than one fits.
    const Pick* pick(uint32_t layer, Projection projection) const;

    // Around one decode; finish_capture() tells whether every layer came exactly once.
    void start_capture(const Request& request);
    Status finish_capture();

  private:
    enum class Mode { kOff, kPlan, kCapture };
    using Key = std::pair<uint32_t, Projection>;

    void plan_node(const ggml_tensor* node);
    void consider(const ggml_tensor* tensor, bool from_rope);
    bool is_wanted(const ggml_tensor* node) const;
    bool deliver(const ggml_tensor* node);
    Status deliver_rows(const ggml_tensor* node);

    Mode mode_ = Mode::kOff;
    std::map<Key, Pick> picks_;
    std::map<std::pair<std::string, int>, uint32_t> seen_;  // (name, op) -> nodes of the plan pass
    uint32_t plan_rows_ = 0;

    Request request_;
    size_t next_ = 0;  // index of the layer that comes next
    bool done_ = false;
    Status error_;
    std::vector<char> host_;  // rows of a tensor that lives on a device
};

}  // namespace s3attn

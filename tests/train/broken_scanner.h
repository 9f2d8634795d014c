// A fake model of which only some heads retrieve.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "model/fake_model.h"

namespace s3attn {

// Passes the inner model's rows through `change(layer, projection, head, row)`.
class ChangedScanner final : public Scanner {
  public:
    using Change = std::function<void(uint32_t layer, Projection projection, uint32_t head,
                                      std::span<float> row)>;
    ChangedScanner(const FakeOptions& options, Change change)
        : inner_(make_fake_scanner(options)), change_(std::move(change)) {}
    const ModelInfo& info() const override { return inner_->info(); }
    const Tokenizer& tokenizer() const override { return inner_->tokenizer(); }
    uint32_t chunk_tokens() const override { return inner_->chunk_tokens(); }
    Status capture(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                   Projection projection, const ProjectionSink& sink,
                   const CancelToken* cancel) override {
        const auto changed_sink = [&](const ProjectionView& view) {
            std::vector<float> rows;
            for (uint32_t t = 0; t < view.n_tokens; ++t) {
                for (uint32_t h = 0; h < view.n_heads; ++h) {
                    const float* row = view.data + t * view.token_stride + h * view.head_stride;
                    rows.insert(rows.end(), row, row + view.d_head);
                    change_(view.layer, projection, h, std::span(rows).last(view.d_head));
                }
            }
            ProjectionView changed = view;
            changed.data = rows.data();
            changed.head_stride = view.d_head;
            changed.token_stride = static_cast<size_t>(view.n_heads) * view.d_head;
            return sink(changed);
        };
        return inner_->capture(tokens, layers, projection, changed_sink, cancel);
    }

  private:
    std::unique_ptr<Scanner> inner_;
    Change change_;
};

}  // namespace s3attn

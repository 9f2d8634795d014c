#include <limits>
#include <vector>

#include "model/fake_model.h"

namespace s3attn {
namespace {

class FakeContextModel final : public ContextModel {
  public:
    explicit FakeContextModel(const FakeOptions& options)
        : limit_(options.context_tokens), scanner_(make_fake_scanner(as_scanner(options))) {}

    const ModelInfo& info() const override { return scanner_->info(); }
    const Tokenizer& tokenizer() const override { return scanner_->tokenizer(); }
    uint32_t context_tokens() const override { return limit_; }
    uint32_t row_tokens() const override { return limit_; }
    std::string device_name() const override { return "CPU"; }
    double operations_per_token(uint32_t layer) const override { return 1e6 * (layer + 1.0); }

    Status attend(std::span<const int32_t> tokens, uint32_t first_row,
                  std::span<const uint32_t> layers, const CancelToken* cancel,
                  const ContextSink& sink) override {
        if (cancel != nullptr && cancel->cancelled()) {
            return make_error(ErrorCode::kCancelled, "interrupted");
        }
        if (first_row >= tokens.size()) {
            return make_error(ErrorCode::kInvalidArgument, "a context without rows");
        }
        const auto n = static_cast<uint32_t>(tokens.size());
        std::vector<float> mask(size_t{n - first_row} * n);
        for (uint32_t r = 0; r < n - first_row; ++r) {
            for (uint32_t c = first_row + r + 1; c < n; ++c) {
                mask[size_t{r} * n + c] = -std::numeric_limits<float>::infinity();
            }
        }
        for (const uint32_t layer : layers) {
            std::vector<float> keys, queries;
            S3ATTN_CHECK(rows_of(tokens, layer, Projection::kKey, keys));
            S3ATTN_CHECK(rows_of(tokens, layer, Projection::kQuery, queries));
            ContextLayer view;
            view.layer = layer;
            view.n_columns = n;
            view.n_rows = n - first_row;
            view.n_head = info().n_head;
            view.n_head_kv = info().n_head_kv;
            view.d_head = info().d_head;
            view.queries = queries.data() + size_t{first_row} * info().n_head * info().d_head;
            view.keys = keys.data();
            view.mask = mask.data();
            view.scale = 4;
            S3ATTN_CHECK(sink(view));
        }
        return {};
    }

  private:
    static FakeOptions as_scanner(FakeOptions options) {
        options.chunk_tokens = options.context_tokens;
        return options;
    }
    Status rows_of(std::span<const int32_t> tokens, uint32_t layer, Projection projection,
                   std::vector<float>& out) {
        return scanner_->capture(
            tokens, {&layer, 1}, projection, [&out](const ProjectionView& view) -> Status {
                out.assign(view.data, view.data + view.n_tokens * view.token_stride);
                return {};
            });
    }

    uint32_t limit_;
    std::unique_ptr<Scanner> scanner_;
};

}  // namespace

std::unique_ptr<ContextModel> make_fake_context_model(const FakeOptions& options) {
    return std::make_unique<FakeContextModel>(options);
}

}  // namespace s3attn

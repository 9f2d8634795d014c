#include "adapter/key_selector.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "adapter/key_codes.h"
#include "adapter/screen_kernel.h"
#include "adapter/topk_kernel.h"

namespace s3attn {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

uint32_t round_up(uint32_t n, uint32_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

// ---- F32: one fused pass (topk_kernel.h)

class FusedSelector : public KeySelector {
  public:
    FusedSelector(const SparseAutoencoder& sae, TopkKernel kernel)
        : kernel_(kernel), d_(sae.d_in), k_(sae.k) {
        const uint32_t padded = round_up(sae.latents, kTileLatents);
        groups_ = padded / kTileLatents;
        auto* weights = weights_.as<float>(size_t{padded} * d_);
        auto* bias = bias_.as<float>(padded);
        for (uint32_t f = 0; f < padded; ++f) {
            const bool real = f < sae.latents;
            bias[f] = real ? sae.b_enc[f] : -kInfinity;
            const size_t group = f / kTileLatents, lane = f % kTileLatents;
            for (uint32_t i = 0; real && i < d_; ++i) {
                weights[(group * d_ + i) * kTileLatents + lane] =
                    sae.w_enc[size_t{i} * sae.latents + f];
            }
        }
    }

    void select(const float* x, uint32_t n_rows, Scratch& s) const override {
        const uint32_t padded = round_up(n_rows, kTileRows);
        auto* rows = s.rows.as<float>(size_t{padded} * d_);
        std::fill_n(rows, size_t{padded} * d_, 0.0f);
        // Rows to skip, and those that fill up the last tile, get a threshold nothing exceeds.
        s.threshold.assign(padded, kInfinity);
        s.keys.assign(size_t{padded} * k_, 0);
        for (uint32_t r = 0; r < n_rows; ++r) {
            const float* row = x + size_t{r} * d_;
            if (std::isnan(row[0])) continue;
            s.threshold[r] = 0;
            float* tile = rows + size_t{r / kTileRows} * d_ * kTileRows + r % kTileRows;
            for (uint32_t i = 0; i < d_; ++i) tile[size_t{i} * kTileRows] = row[i];
        }
        TopkArgs args;
        args.weights = weights_.as<float>();
        args.bias = bias_.as<float>();
        args.d = d_;
        args.groups = groups_;
        args.k = k_;
        args.rows = rows;
        args.tiles = padded / kTileRows;
        args.threshold = s.threshold.data();
        args.keys = s.keys.data();
        kernel_(args);
    }

  private:
    TopkKernel kernel_;
    uint32_t d_, k_, groups_;
    AlignedBytes weights_, bias_;
};

// ---- bytes first, F32 for what is left (screen_kernel.h)

#if defined(__x86_64__)

double norm_of(const float* v, uint32_t n) {
    return std::sqrt(sum_of_squares(n, [&](uint32_t i) { return v[i]; }));
}

// v is about scale * code with codes in -127..127; returns the norm of what is lost.
double to_bytes(const float* v, uint32_t n, float& scale, int8_t* codes) {
    float largest = 0;
    for (uint32_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(v[i]));
    scale = largest / 127;
    if (!(scale >= std::numeric_limits<float>::min())) {
        scale = 0;
        std::fill_n(codes, n, int8_t{0});
        return norm_of(v, n);
    }
    // Adding 1.5 * 2^23 leaves no bits for a fraction: rounds to nearest without a library call.
    constexpr float kRound = 12582912.0f;
    const float inverse = 1 / scale;
    for (uint32_t i = 0; i < n; ++i) {
        const float code = (v[i] * inverse + kRound) - kRound;
        codes[i] = static_cast<int8_t>(std::clamp(code, -127.0f, 127.0f));
    }
    return std::sqrt(
        sum_of_squares(n, [&](uint32_t i) { return v[i] - static_cast<float>(codes[i]) * scale; }));
}

class ScreenedSelector : public KeySelector {
  public:
    explicit ScreenedSelector(const SparseAutoencoder& sae)
        : d_(sae.d_in),
          k_(sae.k),
          latents_(round_up(sae.latents, kScreenLatents)),
          steps_(round_up(d_, 4) / 4),
          width_(round_up(d_, 16)) {
        auto* weights = weights_.as<float>(size_t{latents_} * width_);
        auto* bytes = byte_weights_.as<uint8_t>(size_t{latents_} * steps_ * 4);
        auto* scale = scale_.as<float>(latents_);
        auto* bias = bias_.as<float>(latents_);
        std::fill_n(bytes, size_t{latents_} * steps_ * 4, uint8_t{128});
        std::vector<int8_t> codes(d_);
        for (uint32_t f = 0; f < latents_; ++f) {
            bias[f] = f < sae.latents ? sae.b_enc[f] : -kInfinity;
            if (f >= sae.latents) continue;
            largest_bias_ = std::max(largest_bias_, std::abs(double{bias[f]}));
            float* row = weights + size_t{f} * width_;
            for (uint32_t i = 0; i < d_; ++i) row[i] = sae.w_enc[size_t{i} * sae.latents + f];
            largest_loss_ = std::max(largest_loss_, to_bytes(row, d_, scale[f], codes.data()));
            largest_norm_ = std::max(largest_norm_, norm_of(row, d_));
            for (uint32_t i = 0; i < d_; ++i) {
                bytes[((size_t{f} / 16 * steps_ + i / 4) * 16 + f % 16) * 4 + i % 4] =
                    static_cast<uint8_t>(codes[i] + 128);
            }
        }
    }

    void select(const float* x, uint32_t n_rows, Scratch& s) const override {
        const uint32_t padded = round_up(n_rows, kScreenRows);
        auto* rows = s.rows.as<float>(size_t{padded} * width_);
        auto* bytes = s.byte_rows.as<int8_t>(size_t{padded} * steps_ * 4);
        auto* start = s.row_facts.as<int32_t>(size_t{padded} * 3);
        auto* scale = reinterpret_cast<float*>(start + padded);
        float* error = scale + padded;
        std::fill_n(rows, size_t{padded} * width_, 0.0f);
        std::fill_n(bytes, size_t{padded} * steps_ * 4, int8_t{0});
        std::fill_n(start, padded, 0);
        std::fill_n(scale, padded, 0.0f);
        std::fill_n(error, padded, -1.0f);
        s.keys.assign(size_t{padded} * k_, 0);
        for (uint32_t r = 0; r < n_rows; ++r) {
            const float* row = x + size_t{r} * d_;
            if (std::isnan(row[0])) continue;
            std::copy_n(row, d_, rows + size_t{r} * width_);
            int8_t* codes = bytes + size_t{r} * steps_ * 4;
            const double lost = to_bytes(row, d_, scale[r], codes);
            int32_t sum = 0;
            for (uint32_t i = 0; i < d_; ++i) sum += codes[i];
            start[r] = -128 * sum;
            error[r] = error_bound(norm_of(row, d_), lost);
        }
        ScreenArgs args;
        args.byte_weights = byte_weights_.as<uint8_t>();
        args.scale = scale_.as<float>();
        args.bias = bias_.as<float>();
        args.weights = weights_.as<float>();
        args.latents = latents_;
        args.steps = steps_;
        args.width = width_;
        args.k = k_;
        args.n_rows = padded;
        args.rows = rows;
        args.byte_rows = bytes;
        args.start = start;
        args.row_scale = scale;
        args.error = error;
        args.approximate = s.approximate.as<float>(size_t{kScreenRows} * latents_);
        args.keys = s.keys.data();
        screen_vnni(args);
    }

  private:
    // x.w - x'.w' = (x - x').w + x'.(w - w'), each at most the product of the norms; and the
    // rounding of F32 arithmetic, generously.
    float error_bound(double norm, double lost) const {
        const double product = lost * largest_norm_ + (norm + lost) * largest_loss_;
        const double rounding = 1e-5 * (norm * largest_norm_ + largest_bias_);
        return static_cast<float>(product + rounding);
    }

    uint32_t d_, k_, latents_, steps_, width_;
    double largest_norm_ = 0, largest_loss_ = 0, largest_bias_ = 0;
    AlignedBytes weights_, byte_weights_, scale_, bias_;
};

#endif

}  // namespace

void AlignedBytes::Delete::operator()(std::byte* data) const {
    ::operator delete[](data, std::align_val_t{64});
}

std::byte* AlignedBytes::grow(size_t bytes) {
    if (bytes > bytes_) {
        data_.reset(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{64})));
        std::fill_n(data_.get(), bytes, std::byte{0});
        bytes_ = bytes;
    }
    return data_.get();
}

bool simd_available(Simd simd) {
    if (simd == Simd::kBest || simd == Simd::kScalar) return true;
#if defined(__x86_64__)
    if (simd == Simd::kAvx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vnni");
#else
    return false;
#endif
}

std::unique_ptr<KeySelector> make_key_selector(const SparseAutoencoder& sae, Simd simd) {
#if defined(__x86_64__)
    const bool screen = simd == Simd::kBest || simd == Simd::kVnni;
    if (screen && simd_available(Simd::kVnni) && sae.k <= kScreenMaxK) {
        return std::make_unique<ScreenedSelector>(sae);
    }
    if (simd != Simd::kScalar && simd_available(Simd::kAvx2)) {
        return std::make_unique<FusedSelector>(sae, topk_avx2);
    }
#endif
    return std::make_unique<FusedSelector>(sae, topk_scalar);
}

}  // namespace s3attn

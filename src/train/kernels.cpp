#include "train/kernels.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace s3attn {
namespace {

void multiply(const float* x, uint32_t n_rows, const PackedColumns& columns, uint32_t first,
              uint32_t n_panels, const float* bias, float* out) {
    constexpr uint32_t kWidth = PackedColumns::kWidth;
    for (uint32_t p = 0; p < n_panels; ++p) {
        const float* panel = columns.panel(first + p);
        for (uint32_t r = 0; r < n_rows; ++r) {
            float sum[kWidth];
            for (uint32_t c = 0; c < kWidth; ++c) sum[c] = bias ? bias[p * kWidth + c] : 0.0f;
            for (uint32_t i = 0; i < columns.d; ++i) {
                const float value = x[static_cast<size_t>(r) * columns.d + i];
                for (uint32_t c = 0; c < kWidth; ++c) sum[c] += value * panel[i * kWidth + c];
            }
            std::copy_n(sum, kWidth, out + (static_cast<size_t>(r) * n_panels + p) * kWidth);
        }
    }
}

void maxima(const float* x, uint32_t n_rows, const PackedColumns& columns, float* best,
            uint32_t* row) {
    constexpr uint32_t kWidth = PackedColumns::kWidth;
    std::fill_n(best, columns.padded(), -std::numeric_limits<float>::infinity());
    std::fill_n(row, columns.padded(), 0u);
    float sum[kWidth];
    for (uint32_t p = 0; p < columns.panels(); ++p) {
        for (uint32_t r = 0; r < n_rows; ++r) {
            multiply(x + static_cast<size_t>(r) * columns.d, 1, columns, p, 1, nullptr, sum);
            for (uint32_t c = 0; c < kWidth; ++c) {
                if (sum[c] > best[p * kWidth + c]) {
                    best[p * kWidth + c] = sum[c];
                    row[p * kWidth + c] = r;
                }
            }
        }
    }
}

void offer(const float* v, uint32_t n, uint32_t base, TopList& list) {
    for (uint32_t i = 0; i < n; ++i) {
        if (v[i] > list.floor) list.insert(base + i, v[i]);
    }
}

float dot(const float* a, const float* b, uint32_t n) {
    float sum = 0;
    for (uint32_t i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
}

void add_scaled(float s, const float* x, float* y, uint32_t n) {
    for (uint32_t i = 0; i < n; ++i) y[i] += s * x[i];
}

void adam(const float* gradient, size_t n, const AdamStep& step, float* parameter, float* m,
          float* v) {
    for (size_t i = 0; i < n; ++i) {
        m[i] = step.beta1 * m[i] + (1 - step.beta1) * gradient[i];
        v[i] = step.beta2 * v[i] + (1 - step.beta2) * gradient[i] * gradient[i];
        parameter[i] -= step.rate * (m[i] / step.correction1) /
                        (std::sqrt(v[i] / step.correction2) + step.epsilon);
    }
}

float half_to_float(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 31u, mantissa = half & 1023u;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
    if (exponent == 0) {
        const float value = static_cast<float>(mantissa) * 0x1.0p-24f;
        return sign ? -value : value;
    }
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t float_to_half(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    const float magnitude = std::fabs(value);
    if (!(magnitude <= std::numeric_limits<float>::max())) {
        return static_cast<uint16_t>(sign | (std::isnan(value) ? 0x7e00u : 0x7c00u));
    }
    if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x1.0p-14f) {
        return static_cast<uint16_t>(sign |
                                     static_cast<uint16_t>(std::nearbyint(magnitude * 0x1.0p24f)));
    }
    const uint32_t shifted = (bits & 0x7fffffffu) - (112u << 23);
    const uint32_t rounded = shifted + 0xfffu + ((shifted >> 13) & 1u);  // ties to even
    return static_cast<uint16_t>(sign | (rounded >> 13));
}

void to_float(const uint16_t* half, size_t n, float* out) {
    for (size_t i = 0; i < n; ++i) out[i] = half_to_float(half[i]);
}

void to_half(const float* in, size_t n, uint16_t* half) {
    for (size_t i = 0; i < n; ++i) half[i] = float_to_half(in[i]);
}

}  // namespace

void PackedColumns::pack(const float* columns, uint32_t n_columns, uint32_t dim) {
    d = dim;
    n = n_columns;
    data.resize(static_cast<size_t>(padded()) * d);
    for (uint32_t p = 0; p < panels(); ++p) {
        float* out = data.data() + static_cast<size_t>(p) * d * kWidth;
        for (uint32_t c = 0; c < kWidth; ++c) {
            const uint32_t column = p * kWidth + c;
            const float* in = columns + static_cast<size_t>(column) * d;
            for (uint32_t i = 0; i < d; ++i) out[i * kWidth + c] = column < n ? in[i] : 0.0f;
        }
    }
}

const Kernels& portable_kernels() {
    static const Kernels table{"portable", multiply, maxima,   offer,  dot,
                               add_scaled, adam,     to_float, to_half};
    return table;
}

const Kernels& kernels() {
    static const Kernels& chosen = avx2_kernels() ? *avx2_kernels() : portable_kernels();
    return chosen;
}

bool normalise(float* x, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
    if (!(sum > 1e-24) || !std::isfinite(sum)) {
        std::fill_n(x, n, 0.0f);
        return false;
    }
    const float scale = static_cast<float>(1.0 / std::sqrt(sum));
    for (uint32_t i = 0; i < n; ++i) x[i] *= scale;
    return true;
}

}  // namespace s3attn

// The few dense loops that training spends its time in. kernels() picks the AVX2 build of them when
// the processor has it; the portable build is the reference in the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace s3attn {

// Vectors ("columns") to be multiplied with many rows, interleaved in panels of 16 so that one
// panel row is two AVX registers. Missing columns of the last panel are zero.
struct PackedColumns {
    static constexpr uint32_t kWidth = 16;
    uint32_t d = 0, n = 0;
    std::vector<float> data;  // [panels][d][16]

    uint32_t panels() const { return (n + kWidth - 1) / kWidth; }
    uint32_t padded() const { return panels() * kWidth; }
    const float* panel(uint32_t p) const {
        return data.data() + static_cast<size_t>(p) * d * kWidth;
    }
    // columns: n_columns vectors of dimension `dim`, one after the other.
    void pack(const float* columns, uint32_t n_columns, uint32_t dim);
};

// The best k of a stream of values, best first; equal values keep the earlier index.
struct TopList {
    uint32_t* index = nullptr;
    float* value = nullptr;
    uint32_t k = 0, count = 0;
    float floor = 0;  // values must exceed this; rises once the list is full
    void insert(uint32_t i, float v) {
        uint32_t at = count < k ? count++ : k - 1;
        for (; at > 0 && value[at - 1] < v; --at) {
            value[at] = value[at - 1];
            index[at] = index[at - 1];
        }
        value[at] = v;
        index[at] = i;
        if (count == k) floor = value[k - 1];
    }
};

struct AdamStep {
    float rate = 0, beta1 = 0.9f, beta2 = 0.99f, epsilon = 1e-8f;
    float correction1 = 1, correction2 = 1;  // 1 - beta^t
};

struct Kernels {
    const char* name;
    // out[r][c] = x_r . column_c (+ bias_c) for the columns of panels [first, first + n_panels);
    // out has n_panels * 16 floats per row; bias (may be null) is indexed like out's columns.
    void (*multiply)(const float* x, uint32_t n_rows, const PackedColumns& columns, uint32_t first,
                     uint32_t n_panels, const float* bias, float* out);
    // best[c] = max over rows of x_r . column_c, row[c] = the first row that reaches it; both have
    // columns.padded() entries.
    void (*maxima)(const float* x, uint32_t n_rows, const PackedColumns& columns, float* best,
                   uint32_t* row);
    // Offers v[0..n) with indices base, base + 1, ... to the list.
    void (*offer)(const float* v, uint32_t n, uint32_t base, TopList& list);
    float (*dot)(const float* a, const float* b, uint32_t n);
    void (*add_scaled)(float s, const float* x, float* y, uint32_t n);  // y += s x
    void (*adam)(const float* gradient, size_t n, const AdamStep& step, float* parameter, float* m,
                 float* v);
    void (*to_float)(const uint16_t* half, size_t n, float* out);
    void (*to_half)(const float* in, size_t n, uint16_t* half);
};

const Kernels& kernels();
const Kernels& portable_kernels();
const Kernels* avx2_kernels();  // null where the processor or the build has none

// x /= |x|; false (and x zeroed) when |x| is not a positive finite number.
bool normalise(float* x, uint32_t n);

}  // namespace s3attn

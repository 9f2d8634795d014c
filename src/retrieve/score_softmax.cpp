#include "retrieve/score_softmax.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace s3attn {
namespace {

constexpr size_t kUnitsPerChunk = 256;
constexpr size_t kWidth = 8;  // lanes at a time

#define S3ATTN_INLINE inline __attribute__((always_inline))

// Eight lanes at a time; the compiler makes them what the processor has. Passed by reference:
// by value they would have another calling convention in each variant.
using Floats = float __attribute__((vector_size(4 * kWidth)));
using Ints = int32_t __attribute__((vector_size(4 * kWidth)));
using Shorts = int16_t __attribute__((vector_size(2 * kWidth)));

template <class Vector, class T>
S3ATTN_INLINE void load(const T* from, Vector& to) {
    std::memcpy(&to, from, sizeof to);
}

// x = e^x for x <= 0, relative error below 2e-7: x = n ln 2 + r, a polynomial of r. The same bits
// on any processor, because only single additions and multiplications are used.
S3ATTN_INLINE void exp_negative(Floats& x) {
    x = x < -87.0f ? Floats{} - 87.0f : x;  // e^-87 is nearly the smallest normal number
    const Ints n = __builtin_convertvector(x * 1.44269504f - 0.5f, Ints);
    const Floats whole = __builtin_convertvector(n, Floats);
    const Floats r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;
    Floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const Ints power = (n + 127) << 23;
    Floats scale;
    load(&power, scale);
    x = p * scale;
}

// Everything a pass over units needs, padded to whole widths of lanes.
struct Pass {
    const int16_t* unit_max;
    size_t stride, width;         // width: lanes, padded; at most stride
    std::vector<int16_t> top;     // per lane: the best unit's
    std::vector<float> exponent;  // 0 for padding
    std::vector<float> factor;    // share / sum of exponentials; 0 for padding
    std::vector<float> cosine;

    // A unit's attention before it is divided by the sum, for lanes [l, l + kWidth).
    S3ATTN_INLINE void exponentials(const Ints& row, size_t l, Floats& out) const {
        Shorts best;
        load(&top[l], best);
        load(&exponent[l], out);
        out *= __builtin_convertvector(row - __builtin_convertvector(best, Ints), Floats);
        exp_negative(out);
    }
    S3ATTN_INLINE void row_of(size_t unit, size_t l, Ints& out) const {
        Shorts row;
        load(unit_max + unit * stride + l, row);
        out = __builtin_convertvector(row, Ints);
    }
};

// sum[lane] += exponentials of units [begin, end).
S3ATTN_INLINE void sum_exponentials(const Pass& pass, size_t begin, size_t end, float* sum) {
    for (size_t l = 0; l < pass.width; l += kWidth) {
        Floats lanes{};
        for (size_t u = begin; u < end; ++u) {
            Ints row;
            Floats value;
            pass.row_of(u, l, row);
            pass.exponentials(row, l, value);
            lanes += value;
        }
        std::memcpy(sum + l, &lanes, sizeof lanes);
    }
}

S3ATTN_INLINE double total(const Floats& parts) {
    double sum = 0;
    for (size_t i = 0; i < kWidth; ++i) sum += static_cast<double>(parts[i]);
    return sum;
}

S3ATTN_INLINE void add_mass(const Pass& pass, size_t begin, size_t end, double* mass,
                            double* cosine) {
    for (size_t u = begin; u < end; ++u) {
        Floats m{}, c{};
        for (size_t l = 0; l < pass.width; l += kWidth) {
            Ints row;
            Floats value, coefficient;
            pass.row_of(u, l, row);
            pass.exponentials(row, l, value);
            load(&pass.factor[l], coefficient);
            m += coefficient * value;
            load(&pass.cosine[l], coefficient);
            c += coefficient * __builtin_convertvector(row, Floats);
        }
        mass[u] += total(m);
        cosine[u] += total(c);
    }
}

using SumPass = void (*)(const Pass&, size_t, size_t, float*);
using MassPass = void (*)(const Pass&, size_t, size_t, double*, double*);

void sum_portable(const Pass& pass, size_t begin, size_t end, float* sum) {
    sum_exponentials(pass, begin, end, sum);
}
void mass_portable(const Pass& pass, size_t begin, size_t end, double* mass, double* cosine) {
    add_mass(pass, begin, end, mass, cosine);
}
#if defined(__x86_64__)
__attribute__((target("avx2"))) void sum_avx2(const Pass& pass, size_t begin, size_t end,
                                              float* sum) {
    sum_exponentials(pass, begin, end, sum);
}
__attribute__((target("avx2"))) void mass_avx2(const Pass& pass, size_t begin, size_t end,
                                               double* mass, double* cosine) {
    add_mass(pass, begin, end, mass, cosine);
}
#endif

#if defined(__x86_64__)
const bool kHasAvx2 = __builtin_cpu_supports("avx2");
const SumPass kSumPass = kHasAvx2 ? sum_avx2 : sum_portable;
const MassPass kMassPass = kHasAvx2 ? mass_avx2 : mass_portable;
#else
const SumPass kSumPass = sum_portable;
const MassPass kMassPass = mass_portable;
#endif

template <class F>  // f(chunk, first unit, end unit)
Status for_chunks(const SoftmaxInput& input, size_t n_units, const F& f) {
    const size_t chunks = (n_units + kUnitsPerChunk - 1) / kUnitsPerChunk;
    input.pool.run(static_cast<uint32_t>(chunks), [&](uint32_t c) {
        if (input.cancel != nullptr && input.cancel->cancelled()) return;
        f(size_t{c}, c * kUnitsPerChunk, std::min((c + 1) * kUnitsPerChunk, n_units));
    });
    return check_cancelled(input.cancel);
}

}  // namespace

Status add_softmax(const SoftmaxInput& input, std::vector<double>& mass,
                   std::vector<double>& cosine, std::vector<double>& log_total) {
    const auto& unit_max = input.unit_max;
    const auto& scales = input.scales;
    const size_t stride = input.stride;
    const size_t n = scales.share.size(), units = mass.size();
    log_total.assign(n, 0.0);
    if (n == 0 || units == 0) return {};
    Pass pass{unit_max.data(), stride, (n + kWidth - 1) / kWidth * kWidth, {}, {}, {}, {}};
    pass.exponent = scales.exponent;
    pass.exponent.resize(pass.width);
    pass.cosine.assign(scales.cosine.begin(), scales.cosine.end());
    pass.cosine.resize(pass.width);
    const size_t chunks = (units + kUnitsPerChunk - 1) / kUnitsPerChunk;
    std::vector<int16_t> tops(chunks * pass.width, INT16_MIN);
    S3ATTN_CHECK(for_chunks(input, units, [&](size_t c, size_t begin, size_t end) {
        int16_t* top = &tops[c * pass.width];
        for (size_t u = begin; u < end; ++u) {
            const int16_t* row = &unit_max[u * stride];
            for (size_t l = 0; l < pass.width; ++l) top[l] = std::max(top[l], row[l]);
        }
    }));
    pass.top.assign(pass.width, INT16_MIN);
    for (size_t i = 0; i < tops.size(); ++i) {
        int16_t& top = pass.top[i % pass.width];
        top = std::max(top, tops[i]);
    }
    std::vector<float> sums(chunks * pass.width);
    S3ATTN_CHECK(for_chunks(input, units, [&](size_t c, size_t begin, size_t end) {
        kSumPass(pass, begin, end, &sums[c * pass.width]);
    }));
    pass.factor.resize(pass.width);
    for (size_t l = 0; l < n; ++l) {
        double sum = 0;  // >= 1: the top unit adds exp(0)
        for (size_t c = 0; c < chunks; ++c) sum += static_cast<double>(sums[c * pass.width + l]);
        pass.factor[l] = static_cast<float>(scales.share[l] / sum);
        log_total[l] = double{scales.exponent[l]} * pass.top[l] + std::log(sum);
    }
    return for_chunks(input, units, [&](size_t, size_t begin, size_t end) {
        kMassPass(pass, begin, end, mass.data(), cosine.data());
    });
}

}  // namespace s3attn

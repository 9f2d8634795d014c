// IEEE half precision and bfloat16, as stored in safetensors files. Bit arithmetic, so every
// machine rounds alike (to nearest, ties to even).
#pragma once

#include <bit>
#include <cstdint>

namespace s3attn {

// Infinity when |value| >= 65520 (rounds past the largest half, 65504); NaN stays NaN.
inline uint16_t to_float16(float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
    if (magnitude < 0x33000000u) return sign;  // below half of the smallest subnormal
    const int exponent = static_cast<int>(magnitude >> 23) - 127;
    const uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    // Bits of the mantissa that do not fit: 13, and one more per power of two below 2^-14.
    const int drop = exponent >= -14 ? 13 : 13 + (-14 - exponent);
    uint32_t kept = mantissa >> drop;
    const uint32_t rest = mantissa & ((1u << drop) - 1), half = 1u << (drop - 1);
    if (rest > half || (rest == half && (kept & 1u) != 0)) ++kept;
    // `kept` holds the implicit bit in the normal case; a carry moves into the exponent by itself.
    const uint32_t base = exponent >= -14 ? static_cast<uint32_t>(exponent + 14) << 10 : 0;
    return static_cast<uint16_t>(sign | (base + kept));
}

inline float from_float16(uint16_t half) {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t exponent = (half >> 10) & 0x1fu, mantissa = half & 0x3ffu;
    if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
    if (exponent != 0) {
        return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
    }
    const float subnormal = static_cast<float>(mantissa) * 0x1p-24f;
    return sign != 0 ? -subnormal : subnormal;
}

inline float from_bfloat16(uint16_t value) {
    return std::bit_cast<float>(static_cast<uint32_t>(value) << 16);
}

}  // namespace s3attn

#include "eval/python_random.h"

#include <algorithm>
#include <bit>

namespace s3attn::eval {
namespace {

constexpr size_t kN = 624, kM = 397;

}  // namespace

// init_genrand(19650218), then init_by_array, of Matsumoto and Nishimura's mt19937ar.
PythonRandom::PythonRandom(uint64_t seed) {
    state_[0] = 19650218u;
    for (uint32_t i = 1; i < kN; ++i) {
        state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
    }
    std::vector<uint32_t> key{static_cast<uint32_t>(seed)};
    if (seed >> 32) key.push_back(static_cast<uint32_t>(seed >> 32));
    size_t i = 1, j = 0;
    const auto step = [&](uint32_t factor) {
        return state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor);
    };
    const auto advance = [&] {
        if (++i >= kN) {
            state_[0] = state_[kN - 1];
            i = 1;
        }
    };
    for (size_t k = std::max(kN, key.size()); k > 0; --k) {
        state_[i] = step(1664525u) + key[j] + static_cast<uint32_t>(j);
        advance();
        j = (j + 1) % key.size();
    }
    for (size_t k = kN - 1; k > 0; --k) {
        state_[i] = step(1566083941u) - static_cast<uint32_t>(i);
        advance();
    }
    state_[0] = 0x80000000u;
}

uint32_t PythonRandom::next() {
    if (index_ >= kN) {
        for (size_t i = 0; i < kN; ++i) {
            const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kN] & 0x7fffffffu);
            state_[i] = state_[(i + kM) % kN] ^ (y >> 1) ^ ((y & 1u) ? 0x9908b0dfu : 0u);
        }
        index_ = 0;
    }
    uint32_t y = state_[index_++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint64_t PythonRandom::below(uint64_t n) {
    const int bits = std::bit_width(n);
    uint64_t drawn = n;
    while (drawn >= n) {  // bits may be 33 for n = 2^32 alone
        drawn = bits <= 32 ? next() >> (32 - bits) : next() | (uint64_t{next() >> 31} << 32);
    }
    return drawn;
}

}  // namespace s3attn::eval

// The random numbers of Python's `random` module, so that a haystack can be rebuilt with three
// lines of Python: random.Random(seed).shuffle(paragraphs).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace s3attn::eval {

// Mersenne Twister, seeded as Python seeds it from a non-negative integer.
class PythonRandom {
  public:
    explicit PythonRandom(uint64_t seed);
    uint32_t next();             // 32 random bits
    uint64_t below(uint64_t n);  // random._randbelow(n), 0 < n <= 2^32
    template <class T>
    void shuffle(std::vector<T>& items) {
        for (size_t i = items.size(); i-- > 1;) std::swap(items[i], items[below(i + 1)]);
    }

  private:
    std::array<uint32_t, 624> state_{};
    size_t index_ = 624;
};

}  // namespace s3attn::eval

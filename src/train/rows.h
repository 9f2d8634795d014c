// Rows of one head over many tokens, in half precision: keys of a whole corpus fit in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace s3attn {

// Values are stored relative to `offset` (fixed by the first rows appended): a large constant part,
// as models with key biases have, would eat the eleven bits.
class HalfRows {
  public:
    explicit HalfRows(uint32_t d = 0) : d_(d) {}
    uint32_t d() const { return d_; }
    size_t size() const { return d_ == 0 ? 0 : data_.size() / d_; }
    void reserve(size_t rows) { data_.reserve(rows * d_); }
    // Row t is data[t * stride .. + d). The first call with rows sets the offset to their mean,
    // unless set_offset() did.
    void append(const float* data, uint32_t n_rows, size_t stride);
    void append(const HalfRows& other);  // same d; converted to this offset
    void set_offset(std::vector<float> offset) { offset_ = std::move(offset); }
    // The stored form, for files.
    const std::vector<float>& offset() const { return offset_; }
    const std::vector<uint16_t>& halves() const { return data_; }
    static HalfRows from_stored(uint32_t d, std::vector<float> offset,
                                std::vector<uint16_t> halves);
    // Rows [begin, begin + n) as floats, one after the other.
    void read(size_t begin, size_t n, float* out) const;
    bool finite() const;
    // Mean over all rows, and the mean squared distance from it per dimension.
    std::vector<float> mean() const;
    double variance(const std::vector<float>& mean) const;

  private:
    uint32_t d_;
    std::vector<float> offset_;
    std::vector<uint16_t> data_;
};

// unit(row - mean) of rows [begin, begin + n); a row that equals the mean becomes zero.
void read_unit(const HalfRows& rows, size_t begin, size_t n, const std::vector<float>& mean,
               float* out);

struct TokenSpan {
    uint32_t begin = 0, end = 0;
    uint32_t size() const { return end - begin; }
};

}  // namespace s3attn

#include "train/rows.h"

#include <algorithm>

#include "train/kernels.h"

namespace s3attn {

namespace {
constexpr size_t kRowBlock = 256;  // rows converted at a time
}

void HalfRows::append(const float* data, uint32_t n_rows, size_t stride) {
    if (n_rows == 0) return;
    if (offset_.empty()) {
        std::vector<double> sum(d_, 0.0);
        for (uint32_t t = 0; t < n_rows; ++t) {
            for (uint32_t i = 0; i < d_; ++i) sum[i] += data[t * stride + i];
        }
        offset_.resize(d_);
        for (uint32_t i = 0; i < d_; ++i) offset_[i] = static_cast<float>(sum[i] / n_rows);
    }
    std::vector<float> row(d_);
    for (uint32_t t = 0; t < n_rows; ++t) {
        for (uint32_t i = 0; i < d_; ++i) row[i] = data[t * stride + i] - offset_[i];
        const size_t at = data_.size();
        data_.resize(at + d_);
        kernels().to_half(row.data(), d_, data_.data() + at);
    }
}

void HalfRows::append(const HalfRows& other) {
    std::vector<float> block(kRowBlock * d_);
    for (size_t at = 0; at < other.size(); at += kRowBlock) {
        const size_t n = std::min(kRowBlock, other.size() - at);
        other.read(at, n, block.data());
        append(block.data(), static_cast<uint32_t>(n), d_);
    }
}

void HalfRows::read(size_t begin, size_t n, float* out) const {
    kernels().to_float(data_.data() + begin * d_, n * d_, out);
    for (size_t t = 0; t < n; ++t) {
        for (uint32_t i = 0; i < d_; ++i) out[t * d_ + i] += offset_[i];
    }
}

HalfRows HalfRows::from_stored(uint32_t d, std::vector<float> offset,
                               std::vector<uint16_t> halves) {
    HalfRows rows(d);
    rows.offset_ = std::move(offset);
    rows.data_ = std::move(halves);
    return rows;
}

bool HalfRows::finite() const {
    const auto real = [](uint16_t half) { return (half & 0x7c00u) != 0x7c00u; };
    return std::all_of(data_.begin(), data_.end(), real);
}

std::vector<float> HalfRows::mean() const {
    std::vector<double> sum(d_, 0.0);
    std::vector<float> block(kRowBlock * d_);
    for (size_t at = 0; at < size(); at += kRowBlock) {
        const size_t n = std::min(kRowBlock, size() - at);
        read(at, n, block.data());
        for (size_t t = 0; t < n; ++t) {
            for (uint32_t i = 0; i < d_; ++i) sum[i] += block[t * d_ + i];
        }
    }
    std::vector<float> mean(d_, 0.0f);
    for (uint32_t i = 0; i < d_ && size() > 0; ++i) {
        mean[i] = static_cast<float>(sum[i] / static_cast<double>(size()));
    }
    return mean;
}

double HalfRows::variance(const std::vector<float>& mean) const {
    double sum = 0;
    std::vector<float> block(kRowBlock * d_);
    for (size_t at = 0; at < size(); at += kRowBlock) {
        const size_t n = std::min(kRowBlock, size() - at);
        read(at, n, block.data());
        for (size_t t = 0; t < n; ++t) {
            for (uint32_t i = 0; i < d_; ++i) {
                const double delta = block[t * d_ + i] - mean[i];
                sum += delta * delta;
            }
        }
    }
    return size() == 0 ? 0 : sum / static_cast<double>(size() * d_);
}

void read_unit(const HalfRows& rows, size_t begin, size_t n, const std::vector<float>& mean,
               float* out) {
    const uint32_t d = rows.d();
    rows.read(begin, n, out);
    for (size_t t = 0; t < n; ++t) {
        for (uint32_t i = 0; i < d; ++i) out[t * d + i] -= mean[i];
        normalise(out + t * d, d);
    }
}

}  // namespace s3attn

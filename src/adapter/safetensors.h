// Reads and writes safetensors files: 8 bytes header length (little endian), a JSON header
// {name: {dtype, shape, data_offsets}}, then the tensors' bytes.
// https://github.com/huggingface/safetensors Reading trusts nothing: every length, offset, shape
// and value is checked.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/result.h"

namespace s3attn {

constexpr uint64_t kMaxSafetensorsBytes = uint64_t{1} << 30;

enum class TensorType { kF32, kF16, kBF16, kOther };

class SafetensorsFile {
  public:
    struct Tensor {
        TensorType type = TensorType::kOther;
        std::string type_name;
        std::vector<uint64_t> shape;
        uint64_t begin = 0, end = 0;  // in the data part
    };

    static Result<SafetensorsFile> read(const std::string& path);
    // `file` names the bytes in error messages.
    static Result<SafetensorsFile> parse(std::string bytes, std::string file);

    const std::map<std::string, Tensor>& tensors() const { return tensors_; }
    bool contains(const std::string& name) const { return tensors_.count(name) != 0; }
    // The values as F32. Fails when the tensor is missing, has another shape or a type that is not
    // F32, F16 or BF16, or holds NaN or infinity.
    Result<std::vector<float>> floats(const std::string& name,
                                      const std::vector<uint64_t>& shape) const;
    // Likewise, for a tensor of any shape with `rank` dimensions.
    Result<std::vector<uint64_t>> shape(const std::string& name, size_t rank) const;

  private:
    std::string file_, bytes_;
    size_t data_begin_ = 0;
    std::map<std::string, Tensor> tensors_;
};

struct TensorToWrite {
    std::string name;
    std::vector<uint64_t> shape;
    std::span<const float> values;
    TensorType type = TensorType::kF32;  // kF32 or kF16
};

// The bytes of a safetensors file. kInvalidArgument when a value is not finite in its type, or a
// shape does not fit its values; `file` is for the message.
Result<std::string> serialize_safetensors(const std::vector<TensorToWrite>& tensors,
                                          const std::map<std::string, std::string>& metadata,
                                          const std::string& file);

}  // namespace s3attn

#include "adapter/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "adapter/float16.h"
#include "adapter/json_util.h"
#include "base/checked.h"
#include "base/files.h"

namespace s3attn {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little endian");

using adapter_json::Json;

constexpr uint64_t kMaxHeaderBytes = uint64_t{1} << 20;
constexpr size_t kMaxRank = 8;

// Bytes per element; none for a type we do not know.
std::optional<uint64_t> element_size(std::string_view type) {
    static constexpr std::pair<std::string_view, uint64_t> kSizes[] = {
        {"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8}, {"U64", 8},  {"I32", 4},
        {"U32", 4}, {"I16", 2}, {"U16", 2}, {"I8", 1},   {"U8", 1},  {"BOOL", 1},
    };
    for (const auto& [name, size] : kSizes) {
        if (name == type) return size;
    }
    return std::nullopt;
}

TensorType tensor_type(std::string_view name) {
    if (name == "F32") return TensorType::kF32;
    if (name == "F16") return TensorType::kF16;
    if (name == "BF16") return TensorType::kBF16;
    return TensorType::kOther;
}

std::optional<uint64_t> elements_of(const std::vector<uint64_t>& shape) {
    uint64_t elements = 1;
    for (const uint64_t size : shape) {
        const auto product = checked_mul(elements, size);
        if (!product) return std::nullopt;
        elements = *product;
    }
    return elements;
}

std::string shape_text(const std::vector<uint64_t>& shape) {
    std::string text = "[";
    for (size_t i = 0; i < shape.size(); ++i) {
        text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
    }
    return text + "]";
}

Error corrupt(const std::string& file, const std::string& tensor, const std::string& why) {
    return make_error(ErrorCode::kCorrupt, "'" + file + "': tensor '" + tensor + "' " + why);
}

Result<std::vector<uint64_t>> unsigned_list(const Json& json) {
    std::vector<uint64_t> list;
    if (!json.is_array()) return make_error(ErrorCode::kCorrupt, "is not a list");
    for (const Json& item : json) {
        if (!item.is_number_unsigned()) {
            return make_error(ErrorCode::kCorrupt, "holds something that is not a whole number");
        }
        list.push_back(item.get<uint64_t>());
    }
    return list;
}

Result<SafetensorsFile::Tensor> parse_tensor(const std::string& file, const std::string& name,
                                             const Json& json, uint64_t data_bytes) {
    const auto field = [&](const char* key) -> const Json* {
        if (!json.is_object()) return nullptr;
        const auto it = json.find(key);
        return it == json.end() ? nullptr : &*it;
    };
    const Json *type = field("dtype"), *shape = field("shape"), *offsets = field("data_offsets");
    if (type == nullptr || shape == nullptr || offsets == nullptr || !type->is_string()) {
        return corrupt(file, name, "lacks dtype, shape or data_offsets");
    }
    SafetensorsFile::Tensor tensor;
    tensor.type_name = type->get<std::string>();
    tensor.type = tensor_type(tensor.type_name);
    auto sizes = unsigned_list(*shape);
    if (!sizes.ok()) return corrupt(file, name, "shape " + sizes.error().message);
    auto range = unsigned_list(*offsets);
    if (!range.ok()) return corrupt(file, name, "data_offsets " + range.error().message);
    tensor.shape = std::move(sizes).value();
    if (tensor.shape.size() > kMaxRank) return corrupt(file, name, "has too many dimensions");
    if (range->size() != 2) return corrupt(file, name, "data_offsets does not hold two numbers");
    tensor.begin = (*range)[0];
    tensor.end = (*range)[1];
    if (tensor.begin > tensor.end || tensor.end > data_bytes) {
        return corrupt(file, name,
                       "reaches outside the file (" + std::to_string(tensor.begin) + " to " +
                           std::to_string(tensor.end) + " of " + std::to_string(data_bytes) +
                           " bytes)");
    }
    const auto size = element_size(tensor.type_name);
    if (!size) return corrupt(file, name, "has unknown dtype '" + tensor.type_name + "'");
    const auto elements = elements_of(tensor.shape);
    const auto bytes = elements ? checked_mul(*elements, *size) : std::nullopt;
    if (!bytes || *bytes != tensor.end - tensor.begin) {
        return corrupt(file, name,
                       "has " + std::to_string(tensor.end - tensor.begin) +
                           " bytes, which do not fit shape " + shape_text(tensor.shape) + " of " +
                           tensor.type_name);
    }
    return tensor;
}

// The format allows neither holes nor overlaps.
Status check_coverage(const std::string& file,
                      const std::map<std::string, SafetensorsFile::Tensor>& tensors,
                      uint64_t data_bytes) {
    std::vector<std::pair<uint64_t, std::string>> order;
    for (const auto& [name, tensor] : tensors) order.emplace_back(tensor.begin, name);
    std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
        return std::pair(a.first, tensors.at(a.second).end) <
               std::pair(b.first, tensors.at(b.second).end);
    });
    uint64_t position = 0;
    for (const auto& [begin, name] : order) {
        if (begin != position) {
            return corrupt(
                file, name,
                begin < position ? "overlaps another tensor" : "leaves a hole before it");
        }
        position = tensors.at(name).end;
    }
    if (position != data_bytes) {
        return make_error(ErrorCode::kCorrupt, "'" + file +
                                                   "': " + std::to_string(data_bytes - position) +
                                                   " bytes at the end belong to no tensor");
    }
    return {};
}

template <class T>
T load(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::read(const std::string& path) {
    S3ATTN_TRY(std::string bytes, read_file(path, kMaxSafetensorsBytes));
    return parse(std::move(bytes), path);
}

Result<SafetensorsFile> SafetensorsFile::parse(std::string bytes, std::string file) {
    const auto fail = [&](const std::string& why) {
        return make_error(ErrorCode::kCorrupt, "'" + file + "' is not a safetensors file: " + why);
    };
    if (bytes.size() < 8) return fail("shorter than 8 bytes");
    const auto header_bytes = load<uint64_t>(bytes.data());
    if (header_bytes > kMaxHeaderBytes || header_bytes > bytes.size() - 8) {
        return fail("header length " + std::to_string(header_bytes) + " in a file of " +
                    std::to_string(bytes.size()) + " bytes");
    }
    const std::string_view header(bytes.data() + 8, header_bytes);
    S3ATTN_TRY(const Json json, adapter_json::parse(header, file));
    if (!json.is_object()) return fail("its header is not an object");
    SafetensorsFile result;
    result.data_begin_ = 8 + header_bytes;
    const uint64_t data_bytes = bytes.size() - result.data_begin_;
    for (const auto& [name, value] : json.items()) {
        if (name == "__metadata__") continue;
        S3ATTN_TRY(Tensor tensor, parse_tensor(file, name, value, data_bytes));
        result.tensors_.emplace(name, std::move(tensor));
    }
    S3ATTN_CHECK(check_coverage(file, result.tensors_, data_bytes));
    result.file_ = std::move(file);
    result.bytes_ = std::move(bytes);
    return result;
}

Result<std::vector<uint64_t>> SafetensorsFile::shape(const std::string& name, size_t rank) const {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) return corrupt(file_, name, "is missing");
    if (it->second.shape.size() != rank) {
        return corrupt(file_, name,
                       "has shape " + shape_text(it->second.shape) + ", expected " +
                           std::to_string(rank) + " dimensions");
    }
    return it->second.shape;
}

Result<std::vector<float>> SafetensorsFile::floats(const std::string& name,
                                                   const std::vector<uint64_t>& expected) const {
    const auto it = tensors_.find(name);
    if (it == tensors_.end()) return corrupt(file_, name, "is missing");
    const Tensor& tensor = it->second;
    if (tensor.shape != expected) {
        return corrupt(
            file_, name,
            "has shape " + shape_text(tensor.shape) + ", expected " + shape_text(expected));
    }
    if (tensor.type == TensorType::kOther) {
        return corrupt(file_, name,
                       "has dtype " + tensor.type_name + ", expected F32, F16 or BF16");
    }
    const size_t size = tensor.type == TensorType::kF32 ? 4 : 2;
    std::vector<float> values((tensor.end - tensor.begin) / size);
    const char* at = bytes_.data() + data_begin_ + tensor.begin;
    for (size_t i = 0; i < values.size(); ++i, at += size) {
        switch (tensor.type) {
            case TensorType::kF16: values[i] = from_float16(load<uint16_t>(at)); break;
            case TensorType::kBF16: values[i] = from_bfloat16(load<uint16_t>(at)); break;
            default: values[i] = load<float>(at); break;
        }
        if (!std::isfinite(values[i])) {
            return corrupt(file_, name, "holds NaN or infinity at element " + std::to_string(i));
        }
    }
    return values;
}

Result<std::string> serialize_safetensors(const std::vector<TensorToWrite>& tensors,
                                          const std::map<std::string, std::string>& metadata,
                                          const std::string& file) {
    Json header = Json::object();
    if (!metadata.empty()) header["__metadata__"] = metadata;
    std::string data;
    for (const TensorToWrite& tensor : tensors) {
        const auto fail = [&](const std::string& why) {
            return make_error(ErrorCode::kInvalidArgument,
                              "'" + file + "': tensor '" + tensor.name + "' " + why);
        };
        if (elements_of(tensor.shape) != tensor.values.size()) {
            return fail("has " + std::to_string(tensor.values.size()) +
                        " values, which do not fit shape " + shape_text(tensor.shape));
        }
        const size_t begin = data.size();
        for (size_t i = 0; i < tensor.values.size(); ++i) {
            const float value = tensor.values[i];
            const uint16_t half = to_float16(value);
            const bool f16 = tensor.type == TensorType::kF16;
            if (!std::isfinite(f16 ? from_float16(half) : value)) {
                return fail("holds " + std::to_string(value) + " at element " + std::to_string(i) +
                            ", which cannot be stored");
            }
            data.append(
                f16 ? reinterpret_cast<const char*>(&half) : reinterpret_cast<const char*>(&value),
                f16 ? sizeof half : sizeof value);
        }
        header[tensor.name] = {{"dtype", tensor.type == TensorType::kF16 ? "F16" : "F32"},
                               {"shape", tensor.shape},
                               {"data_offsets", {begin, data.size()}}};
    }
    std::string text = adapter_json::dump(header);
    text.append((8 - text.size() % 8) % 8, ' ');  // readers may map the tensors in place
    const uint64_t length = text.size();
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
    return bytes + text + data;
}

}  // namespace s3attn

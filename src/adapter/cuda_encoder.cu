#include <algorithm>
#include <cmath>
#include <vector>

#include "adapter/cuda_finish.cuh"
#include "adapter/cuda_selector.cuh"
#include "adapter/device_encoder.h"
#include "adapter/float16.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

using gpu::Buffer;
using gpu::to_status;
using gpu::Where;

constexpr float kLargestHalf = 32768;  // weights beyond it do not go into fp16

// Chosen heads of a layer's keys, densely and padded with zeros to `padded` dimensions.
__global__ void gather_rows(DeviceKeys keys, const uint32_t* heads, int d, int padded,
                            size_t slot_rows, float* out) {
    const uint32_t r = blockIdx.x, slot = blockIdx.y;
    const float* row = keys.data + r / keys.n_tokens * keys.sequence_stride +
                       r % keys.n_tokens * keys.token_stride + heads[slot] * keys.head_stride;
    float* to = out + (slot * slot_rows + r) * padded;
    for (int i = threadIdx.x; i < padded; i += blockDim.x) to[i] = i < d ? row[i] : 0.0f;
}

bool fits_half(const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(),
                       [](float v) { return from_float16(to_float16(v)) == v; });
}

// Rows [latents][padded] from the encoder's [d][latents], or from rows of d.
std::vector<float> encoder_rows(const SparseAutoencoder& sae, uint32_t padded) {
    std::vector<float> rows(size_t{sae.latents} * padded, 0.0f);
    for (uint32_t i = 0; i < sae.d_in; ++i) {
        for (uint32_t f = 0; f < sae.latents; ++f) {
            rows[size_t{f} * padded + i] = sae.w_enc[size_t{i} * sae.latents + f];
        }
    }
    return rows;
}
std::vector<float> padded_rows(const std::vector<float>& from, uint32_t d, uint32_t padded) {
    std::vector<float> rows(from.size() / d * padded, 0.0f);
    for (size_t r = 0; r < from.size() / d; ++r) {
        std::copy_n(&from[r * d], d, &rows[r * padded]);
    }
    return rows;
}

// One head's tables in device memory.
struct SlotMemory {
    Buffer<unsigned char> tiles, encoder, decoder;
    Buffer<float> mean, offset, bias;
    size_t bytes() const {
        return tiles.bytes() + encoder.bytes() + decoder.bytes() + mean.bytes() + offset.bytes() +
               bias.bytes();
    }
};

Status upload_weights(const std::vector<float>& rows, bool half, Buffer<unsigned char>& out) {
    if (!half) {
        return out.upload(reinterpret_cast<const unsigned char*>(rows.data()),
                          rows.size() * sizeof(float));
    }
    std::vector<uint16_t> halves(rows.size());
    std::transform(rows.begin(), rows.end(), halves.begin(), to_float16);
    return out.upload(reinterpret_cast<const unsigned char*>(halves.data()), halves.size() * 2);
}

Status fill_slot(const KeySlot& slot, uint32_t padded, bool half, SlotMemory& memory,
                 gpu::SlotTables* tables) {
    const SparseAutoencoder& sae = slot.sae;
    const std::vector<float> encoder = encoder_rows(sae, padded);
    S3ATTN_CHECK(upload_weights(encoder, half, memory.encoder));
    S3ATTN_CHECK(upload_weights(padded_rows(sae.w_dec, sae.d_in, padded), half, memory.decoder));
    const auto vector = padded_rows(slot.mean_key, sae.d_in, padded);
    S3ATTN_CHECK(memory.mean.upload(vector.data(), padded));
    const auto offset = padded_rows(sae.b_dec, sae.d_in, padded);
    S3ATTN_CHECK(memory.offset.upload(offset.data(), padded));
    S3ATTN_CHECK(memory.bias.upload(sae.b_enc.data(), sae.latents));
    S3ATTN_CHECK(memory.tiles.allocate(gpu::packed_bytes(sae.latents, padded)));
    gpu::SlotTables host{};
    host.mean = memory.mean.get();
    host.offset = memory.offset.get();
    host.bias = memory.bias.get();
    host.encoder = memory.encoder.get();
    host.decoder = memory.decoder.get();
    S3ATTN_CHECK(to_status(cudaMemcpy(tables, &host, sizeof host, cudaMemcpyHostToDevice),
                           "copying to the device"));
    Buffer<float> rows;
    S3ATTN_CHECK(rows.upload(encoder.data(), encoder.size()));
    S3ATTN_CHECK(gpu::pack_encoder(rows.get(), memory.bias.get(), sae.latents, padded, tables,
                                   memory.tiles.get(), nullptr));
    return to_status(cudaStreamSynchronize(nullptr), "packing an encoder");
}

// One of the two batches under way.
struct Batch {
    uint32_t n_tokens = 0;
    Buffer<float> keys;  // [n_slots][max_tokens][padded]
    Buffer<uint16_t> feature, host_feature;
    Buffer<uint8_t> activation, host_activation;
    Buffer<float> norm, host_norm;
    gpu::Event done;

    Status make(size_t rows, uint32_t padded, uint32_t k) {
        S3ATTN_CHECK(keys.allocate(rows * padded));
        S3ATTN_CHECK(feature.allocate(rows * k));
        S3ATTN_CHECK(activation.allocate(rows * k));
        S3ATTN_CHECK(norm.allocate(rows));
        S3ATTN_CHECK(host_feature.allocate(rows * k, Where::kPinned));
        S3ATTN_CHECK(host_activation.allocate(rows * k, Where::kPinned));
        S3ATTN_CHECK(host_norm.allocate(rows, Where::kPinned));
        return done.make();
    }
    size_t device_bytes() const {
        return keys.bytes() + feature.bytes() + activation.bytes() + norm.bytes();
    }
};

template <class T>
Status copy_back(const Buffer<T>& from, Buffer<T>& to, size_t n, cudaStream_t stream) {
    return to_status(
        cudaMemcpyAsync(to.get(), from.get(), n * sizeof(T), cudaMemcpyDeviceToHost, stream),
        "copying from the device");
}

}  // namespace

bool built_with_cuda() { return true; }

Status cuda_status() {
    int count = 0;
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess || count == 0) {
        static_cast<void>(cudaGetLastError());
        return make_error(ErrorCode::kUnsupported, reason::kNoDevice, "device",
                          std::string("no CUDA device: ") +
                              (error != cudaSuccess ? cudaGetErrorString(error) : "none is there") +
                              " (`nvidia-smi` says more)");
    }
    cudaFuncAttributes attributes;
    const cudaError_t fits = cudaFuncGetAttributes(&attributes, gpu::select_latents<128>);
    if (fits != cudaSuccess) {
        static_cast<void>(cudaGetLastError());
        return make_error(ErrorCode::kUnsupported, reason::kNoDevice, "device",
                          std::string("the CUDA device cannot run this build (") +
                              cudaGetErrorString(fits) +
                              "): build with -DCMAKE_CUDA_ARCHITECTURES for it");
    }
    return {};
}

Status check_device_adapter(const Adapter& adapter) {
    const auto refuse = [&](const std::string& why) {
        return make_error(ErrorCode::kUnsupported,
                          "adapter " + adapter.name + " cannot be coded on the device: " + why);
    };
    if (adapter.k > gpu::kMaxActive) return refuse("more than 64 active features");
    if (gpu::padded_dimension(adapter.d_head) == 0) return refuse("heads of more than 256");
    for (const KeySlot& slot : adapter.slots) {
        for (const float w : slot.sae.w_enc) {
            if (!(std::abs(w) < kLargestHalf)) return refuse("weights beyond the range of fp16");
        }
    }
    return {};
}

struct DeviceKeyEncoder::Impl {
    const Adapter& adapter;
    uint32_t max_tokens = 0, padded = 0;
    bool half = false;
    std::vector<SlotMemory> slots;
    Buffer<gpu::SlotTables> tables;
    Buffer<uint32_t> heads;
    gpu::LatentSelector selector;
    gpu::Stream stream;
    gpu::Event copied;
    Batch batches[2];
    uint64_t begun = 0, taken = 0;
    size_t largest_layer = 0;  // slots of one layer

    explicit Impl(const Adapter& a) : adapter(a) {}
    Status make(uint32_t tokens);
    Batch& current() { return batches[(begun - 1) % 2]; }
};

Status DeviceKeyEncoder::Impl::make(uint32_t tokens) {
    S3ATTN_CHECK(cuda_status());
    S3ATTN_CHECK(check_device_adapter(adapter));
    max_tokens = tokens;
    padded = gpu::padded_dimension(adapter.d_head);
    half = std::all_of(adapter.slots.begin(), adapter.slots.end(), [](const KeySlot& slot) {
        return fits_half(slot.sae.w_enc) && fits_half(slot.sae.w_dec);
    });
    std::vector<uint32_t> kv_heads;
    slots.resize(adapter.slots.size());
    S3ATTN_CHECK(tables.allocate(slots.size()));
    for (size_t i = 0; i < slots.size(); ++i) {
        S3ATTN_CHECK(fill_slot(adapter.slots[i], padded, half, slots[i], tables.get() + i));
        kv_heads.push_back(adapter.slots[i].kv_head);
    }
    for (const uint32_t layer : adapter.key_layers()) {
        const auto n = std::count_if(adapter.slots.begin(), adapter.slots.end(),
                                     [&](const KeySlot& s) { return s.layer == layer; });
        largest_layer = std::max(largest_layer, static_cast<size_t>(n));
    }
    S3ATTN_CHECK(heads.upload(kv_heads.data(), kv_heads.size()));
    S3ATTN_CHECK(selector.make(padded, adapter.k, largest_layer * tokens));
    S3ATTN_CHECK(stream.make());
    S3ATTN_CHECK(copied.make());
    for (Batch& batch : batches) {
        S3ATTN_CHECK(batch.make(slots.size() * size_t{tokens}, padded, adapter.k));
    }
    return {};
}

DeviceKeyEncoder::DeviceKeyEncoder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

DeviceKeyEncoder::~DeviceKeyEncoder() {
    if (impl_) static_cast<void>(impl_->stream.wait());
}

Result<std::unique_ptr<DeviceKeyEncoder>> DeviceKeyEncoder::make(const Adapter& adapter,
                                                                 uint32_t max_tokens) {
    auto impl = std::make_unique<Impl>(adapter);
    S3ATTN_CHECK(impl->make(max_tokens));
    return std::unique_ptr<DeviceKeyEncoder>(new DeviceKeyEncoder(std::move(impl)));
}

Status DeviceKeyEncoder::begin(uint32_t n_tokens) {
    if (n_tokens > impl_->max_tokens || impl_->begun - impl_->taken >= 2) {
        return make_error(ErrorCode::kInternal, "the device encoder was not ready for a batch");
    }
    ++impl_->begun;
    impl_->current().n_tokens = n_tokens;
    return {};
}

Status DeviceKeyEncoder::add(uint32_t layer, const DeviceKeys& keys) {
    Impl& m = *impl_;
    Batch& batch = m.current();
    const auto& slots = m.adapter.slots;
    const auto is_layer = [&](const KeySlot& slot) { return slot.layer == layer; };
    const auto first = std::find_if(slots.begin(), slots.end(), is_layer);
    const auto last = std::find_if_not(first, slots.end(), is_layer);
    const auto n_slots = static_cast<int>(last - first);
    if (n_slots == 0 || batch.n_tokens == 0) return {};
    if (keys.n_tokens * keys.n_sequences != batch.n_tokens) {
        return make_error(ErrorCode::kInternal, "keys of another number of tokens than announced");
    }
    const auto first_slot = static_cast<size_t>(first - slots.begin());
    float* rows = batch.keys.get() + first_slot * m.max_tokens * m.padded;
    gather_rows<<<dim3(batch.n_tokens, n_slots), 64, 0, m.stream.get()>>>(
        keys, m.heads.get() + first_slot, static_cast<int>(m.adapter.d_head),
        static_cast<int>(m.padded), m.max_tokens, rows);
    S3ATTN_CHECK(to_status(cudaGetLastError(), "copying keys"));
    S3ATTN_CHECK(m.copied.record(m.stream.get()));

    gpu::FinishArgs args{};
    args.slots = m.tables.get() + first_slot;
    args.keys = rows;
    args.slot_rows = m.max_tokens;
    args.n_slots = n_slots;
    args.n_rows = static_cast<int>(batch.n_tokens);
    args.latents = static_cast<int>(m.adapter.latents);
    args.k = static_cast<int>(m.adapter.k);
    args.centre = true;
    args.feature = batch.feature.get();
    args.activation = batch.activation.get();
    args.norm = batch.norm.get();
    args.row_slots = static_cast<int>(slots.size());
    args.first_slot = static_cast<int>(first_slot);
    args.activation_scale = double{m.adapter.activation_scale};
    S3ATTN_CHECK(m.selector.run(args, m.half, m.stream.get()));
    return m.copied.wait();
}

Status DeviceKeyEncoder::end() {
    Impl& m = *impl_;
    Batch& batch = m.current();
    const size_t rows = size_t{batch.n_tokens} * m.slots.size(), entries = rows * m.adapter.k;
    S3ATTN_CHECK(copy_back(batch.feature, batch.host_feature, entries, m.stream.get()));
    S3ATTN_CHECK(copy_back(batch.activation, batch.host_activation, entries, m.stream.get()));
    S3ATTN_CHECK(copy_back(batch.norm, batch.host_norm, rows, m.stream.get()));
    return batch.done.record(m.stream.get());
}

Status DeviceKeyEncoder::take(CodeBatch& codes, std::vector<float>* norms) {
    Impl& m = *impl_;
    if (m.taken == m.begun) return make_error(ErrorCode::kInternal, "no batch to take");
    Batch& batch = m.batches[m.taken % 2];
    S3ATTN_CHECK(batch.done.wait());
    ++m.taken;
    const size_t rows = size_t{batch.n_tokens} * m.slots.size(), entries = rows * m.adapter.k;
    codes.n_tokens = batch.n_tokens;
    codes.n_slots = static_cast<uint32_t>(m.slots.size());
    codes.k = m.adapter.k;
    codes.feature.assign(batch.host_feature.get(), batch.host_feature.get() + entries);
    codes.activation.assign(batch.host_activation.get(), batch.host_activation.get() + entries);
    if (norms != nullptr) norms->assign(batch.host_norm.get(), batch.host_norm.get() + rows);
    return {};
}

uint64_t DeviceKeyEncoder::device_bytes() const {
    const Impl& m = *impl_;
    uint64_t sum = m.selector.device_bytes() + m.tables.bytes() + m.heads.bytes();
    for (const SlotMemory& slot : m.slots) sum += slot.bytes();
    for (const Batch& batch : m.batches) sum += batch.device_bytes();
    return sum;
}

}  // namespace s3attn

#include <algorithm>
#include <cmath>
#include <cub/device/device_radix_sort.cuh>
#include <vector>

#include "adapter/cuda_finish.cuh"
#include "adapter/cuda_selector.cuh"
#include "adapter/device_encoder.h"
#include "train/device_sae.h"
#include "train/device_sae_kernels.cuh"

namespace s3attn {
namespace {

using gpu::Buffer;
using gpu::to_status;

constexpr uint32_t kMostAuxActive = 32;
constexpr int kWarps = 8;  // of a block

template <class F>
void with_dimension(uint32_t padded, const F& f) {
    if (padded == 64) return f.template operator()<64>();
    if (padded == 128) return f.template operator()<128>();
    f.template operator()<256>();
}

uint32_t blocks(size_t n, uint32_t width) { return static_cast<uint32_t>((n + width - 1) / width); }

// An encoder as the selection kernels read it, and what they find.
struct Side {
    uint32_t k = 0;
    gpu::LatentSelector selector;
    Buffer<unsigned char> tiles;
    Buffer<gpu::SlotTables> table;
    Buffer<uint32_t> latent, count, keys, sorted_keys, entries, sorted_entries, start;
    Buffer<float> value, residual;

    Status make(uint32_t active, uint32_t rows, uint32_t latents, uint32_t padded) {
        k = active;
        const size_t n = size_t{rows} * k;
        S3ATTN_CHECK(selector.make(padded, k, rows));
        S3ATTN_CHECK(tiles.allocate(gpu::packed_bytes(latents, padded)));
        S3ATTN_CHECK(table.allocate(1));
        for (auto* buffer : {&latent, &keys, &sorted_keys, &entries, &sorted_entries}) {
            S3ATTN_CHECK(buffer->allocate(n));
        }
        S3ATTN_CHECK(count.allocate(rows));
        S3ATTN_CHECK(start.allocate(latents + 1));
        S3ATTN_CHECK(value.allocate(n));
        return residual.allocate(size_t{rows} * padded);
    }
    gpu::SideView view(float weight) const {
        return {static_cast<int>(k), latent.get(),         value.get(), count.get(),
                residual.get(),      sorted_entries.get(), start.get(), weight};
    }
};

std::vector<float> padded_rows(const std::vector<float>& from, uint32_t d, uint32_t padded) {
    std::vector<float> rows(from.size() / d * padded, 0.0f);
    for (size_t r = 0; r < from.size() / d; ++r) {
        std::copy_n(&from[r * d], d, &rows[r * padded]);
    }
    return rows;
}

template <class T>
Status download(const Buffer<T>& from, size_t n, std::vector<T>& to) {
    to.resize(n);
    return to_status(cudaMemcpy(to.data(), from.get(), n * sizeof(T), cudaMemcpyDeviceToHost),
                     "copying from the device");
}

Status without_padding(const Buffer<float>& from, size_t rows, uint32_t d, uint32_t padded,
                       std::vector<float>& to) {
    std::vector<float> wide;
    S3ATTN_CHECK(download(from, rows * padded, wide));
    to.resize(rows * d);
    for (size_t r = 0; r < rows; ++r) std::copy_n(&wide[r * padded], d, &to[r * d]);
    return {};
}

}  // namespace

struct DeviceSaeTrainer::Impl {
    SaeOptions options;
    uint32_t d = 0, latents = 0, padded = 0, rows = 0;
    uint64_t steps_done = 0;
    Buffer<float> encoder, decoder, bias, x;
    Buffer<float> m_encoder, v_encoder, m_decoder, v_decoder, m_bias, v_bias;
    Buffer<float> dead_encoder, dead_bias;
    Buffer<uint32_t> silent, dead;
    Buffer<double> loss;
    Buffer<unsigned char> sort_memory;
    Side main, aux;

    Status make(const SaeWeights& initial);
    Status put(const SaeState& state);
    Result<SaeState> get() const;
    Status select(Side& side, const float* weights, const float* biases, uint32_t n);
    Status group(Side& side);
    Result<bool> start_aux(const std::vector<uint32_t>& dead_latents);
    Result<double> step(const float* host_x, float rate);
};

Status DeviceSaeTrainer::Impl::make(const SaeWeights& initial) {
    S3ATTN_CHECK(cuda_status());
    d = initial.d;
    latents = initial.latents;
    padded = gpu::padded_dimension(d);
    const uint32_t active = std::min(options.k, latents);
    if (padded == 0 || active > gpu::kMaxActive || latents > 65535) {
        return make_error(ErrorCode::kUnsupported,
                          "the device trains autoencoders of up to 256 dimensions, 64 active and "
                          "65,535 latents");
    }
    SaeState state;
    state.weights = initial;
    state.reset();
    S3ATTN_CHECK(put(state));
    const uint32_t aux_active = std::min({2 * options.k, kMostAuxActive, latents});
    S3ATTN_CHECK(main.make(active, rows, latents, padded));
    S3ATTN_CHECK(aux.make(aux_active, rows, latents, padded));
    S3ATTN_CHECK(x.allocate(size_t{rows} * padded));
    S3ATTN_CHECK(loss.allocate(rows));
    S3ATTN_CHECK(dead_encoder.allocate(encoder.size()));
    S3ATTN_CHECK(dead_bias.allocate(latents));
    size_t bytes = 0;
    const auto most = static_cast<int>(rows * std::max(active, aux_active));
    S3ATTN_CHECK(to_status(
        cub::DeviceRadixSort::SortPairs(nullptr, bytes, main.keys.get(), main.sorted_keys.get(),
                                        main.entries.get(), main.sorted_entries.get(), most),
        "sizing a sort"));
    return sort_memory.allocate(bytes);
}

Status DeviceSaeTrainer::Impl::put(const SaeState& state) {
    const auto wide = [&](Buffer<float>& to, const std::vector<float>& from) {
        const std::vector<float> all = padded_rows(from, d, padded);
        return to.upload(all.data(), all.size());
    };
    S3ATTN_CHECK(wide(encoder, state.weights.encoder));
    S3ATTN_CHECK(wide(decoder, state.weights.decoder));
    S3ATTN_CHECK(wide(m_encoder, state.m_encoder));
    S3ATTN_CHECK(wide(v_encoder, state.v_encoder));
    S3ATTN_CHECK(wide(m_decoder, state.m_decoder));
    S3ATTN_CHECK(wide(v_decoder, state.v_decoder));
    S3ATTN_CHECK(bias.upload(state.weights.bias.data(), latents));
    S3ATTN_CHECK(m_bias.upload(state.m_bias.data(), latents));
    S3ATTN_CHECK(v_bias.upload(state.v_bias.data(), latents));
    return silent.upload(state.silent.data(), latents);
}

Result<SaeState> DeviceSaeTrainer::Impl::get() const {
    SaeState state;
    state.weights.d = d;
    state.weights.latents = latents;
    const auto narrow = [&](const Buffer<float>& from, std::vector<float>& to) {
        return without_padding(from, latents, d, padded, to);
    };
    S3ATTN_CHECK(narrow(encoder, state.weights.encoder));
    S3ATTN_CHECK(narrow(decoder, state.weights.decoder));
    S3ATTN_CHECK(narrow(m_encoder, state.m_encoder));
    S3ATTN_CHECK(narrow(v_encoder, state.v_encoder));
    S3ATTN_CHECK(narrow(m_decoder, state.m_decoder));
    S3ATTN_CHECK(narrow(v_decoder, state.v_decoder));
    S3ATTN_CHECK(download(bias, latents, state.weights.bias));
    S3ATTN_CHECK(download(m_bias, latents, state.m_bias));
    S3ATTN_CHECK(download(v_bias, latents, state.v_bias));
    S3ATTN_CHECK(download(silent, latents, state.silent));
    return state;
}

Status DeviceSaeTrainer::Impl::select(Side& side, const float* weights, const float* biases,
                                      uint32_t n) {
    gpu::SlotTables table{};
    table.bias = biases;
    table.encoder = table.decoder = weights;
    S3ATTN_CHECK(side.table.upload(&table, 1));
    S3ATTN_CHECK(
        gpu::pack_encoder(weights, biases, n, padded, side.table.get(), side.tiles.get(), nullptr));
    gpu::FinishArgs args{};
    args.slots = side.table.get();
    args.keys = x.get();
    args.slot_rows = rows;
    args.n_slots = 1;
    args.n_rows = static_cast<int>(rows);
    args.latents = static_cast<int>(n);
    args.k = static_cast<int>(side.k);
    args.centre = false;
    args.raw_latent = side.latent.get();
    args.raw_value = side.value.get();
    args.raw_count = side.count.get();
    return side.selector.run(args, false, nullptr);
}

// Entries by latent; a stable sort keeps rows ascending, so that sums have one order.
Status DeviceSaeTrainer::Impl::group(Side& side) {
    const auto n = static_cast<int>(rows * side.k);
    gpu::entry_keys<<<blocks(n, 256), 256>>>(side.view(1), static_cast<int>(rows), latents,
                                             side.keys.get(), side.entries.get());
    size_t bytes = sort_memory.size();
    S3ATTN_CHECK(to_status(cub::DeviceRadixSort::SortPairs(
                               sort_memory.get(), bytes, side.keys.get(), side.sorted_keys.get(),
                               side.entries.get(), side.sorted_entries.get(), n, 0, 17),
                           "sorting"));
    gpu::find_starts<<<blocks(latents + 1, 256), 256>>>(side.sorted_keys.get(), n, latents,
                                                        side.start.get());
    return to_status(cudaGetLastError(), "grouping by latent");
}

// AuxK: what the dead latents make of the residual. False: there are none.
Result<bool> DeviceSaeTrainer::Impl::start_aux(const std::vector<uint32_t>& dead_latents) {
    const auto n = static_cast<uint32_t>(dead_latents.size());
    if (n == 0) return false;
    S3ATTN_CHECK(dead.upload(dead_latents.data(), n));
    with_dimension(padded, [&]<int D>() {
        gpu::gather_latents<D><<<n, 64>>>(encoder.get(), bias.get(), dead.get(),
                                          static_cast<int>(n), dead_encoder.get(), dead_bias.get());
    });
    S3ATTN_CHECK(select(aux, dead_encoder.get(), dead_bias.get(), n));
    const auto entries = static_cast<int>(rows * aux.k);
    gpu::rename_latents<<<blocks(entries, 256), 256>>>(aux.latent.get(), entries, dead.get());
    with_dimension(padded, [&]<int D>() {
        gpu::reconstruct<D><<<blocks(rows, kWarps), 32 * kWarps>>>(
            aux.view(1), main.residual.get(), decoder.get(), static_cast<int>(rows), nullptr);
    });
    S3ATTN_CHECK(group(aux));
    return true;
}

Result<double> DeviceSaeTrainer::Impl::step(const float* host_x, float rate) {
    ++steps_done;
    S3ATTN_CHECK(to_status(cudaMemcpy2D(x.get(), padded * sizeof(float), host_x, d * sizeof(float),
                                        d * sizeof(float), rows, cudaMemcpyHostToDevice),
                           "copying keys"));
    S3ATTN_CHECK(select(main, encoder.get(), bias.get(), latents));
    with_dimension(padded, [&]<int D>() {
        gpu::reconstruct<D><<<blocks(rows, kWarps), 32 * kWarps>>>(
            main.view(1), x.get(), decoder.get(), static_cast<int>(rows), loss.get());
    });
    S3ATTN_CHECK(group(main));
    bool with_aux = false;
    if (options.aux_every > 0 && steps_done % options.aux_every == 0) {
        SaeState state;
        S3ATTN_CHECK(download(silent, latents, state.silent));
        const std::vector<uint32_t> list = state.dead(options.dead_after);
        if (list.size() * 100 > latents) {
            S3ATTN_TRY(with_aux, start_aux(list));
        }
    }
    const AdamStep adam = adam_step(rate, steps_done);
    gpu::SideView aux_view = aux.view(options.aux_weight);
    if (!with_aux) aux_view.k = 0;
    const gpu::Parameters p{encoder.get(),   decoder.get(),   bias.get(),      m_encoder.get(),
                            v_encoder.get(), m_decoder.get(), v_decoder.get(), m_bias.get(),
                            v_bias.get(),    silent.get()};
    with_dimension(padded, [&]<int D>() {
        gpu::update_latents<D><<<blocks(latents, kWarps), 32 * kWarps>>>(
            p, main.view(1), aux_view, x.get(), static_cast<int>(rows), latents, adam,
            rate / std::sqrt(static_cast<float>(d)));
    });
    S3ATTN_CHECK(to_status(cudaGetLastError(), "a training step"));
    std::vector<double> losses;
    S3ATTN_CHECK(download(loss, rows, losses));
    double sum = 0;
    for (const double one : losses) sum += one;
    return sum / rows;
}

DeviceSaeTrainer::DeviceSaeTrainer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DeviceSaeTrainer::~DeviceSaeTrainer() = default;

Result<std::unique_ptr<DeviceSaeTrainer>> DeviceSaeTrainer::make(const SaeWeights& initial,
                                                                 const SaeOptions& options,
                                                                 uint32_t rows) {
    auto impl = std::make_unique<Impl>();
    impl->options = options;
    impl->rows = rows;
    S3ATTN_CHECK(impl->make(initial));
    return std::unique_ptr<DeviceSaeTrainer>(new DeviceSaeTrainer(std::move(impl)));
}

Result<double> DeviceSaeTrainer::step(const float* x, float rate) { return impl_->step(x, rate); }

Result<uint32_t> DeviceSaeTrainer::restart_dead(uint64_t seed) {
    Impl& m = *impl_;
    if (m.steps_done == 0) return uint32_t{0};
    S3ATTN_TRY(SaeState state, m.get());
    std::vector<float> residual;
    S3ATTN_CHECK(without_padding(m.main.residual, m.rows, m.d, m.padded, residual));
    const uint32_t n = state.restart_dead(m.options.dead_after, residual, seed);
    if (n > 0) S3ATTN_CHECK(m.put(state));
    return n;
}

Result<SaeWeights> DeviceSaeTrainer::weights() {
    S3ATTN_TRY(SaeState state, impl_->get());
    return std::move(state.weights);
}

void DeviceSaeTrainer::mark_silent(uint32_t latent, uint32_t steps) {
    static_cast<void>(
        cudaMemcpy(impl_->silent.get() + latent, &steps, sizeof steps, cudaMemcpyHostToDevice));
}

}  // namespace s3attn

// The device encoder's kernels against what cuBLAS reaches on their matrix product alone, and
// against cuBLAS with CUB's sort for the selection, in one run. Ends with lines `name value unit`.
#include <cublas_v2.h>
#include <cuda_bf16.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cub/device/device_segmented_radix_sort.cuh>
#include <cub/device/device_segmented_sort.cuh>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "adapter/cuda_finish.cuh"
#include "adapter/cuda_selector.cuh"

namespace {

using namespace s3attn;
using gpu::Buffer;

void check(bool good, const char* what) {
    if (good) return;
    std::fprintf(stderr, "error: %s (%s)\n", what, cudaGetErrorString(cudaGetLastError()));
    std::exit(1);
}
void check(const Status& status) {
    if (status.ok()) return;
    std::fprintf(stderr, "error: %s\n", status.error().message.c_str());
    std::exit(1);
}

// Median milliseconds of a launch.
double time_of(const std::function<void()>& launch, int rounds = 9) {
    cudaEvent_t begin, end;
    cudaEventCreate(&begin);
    cudaEventCreate(&end);
    launch();
    launch();
    std::vector<float> times(rounds);
    for (float& time : times) {
        cudaEventRecord(begin);
        launch();
        cudaEventRecord(end);
        check(cudaEventSynchronize(end) == cudaSuccess, "a kernel failed");
        cudaEventElapsedTime(&time, begin, end);
    }
    cudaEventDestroy(begin);
    cudaEventDestroy(end);
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
}

__global__ void fill_offsets(int* offsets, int n, int width) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i <= n) offsets[i] = i * width;
}
__global__ void fill_indices(uint16_t* indices, size_t n, int width) {
    const size_t i = blockIdx.x * size_t{blockDim.x} + threadIdx.x;
    if (i < n) indices[i] = static_cast<uint16_t>(i % width);
}

struct Case {
    int d, latents, k, rows;
    std::string name() const {
        return "d" + std::to_string(d) + "_f" + std::to_string(latents) + "_k" + std::to_string(k);
    }
};

std::vector<float> random_values(size_t n, float scale, uint32_t seed) {
    std::mt19937 rng(seed);
    std::normal_distribution<float> normal(0, scale);
    std::vector<float> block(std::min<size_t>(n, 1 << 22)), values(n);
    for (float& v : block) v = normal(rng);
    for (size_t i = 0; i < n; ++i)
        values[i] = block[(i * 2654435761u + i / block.size()) % block.size()];
    return values;
}

// Dense rate of cuBLAS on rows x d times d x latents, in FLOP/s, with outputs of `out` bytes.
double cublas_ms(cublasHandle_t handle, const Case& c, int rows, cudaDataType out,
                 const Buffer<__nv_bfloat16>& keys, const Buffer<__nv_bfloat16>& weights,
                 void* result) {
    const float one = 1, zero = 0;
    return time_of([&] {
        check(cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, c.latents, rows, c.d, &one,
                           weights.get(), CUDA_R_16BF, c.d, keys.get(), CUDA_R_16BF, c.d, &zero,
                           result, out, c.latents, CUBLAS_COMPUTE_32F,
                           CUBLAS_GEMM_DEFAULT) == CUBLAS_STATUS_SUCCESS,
              "cublasGemmEx");
    });
}

// Selection by sorting every row's latents; the faster of CUB's two segmented sorts.
double cub_ms(const Case& c, int rows, const float* values) {
    const size_t n = size_t(rows) * c.latents;
    Buffer<float> sorted;
    Buffer<uint16_t> indices, sorted_indices;
    Buffer<int> offsets;
    check(sorted.allocate(n));
    check(indices.allocate(n));
    check(sorted_indices.allocate(n));
    check(offsets.allocate(rows + 1));
    fill_offsets<<<rows / 256 + 1, 256>>>(offsets.get(), rows, c.latents);
    fill_indices<<<(n + 255) / 256, 256>>>(indices.get(), n, c.latents);
    double best = 1e30;
    for (const bool radix : {false, true}) {
        size_t bytes = 0;
        const auto sort = [&](void* memory) {
            const int items = static_cast<int>(n);
            if (radix) {
                cub::DeviceSegmentedRadixSort::SortPairsDescending(
                    memory, bytes, values, sorted.get(), indices.get(), sorted_indices.get(), items,
                    rows, offsets.get(), offsets.get() + 1);
            } else {
                cub::DeviceSegmentedSort::SortPairsDescending(
                    memory, bytes, values, sorted.get(), indices.get(), sorted_indices.get(), items,
                    rows, offsets.get(), offsets.get() + 1);
            }
        };
        sort(nullptr);
        Buffer<unsigned char> memory;
        check(memory.allocate(bytes));
        best = std::min(best, time_of([&] { sort(memory.get()); }, 3));
    }
    return best;
}

void run_case(cublasHandle_t handle, const Case& c, bool with_rivals) {
    const std::vector<float> keys = random_values(size_t(c.rows) * c.d, 1, 1);
    const std::vector<float> weights = random_values(size_t(c.latents) * c.d, 0.1f, 2);
    const std::vector<float> bias = random_values(c.latents, 0.01f, 3), zero(c.d, 0.0f);
    Buffer<float> device_keys, device_weights, device_bias, device_zero;
    check(device_keys.upload(keys.data(), keys.size()));
    check(device_weights.upload(weights.data(), weights.size()));
    check(device_bias.upload(bias.data(), bias.size()));
    check(device_zero.upload(zero.data(), zero.size()));
    std::vector<__half> halves(weights.size());
    for (size_t i = 0; i < halves.size(); ++i) halves[i] = __float2half(weights[i]);
    Buffer<__half> half_weights;
    check(half_weights.upload(halves.data(), halves.size()));
    Buffer<unsigned char> tiles;
    check(tiles.allocate(gpu::packed_bytes(c.latents, c.d)));
    gpu::SlotTables host{};
    host.mean = host.offset = device_zero.get();
    host.bias = device_bias.get();
    host.encoder = host.decoder = half_weights.get();
    Buffer<gpu::SlotTables> tables;
    check(tables.upload(&host, 1));
    check(gpu::pack_encoder(device_weights.get(), device_bias.get(), c.latents, c.d, tables.get(),
                            tiles.get(), nullptr));
    gpu::LatentSelector selector;
    check(selector.make(c.d, c.k, c.rows));
    Buffer<uint16_t> feature;
    Buffer<uint8_t> activation;
    Buffer<float> norm;
    check(feature.allocate(size_t(c.rows) * c.k));
    check(activation.allocate(size_t(c.rows) * c.k));
    check(norm.allocate(c.rows));
    gpu::FinishArgs args{};
    args.slots = tables.get();
    args.keys = device_keys.get();
    args.slot_rows = c.rows;
    args.n_slots = 1;
    args.n_rows = c.rows;
    args.latents = c.latents;
    args.k = c.k;
    args.centre = true;
    args.feature = feature.get();
    args.activation = activation.get();
    args.norm = norm.get();
    args.row_slots = 1;
    args.activation_scale = 1.0 / 200;
    const double select = time_of([&] { check(selector.select(args, nullptr)); });
    const double whole = time_of([&] { check(selector.run(args, true, nullptr)); });
    const double flop = 2.0 * c.d * c.latents * c.rows;
    const std::string name = "kernel_" + c.name() + "_n" + std::to_string(c.rows);
    std::printf("%s_select %.1f TFLOP/s\n", name.c_str(), flop / select * 1e-9);
    std::printf("%s_whole %.1f TFLOP/s\n", name.c_str(), flop / whole * 1e-9);
    std::printf("%s_per_key %.3f ns\n", name.c_str(), whole * 1e6 / c.rows);
    if (!with_rivals) return;

    std::vector<__nv_bfloat16> low(keys.size()), low_weights(weights.size());
    for (size_t i = 0; i < low.size(); ++i) low[i] = __float2bfloat16(keys[i]);
    for (size_t i = 0; i < low_weights.size(); ++i) low_weights[i] = __float2bfloat16(weights[i]);
    Buffer<__nv_bfloat16> bf_keys, bf_weights, bf_out;
    check(bf_keys.upload(low.data(), low.size()));
    check(bf_weights.upload(low_weights.data(), low_weights.size()));
    check(bf_out.allocate(size_t(c.rows) * c.latents));
    const double gemm =
        cublas_ms(handle, c, c.rows, CUDA_R_16BF, bf_keys, bf_weights, bf_out.get());
    bf_out = {};
    const int sorted_rows = std::min(c.rows, (1 << 26) / c.latents);  // sorting takes its time
    Buffer<float> values;
    check(values.allocate(size_t(sorted_rows) * c.latents));
    const double gemm_f32 =
        cublas_ms(handle, c, sorted_rows, CUDA_R_32F, bf_keys, bf_weights, values.get());
    const double sort = cub_ms(c, sorted_rows, values.get());
    std::printf("%s_cublas %.1f TFLOP/s\n", name.c_str(), flop / gemm * 1e-9);
    std::printf("%s_share_of_cublas %.3f ratio\n", name.c_str(), gemm / whole);
    std::printf("%s_select_share_of_cublas %.3f ratio\n", name.c_str(), gemm / select);
    std::printf("%s_over_cublas_and_cub %.1f times\n", name.c_str(),
                (gemm_f32 + sort) / sorted_rows / (whole / c.rows));
}

void square_rate(cublasHandle_t handle) {
    constexpr int kSize = 8192;
    const Case c{kSize, kSize, 0, kSize};
    const std::vector<float> values = random_values(size_t{kSize} * kSize, 1, 7);
    std::vector<__nv_bfloat16> low(values.size());
    for (size_t i = 0; i < low.size(); ++i) low[i] = __float2bfloat16(values[i]);
    Buffer<__nv_bfloat16> a, b, out;
    check(a.upload(low.data(), low.size()));
    check(b.upload(low.data(), low.size()));
    check(out.allocate(low.size()));
    const double ms = cublas_ms(handle, c, kSize, CUDA_R_16BF, a, b, out.get());
    std::printf("cublas_square_8192 %.1f TFLOP/s\n", 2.0 * kSize * kSize * kSize / ms * 1e-9);
}

}  // namespace

int main(int argc, char** argv) {
    const bool all = argc < 2 || std::string(argv[1]) != "--short";
    cublasHandle_t handle = nullptr;
    check(cublasCreate(&handle) == CUBLAS_STATUS_SUCCESS, "cublasCreate");
    cudaDeviceProp properties;
    check(cudaGetDeviceProperties(&properties, 0) == cudaSuccess, "no CUDA device");
    std::printf("# %s, %d multiprocessors\n", properties.name, properties.multiProcessorCount);
    run_case(handle, {128, 4096, 8, 1 << 18}, true);
    run_case(handle, {128, 4096, 8, 2048}, false);
    if (all) {
        square_rate(handle);
        run_case(handle, {64, 4096, 8, 1 << 18}, true);
        run_case(handle, {128, 1024, 8, 1 << 18}, true);
        run_case(handle, {128, 16384, 32, 1 << 16}, true);
        run_case(handle, {128, 16384, 64, 1 << 16}, true);
        run_case(handle, {64, 16384, 64, 1 << 16}, true);
    }
    cublasDestroy(handle);
    return 0;
}

// Encodes keys into sparse codes and a question's queries into feature weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "adapter/adapter.h"
#include "adapter/codes.h"

namespace s3attn {

// Rows of one head: row t is data[t * stride .. t * stride + d).
struct RowsView {
    const float* data = nullptr;
    uint32_t n_rows = 0;
    uint32_t d = 0;
    size_t stride = 0;  // in floats
};

// Which code path computes; every one selects the same features but for ties within 1e-5 relative.
enum class Simd { kBest, kScalar, kAvx2, kVnni };
bool simd_available(Simd simd);  // on this CPU

// Key side. Not thread-safe (scratch buffers); uses `threads` threads (0: all) inside encode().
class KeyEncoder {
  public:
    // The adapter must be valid (validate_adapter) and outlive the encoder; `simd` be available.
    KeyEncoder(const Adapter& adapter, uint32_t threads, Simd simd = Simd::kBest);
    ~KeyEncoder();
    // Writes slot `slot` of `batch`, which must already be sized (n_tokens == rows.n_rows). A row
    // without a direction (equal to the mean key, or not finite) gets only padding: feature 0 with
    // activation 0, which also fills up rows with fewer than k active latents.
    void encode(uint32_t slot, const RowsView& rows, CodeBatch& batch);
    // Activations before quantisation, [n_rows][k], largest first, 0 for padding: what training
    // needs for choose_activation_scale. Does not depend on Adapter::activation_scale.
    std::vector<float> activations(uint32_t slot, const RowsView& rows);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// The scale at which one in a thousand of these activations exceeds the largest byte; 1/200 when
// there is none.
float choose_activation_scale(std::vector<float> activations);

// The slow, obvious twin of KeyEncoder::encode: double precision, full sort. For tests.
void encode_reference(const Adapter& adapter, uint32_t slot, const RowsView& rows,
                      CodeBatch& batch);

// u_ij of one head for every row, as encode_queries() sets them: for callers that encode the rows
// of a long question in several parts.
std::vector<float> query_token_shares(const Adapter& adapter, uint32_t head, const RowsView& rows);

// Query side: fills QueryCodes::heads[head] from that head's raw query rows (pre-RoPE).
void encode_queries(const Adapter& adapter, uint32_t head, const RowsView& rows, QueryCodes& codes);

// S3-Attention Eq. 7: the question's centred queries through the *key* SAE; top-k activations as
// weights, multiplied by IDF(f) = 1 / (log(1 + freq(f)) + 1) by the scorer.
void encode_queries_eq7(const Adapter& adapter, uint32_t head, const RowsView& rows,
                        QueryCodes& codes);

}  // namespace s3attn

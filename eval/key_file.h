// Keys of every token, 4 bits a dimension: what attention would be paid with, but for rounding.
//
// A file of rows [token][slot], each a float scale s and d / 2 bytes of two values v each, low half
// first; the dimension's value is s * (v - 8). Rows are unit(key - mean key of the slot).
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "eval/scan_model.h"

namespace s3attn::eval {

struct KeyFileSlot {
    uint32_t layer = 0, kv_head = 0;
    std::vector<float> mean;  // [d]
};

inline size_t key_row_bytes(uint32_t d) { return sizeof(float) + d / 2; }
// Largest absolute value to 7; a row without a direction is all zero.
void pack_key(const float* key, const float* mean, uint32_t d, std::byte* row);
void unpack_key(const std::byte* row, uint32_t d, float* out);

// Reads the documents as the indexer does (chunks of whole documents' tokens) and writes their keys
// to `path`; returns the cost, without bytes and peak.
Result<IndexCost> write_key_file(ScanModel& model, const std::vector<KeyFileSlot>& slots,
                                 const std::vector<std::string>& documents, const std::string& path,
                                 ProgressSink& sink, const CancelToken& cancel);

// Means of the keys of layer 0 (per KV head) and of its queries (per query head), over the first
// 16,384 tokens of the documents.
struct LayerMeans {
    std::vector<std::vector<float>> keys, queries;
};
Result<LayerMeans> measure_layer0_means(ScanModel& model, const std::vector<std::string>& documents,
                                        const CancelToken& cancel);

class KeyFile {
  public:
    // kCorrupt when its size is not that of n_tokens.
    static Result<std::unique_ptr<KeyFile>> open(const std::string& path, uint32_t n_slots,
                                                 uint32_t d, uint64_t n_tokens);
    void read(uint64_t token, uint32_t slot, float* out) const {
        unpack_key(bytes_ + (token * n_slots_ + slot) * key_row_bytes(d_), d_, out);
    }

  private:
    std::shared_ptr<MappedFile> map_;
    const std::byte* bytes_ = nullptr;
    uint32_t n_slots_ = 0, d_ = 0;
};

}  // namespace s3attn::eval

// The middle of the write path: tokens in, codes out, in order. On a CPU a batch is a chunk, coded
// when it is submitted; on a device batches of chunks are scanned by a thread of their own, so that
// the caller reads, tokenizes and writes meanwhile.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "adapter/adapter.h"
#include "adapter/codes.h"
#include "model/language_model.h"
#include "s3attn/result.h"

namespace s3attn {

class ChunkCoder {
  public:
    virtual ~ChunkCoder() = default;
    // Most tokens of a batch: so many whole chunks.
    virtual uint32_t batch_tokens() const = 0;
    // Whole chunks, or one that is shorter. May wait for earlier batches to be scanned; there is
    // room for their codes however late they are taken.
    virtual Status submit(std::span<const int32_t> tokens) = 0;
    // Codes of the oldest batch that was not taken; nullptr when there is none yet, or, with
    // `wait`, none at all. Valid until the next call.
    virtual Result<const CodeBatch*> take(bool wait) = 0;
    // Milliseconds spent so far: "scan", "encode".
    virtual std::map<std::string, double> timings_ms() const = 0;
};

// Scanner and adapter must outlive the coder.
std::unique_ptr<ChunkCoder> make_host_coder(Scanner& scanner, const Adapter& adapter,
                                            uint32_t threads);
// The scanner must run on a device. "encode" is what the forward passes waited for the encoder.
Result<std::unique_ptr<ChunkCoder>> make_device_coder(Scanner& scanner, const Adapter& adapter);

}  // namespace s3attn

// The bytes of one block, as a decoder gets them once the checksum is right. What it accepts with
// all checks on must be what the encoder writes for the same postings.
#include <cstring>
#include <random>

#include "store/block_codec.h"
#include "target.h"

namespace s3attn::fuzz {
namespace {

struct Header {
    uint16_t latents, n_tokens;
    uint32_t n_postings;
};

}  // namespace

std::vector<std::string> seeds() {
    std::vector<std::string> all;
    std::mt19937 random(7);
    BlockEncoder encoder;
    for (const auto& [latents, n_tokens] : {std::pair{1u, 1u}, {5u, 300u}, {200u, 40u}}) {
        std::vector<Posting> postings;
        for (uint32_t t = 0; t < n_tokens; ++t) {
            for (uint32_t f = 0; f < latents; ++f) {
                if (f > 0 && random() % 4 != 0) continue;
                postings.push_back({static_cast<uint16_t>(t), static_cast<uint16_t>(f),
                                    static_cast<uint8_t>(1 + random() % 255)});
            }
        }
        const Header header{static_cast<uint16_t>(latents - 1), static_cast<uint16_t>(n_tokens - 1),
                            static_cast<uint32_t>(postings.size() - 1)};
        std::string seed(reinterpret_cast<const char*>(&header), sizeof header);
        if (!encoder.encode(postings, latents, n_tokens, seed)) fail("a seed cannot be encoded");
        all.push_back(std::move(seed));
    }
    return all;
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    fuzz::Header header;
    if (size <= sizeof header) return 0;
    std::memcpy(&header, data, sizeof header);
    const std::string bytes(reinterpret_cast<const char*>(data) + sizeof header,
                            size - sizeof header);
    std::string padded = bytes + std::string(kDecodeSlack, '\x5a');
    padded.shrink_to_fit();
    EncodedBlock block;
    block.data = reinterpret_cast<const uint8_t*>(padded.data());
    block.length = bytes.size();
    block.latents = uint32_t{header.latents} + 1;
    block.n_tokens = 1 + header.n_tokens % kBlockTokens;
    // What the directory of a segment guarantees: some, and at most tokens x k.
    block.n_postings = 1 + header.n_postings % (1u << 17);
    BlockScratch scratch;
    std::vector<uint32_t> features;
    for (uint32_t f = 0; f < block.latents; f += 1 + f / 2) features.push_back(f);
    if (decode_features(block, features, scratch) == nullptr) {
        for (uint32_t i = 0; i < scratch.feature_begin[features.size()]; ++i) {
            if (scratch.position[i] >= block.n_tokens) fuzz::fail("a position is out of range");
        }
    }
    if (decode_block(block, true, scratch) != nullptr) return 0;
    std::vector<Posting> postings;
    for (uint32_t f = 0; f < block.latents; ++f) {
        for (uint32_t i = scratch.feature_begin[f]; i < scratch.feature_begin[f + 1]; ++i) {
            if (scratch.position[i] >= block.n_tokens) fuzz::fail("a position is out of range");
            postings.push_back(
                {scratch.position[i], static_cast<uint16_t>(f), scratch.activation[i]});
        }
    }
    std::string again;
    if (!BlockEncoder().encode(postings, block.latents, block.n_tokens, again)) {
        fuzz::fail("the decoder gave a feature twice at one position");
    }
    if (again != bytes) fuzz::fail("a block that no encoder writes was accepted");
    return 0;
}

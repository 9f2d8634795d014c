// Position codecs on the lists of a recording (index_record): bytes and decoding speed.
//   codec_bench RECORDING
// StreamVByte (where libstreamvbyte is installed) codes the gaps of each list less one; Elias-Fano
// is the segment format's. Both are given blocks of kBlockTokens and whole lists at a time.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "base/timing.h"
#include "recording.h"
#include "store/block_codec.h"

#ifdef S3ATTN_STREAMVBYTE
#include <streamvbyte.h>
#endif

namespace {

using namespace s3attn;
using Lists = std::vector<std::vector<Posting>>;  // [feature]

// Of one slot, from token `begin` on.
Lists lists_of_block(const bench::Recording& recording, uint32_t slot, uint32_t begin) {
    Lists lists(recording.shape.latents);
    const StoreShape& shape = recording.shape;
    for (uint32_t t = 0; t < kBlockTokens; ++t) {
        const size_t group = (size_t{begin + t} * shape.n_slots + slot) * shape.k;
        for (size_t i = group; i < group + shape.k; ++i) {
            if (recording.codes.activation[i] == 0) continue;
            const uint16_t f = recording.codes.feature[i];
            lists[f].push_back({static_cast<uint16_t>(t), f, recording.codes.activation[i]});
        }
    }
    return lists;
}

struct Totals {
    double postings = 0, entropy = 0, rice = 0, block_bytes = 0, block_ns = 0;
    double stream_bytes = 0, stream_ns = 0;
};

template <class F>
double best_ns(const F& f) {
    double best = 1e300;
    for (int round = 0; round < 5; ++round) {
        const Stopwatch watch;
        f();
        best = std::min(best, watch.seconds() * 1e9);
    }
    return best;
}

// What a Rice code with each list's best parameter would take for the positions.
double rice_bits(const std::vector<Posting>& list) {
    double best = 1e300;
    for (uint32_t r = 0; r < 15; ++r) {
        double bits = 0;
        uint32_t next = 0;
        for (const Posting& posting : list) {
            bits += 1 + r + ((posting.position - next) >> r);
            next = posting.position + 1u;
        }
        best = std::min(best, bits);
    }
    return best;
}

void measure_block(const Lists& lists, uint32_t latents, Totals& totals) {
    std::vector<Posting> postings;
    for (const auto& list : lists) postings.insert(postings.end(), list.begin(), list.end());
    std::string bytes;
    BlockEncoder().encode(postings, latents, kBlockTokens, bytes);
    const size_t length = bytes.size();
    bytes.resize(length + kDecodeSlack);
    const EncodedBlock block{reinterpret_cast<const uint8_t*>(bytes.data()), length, latents,
                             kBlockTokens, static_cast<uint32_t>(postings.size())};
    BlockScratch scratch;
    totals.postings += static_cast<double>(postings.size());
    totals.block_bytes += static_cast<double>(length);
    totals.block_ns += best_ns([&] { (void)decode_block(block, false, scratch); });
    for (const auto& list : lists) {
        if (list.empty()) continue;
        const double p = static_cast<double>(list.size()) / kBlockTokens;
        totals.entropy +=
            p >= 1 ? 0 : -double{kBlockTokens} * (p * std::log2(p) + (1 - p) * std::log2(1 - p));
        totals.rice += rice_bits(list);
    }
}

#ifdef S3ATTN_STREAMVBYTE
void measure_streamvbyte(const Lists& lists, Totals& totals) {
    std::vector<uint8_t> bytes;
    std::vector<uint32_t> gaps, out;
    std::vector<std::pair<size_t, uint32_t>> coded;  // where, how many
    for (const auto& list : lists) {
        if (list.empty()) continue;
        gaps.clear();
        uint32_t next = 0;
        for (const Posting& posting : list) {
            gaps.push_back(posting.position - next);
            next = posting.position + 1u;
        }
        const size_t at = bytes.size();
        bytes.resize(at + streamvbyte_max_compressedbytes(static_cast<uint32_t>(gaps.size())));
        const size_t n = streamvbyte_encode_0124(gaps.data(), static_cast<uint32_t>(gaps.size()),
                                                 bytes.data() + at);
        bytes.resize(at + n);
        coded.emplace_back(at, static_cast<uint32_t>(gaps.size()));
    }
    totals.stream_bytes += static_cast<double>(bytes.size());
    bytes.resize(bytes.size() + 16);
    out.resize(kBlockTokens + 16);
    totals.stream_ns += best_ns([&] {
        for (const auto& [at, n] : coded) {
            streamvbyte_decode_0124(bytes.data() + at, out.data(), n);
            uint32_t position = 0;  // the sums are part of the work
            for (uint32_t i = 0; i < n; ++i) out[i] = position += out[i] + (i > 0);
        }
    });
}
#endif

Status run(const std::string& directory) {
    bench::Recording recording;
    S3ATTN_CHECK(bench::read_codes(directory + "/codes.bin", recording));
    Totals totals;
    for (uint32_t slot = 0; slot < recording.shape.n_slots; ++slot) {
        for (uint32_t begin = 0; begin + kBlockTokens <= recording.codes.n_tokens;
             begin += kBlockTokens) {
            const Lists lists = lists_of_block(recording, slot, begin);
            measure_block(lists, recording.shape.latents, totals);
#ifdef S3ATTN_STREAMVBYTE
            measure_streamvbyte(lists, totals);
#endif
        }
    }
    const double n = totals.postings;
    if (n == 0) return bench::unreadable(directory + "/codes.bin");
    std::printf("codec_entropy_positions %.3f bits\n", totals.entropy / n);
    std::printf("codec_rice_positions %.3f bits\n", totals.rice / n);
    std::printf("codec_block_all_in %.3f bytes\n", totals.block_bytes / n);
    std::printf("codec_block_decode %.3f ns\n", totals.block_ns / n);
#ifdef S3ATTN_STREAMVBYTE
    std::printf("codec_streamvbyte_positions %.3f bits\n", 8 * totals.stream_bytes / n);
    std::printf("codec_streamvbyte_all_in %.3f bytes\n",
                (totals.stream_bytes + n) / n + 0.03);  // a byte of activation, counts
    std::printf("codec_streamvbyte_decode %.3f ns\n", totals.stream_ns / n);
#else
    std::printf("codec_streamvbyte 0 not_installed\n");
#endif
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: codec_bench RECORDING\n");
        return 2;
    }
    const Status status = run(argv[1]);
    if (status.ok()) return 0;
    std::fprintf(stderr, "error: %s\n", status.error().message.c_str());
    return 1;
}

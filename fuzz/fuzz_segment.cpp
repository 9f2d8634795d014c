// A segment file of any bytes: open, verify, and every block in both ways of reading it.
#include <numeric>

#include "random_codes.h"
#include "store/segment.h"
#include "target.h"

namespace s3attn::fuzz {
namespace {

const Scratch& scratch() {
    static const Scratch directory;
    return directory;
}

void check(const BlockView& view, size_t lists) {
    if (view.feature_begin.size() != lists + 1) fail("feature_begin has a wrong length");
    for (size_t f = 0; f < lists; ++f) {
        if (view.feature_begin[f] > view.feature_begin[f + 1]) fail("lists do not ascend");
    }
    if (view.feature_begin[lists] > view.position.size()) fail("lists end behind the postings");
    for (uint32_t i = 0; i < view.feature_begin[lists]; ++i) {
        if (view.position[i] >= view.n_tokens) fail("a position is out of range");
    }
}

}  // namespace

std::vector<std::string> seeds() {
    std::vector<std::string> all;
    const StoreShape shapes[] = {{1, 4, 1}, {2, 64, 4}, {1, 300, 8}};
    for (uint32_t i = 0; i < 3; ++i) {
        for (const uint32_t n : {1u, 40u}) {
            const std::string path = scratch() / "seed.seg";
            if (!write_segment(path, i, shapes[i], random_codes(i, n, shapes[i])).ok()) {
                fail("a seed cannot be written");
            }
            all.push_back(read_file(path));
        }
    }
    return all;
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    const std::string path = fuzz::scratch() / "input.seg";
    fuzz::write_file(path, data, size);
    const auto opened = open_segment(path);
    const bool clean = verify_segment(path).ok();
    if (!opened.ok()) {
        if (clean) fuzz::fail("verify accepts what open refuses");
        return 0;
    }
    const Segment& segment = **opened;
    BlockScratch scratch;
    std::vector<uint32_t> features;
    for (uint32_t f = 0; f < segment.latents(); f += 1 + f / 3) features.push_back(f);
    for (uint32_t block = 0; block < segment.n_blocks() && block < 64; ++block) {
        for (uint32_t slot = 0; slot < segment.n_slots() && slot < 16; ++slot) {
            if (const auto view = segment.read_block(slot, block, scratch); view.ok()) {
                fuzz::check(*view, segment.latents());
            } else if (clean) {
                fuzz::fail("verify accepts a block that cannot be read");
            }
            if (const auto view = segment.read_features(slot, block, features, scratch);
                view.ok()) {
                fuzz::check(*view, features.size());
            }
        }
    }
    return 0;
}

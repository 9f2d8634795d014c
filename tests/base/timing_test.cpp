#include "base/timing.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

namespace s3attn {
namespace {

TEST(Stopwatch, CountsFromItsConstruction) {
    const Stopwatch watch;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const double seconds = watch.seconds();
    EXPECT_GE(seconds, 0.02);
    EXPECT_LT(seconds, 20.0);
    EXPECT_GE(watch.milliseconds(), seconds * 1e3);  // later, and in other units
}

TEST(Memory, ResidentSetSeesTouchedPages) {
    const uint64_t before = current_rss_bytes();
    ASSERT_GT(before, uint64_t{100} << 10);
    std::vector<char> block(size_t{64} << 20);
    std::memset(block.data(), 1, block.size());
    const volatile char kept = block[block.size() / 2];
    EXPECT_EQ(kept, 1);
    EXPECT_GE(current_rss_bytes(), before + (uint64_t{48} << 20));
    EXPECT_GE(peak_rss_bytes(), before + (uint64_t{48} << 20));
    EXPECT_LT(peak_rss_bytes(), uint64_t{1} << 40);  // bytes, not KiB twice
}

TEST(Memory, PeakNeverFalls) {
    const uint64_t before = peak_rss_bytes();
    { std::vector<char> block(1 << 20, 1); }
    EXPECT_GE(peak_rss_bytes(), before);
}

}  // namespace
}  // namespace s3attn

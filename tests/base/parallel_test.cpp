#include "base/parallel.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <thread>
#include <vector>

namespace s3attn {
namespace {

TEST(ThreadPool, EveryTaskRunsExactlyOnce) {
    for (const uint32_t threads : {1u, 2u, 7u}) {
        ThreadPool pool(threads);
        EXPECT_EQ(pool.size(), threads);
        for (const uint32_t n : {0u, 1u, 2u, 6u, 1000u}) {
            std::vector<std::atomic<int>> runs(n);
            pool.run(n, [&](uint32_t i) { runs[i].fetch_add(1); });
            for (const auto& count : runs) EXPECT_EQ(count.load(), 1);
        }
    }
}

// A worker that wakes late must not run a task of a call that has returned.
TEST(ThreadPool, ManyShortCallsStayApart) {
    ThreadPool pool(4);
    for (int call = 0; call < 5000; ++call) {
        std::vector<int> results(3, -1);
        pool.run(3, [&](uint32_t i) { results[i] = call; });
        ASSERT_EQ(results, std::vector<int>(3, call));
    }
}

TEST(ThreadPool, ResultsAreVisibleAfterRun) {
    ThreadPool pool(3);
    std::vector<uint64_t> squares(10'000);
    pool.run(10'000, [&](uint32_t i) { squares[i] = uint64_t{i} * i; });
    for (uint32_t i = 0; i < squares.size(); ++i) ASSERT_EQ(squares[i], uint64_t{i} * i);
}

TEST(ThreadPool, UnusedPoolEnds) { ThreadPool pool(8); }

TEST(Parallel, AvailableThreadsFollowsTheAffinityMask) {
    EXPECT_GE(available_threads(), 1u);
    uint32_t pinned = 0;
    std::thread([&] {
        cpu_set_t all, one;
        ASSERT_EQ(sched_getaffinity(0, sizeof all, &all), 0);
        CPU_ZERO(&one);
        for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &all)) {
                CPU_SET(cpu, &one);
                break;
            }
        }
        ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);  // this thread only
        pinned = available_threads();
    }).join();
    EXPECT_EQ(pinned, 1u);
}

}  // namespace
}  // namespace s3attn

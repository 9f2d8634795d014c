// A system that gives no more threads: the work is done by those there are.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <vector>

#include "base/parallel.h"

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)

namespace {
std::atomic<int> g_threads_left{1 << 20};
}

// Stands in front of the C library's: std::thread comes through here.
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) {
    using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
    static const auto real = reinterpret_cast<Create>(::dlsym(RTLD_NEXT, "pthread_create"));
    if (g_threads_left-- <= 0) return EAGAIN;
    return real(thread, attributes, start, argument);
}

namespace s3attn {
namespace {

TEST(ThreadPoolLimit, FewerThreadsDoAllTheWork) {
    for (const int left : {0, 1, 2}) {
        g_threads_left = left;
        ThreadPool pool(4);
        g_threads_left = 1 << 20;
        EXPECT_EQ(pool.size(), static_cast<uint32_t>(left) + 1);
        std::vector<std::atomic<int>> done(100);
        pool.run(100, [&](uint32_t i) { ++done[i]; });
        for (const auto& each : done) EXPECT_EQ(each, 1);
    }
}

}  // namespace
}  // namespace s3attn

#endif

// Memory that runs out at a chosen allocation. For one file of an executable of its own: it
// replaces operator new.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>

#include "base/guarded.h"
#include "s3attn/reason.h"

namespace {

// Allocations until one fails; below 0: none does. With g_all, all after it fail too.
std::atomic<long> g_left{-1};
std::atomic<bool> g_all{false}, g_failed{false};

bool may_allocate() {
    if (g_left.load() < 0) return true;
    if (g_left.fetch_sub(1) > 0) return true;
    g_failed = true;
    g_left = g_all ? 0 : -1;
    return false;
}

}  // namespace

// Not inlined: the compiler would take malloc and delete for a mistake.
__attribute__((noinline)) void* operator new(size_t size) {
    void* memory = may_allocate() ? std::malloc(size == 0 ? 1 : size) : nullptr;
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}
void* operator new[](size_t size) { return operator new(size); }
__attribute__((noinline)) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete[](void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, size_t) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete[](void* memory, size_t) noexcept {
    std::free(memory);
}

namespace s3attn {

// Calls `call` with the n-th allocation failing, for n from 0 in `steps` until it no longer reaches
// that many; then, with `lasting`, with all after the n-th failing too. Returns how often it
// failed.
inline int fail_each(int step, const std::function<Status()>& call,
                     const std::function<void()>& check, bool lasting = true) {
    int failures = 0;
    for (const bool all : {false, true}) {
        if (all && !lasting) break;
        for (long n = 0;; n += step) {
            g_failed = false;
            g_all = all;
            g_left = n;
            const Status status = guarded(call);
            g_left = -1;
            if (!g_failed) {
                EXPECT_TRUE(status.ok()) << status.error().message;
                break;
            }
            // Some allocations are of use and not of need: then the call may succeed.
            if (!status.ok()) {
                ++failures;
                EXPECT_EQ(status.error().code, ErrorCode::kExhausted)
                    << n << status.error().message;
                EXPECT_EQ(status.error().reason, reason::kNoMemory) << n;
            }
            check();
        }
    }
    return failures;
}

template <class T>
Status status_of(const Result<T>& result) {
    return result.ok() ? Status() : Status(result.error());
}

}  // namespace s3attn

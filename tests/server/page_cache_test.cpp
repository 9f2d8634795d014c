// What was drawn is kept, so many bytes of it, and drawn once.
#include "page_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace s3attn::server {
namespace {

std::string text_of(const Outcome<PageCache::Bytes>& page) {
    const auto* bytes = std::get_if<PageCache::Bytes>(&page);
    return bytes != nullptr ? **bytes : std::get<Failure>(page).code;
}

TEST(PageCache, KeepsTheLastUsedWithinItsBound) {
    PageCache cache(10, 4);
    int drawn = 0;
    const auto get = [&](const std::string& name, size_t bytes) {
        return text_of(cache.get(name, [&]() -> Outcome<std::string> {
            ++drawn;
            return std::string(bytes, name[0]);
        }));
    };
    EXPECT_EQ(get("a", 4), "aaaa");
    EXPECT_EQ(get("b", 4), "bbbb");
    EXPECT_EQ(get("a", 4), "aaaa");
    EXPECT_EQ(drawn, 2);
    EXPECT_EQ(get("c", 4), "cccc");  // b was used longest ago
    EXPECT_EQ(cache.bytes(), 8u);
    get("a", 4);
    EXPECT_EQ(drawn, 3);
    get("b", 4);
    EXPECT_EQ(drawn, 4);
    EXPECT_EQ(get("large", 11), std::string(11, 'l'));  // given out, not kept
    EXPECT_LE(cache.bytes(), 10u);
}

TEST(PageCache, AFailureIsNotKept) {
    PageCache cache(10, 4);
    const auto fail = []() -> Outcome<std::string> { return Failure{500, "broken", "", "", 0}; };
    EXPECT_EQ(text_of(cache.get("a", fail)), "broken");
    EXPECT_EQ(text_of(cache.get("a", []() -> Outcome<std::string> { return "x"; })), "x");
}

TEST(PageCache, OnePageIsDrawnOnceAndTooManyAreTurnedAway) {
    PageCache cache(100, 3);
    std::atomic<int> drawn{0};
    std::atomic<bool> go{false};
    const auto draw = [&]() -> Outcome<std::string> {
        ++drawn;
        while (!go) std::this_thread::yield();
        return "page";
    };
    std::vector<std::thread> clients;
    std::atomic<int> same{0};
    for (int i = 0; i < 3; ++i) {
        clients.emplace_back([&] { same += text_of(cache.get("p", draw)) == "page"; });
    }
    while (cache.waiting() < 3) std::this_thread::yield();
    EXPECT_EQ(text_of(cache.get("q", draw)), "overloaded");
    go = true;
    for (std::thread& client : clients) client.join();
    EXPECT_EQ(same, 3);
    EXPECT_EQ(drawn, 1);
}

}  // namespace
}  // namespace s3attn::server

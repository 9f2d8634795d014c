#include <gtest/gtest.h>

#include "remote/event_stream.h"
#include "remote/reader_url.h"

namespace s3attn {
namespace {

TEST(ReaderUrl, IsTakenApart) {
    const auto url = parse_reader_url("http://localhost:11434/v1/#llama3.1:8b");
    ASSERT_TRUE(url.ok());
    EXPECT_EQ(url->base, "http://localhost:11434/v1");
    EXPECT_EQ(url->model, "llama3.1:8b");
    EXPECT_TRUE(url->loopback);
    EXPECT_TRUE(parse_reader_url("https://[::1]:8/v1")->loopback);
    EXPECT_FALSE(parse_reader_url("https://example.com/v1#a")->loopback);
    EXPECT_FALSE(is_reader_url("models/http.gguf"));
    for (const char* same : {"http://[::1]:8/v1#org/name:8b#x", "http://[::1]:8#org/name:8b#x",
                             "http://[::1]:8/#org/name:8b#x", "http://[::1]:8/v1/#org/name:8b#x",
                             "http://[::1]:8/v1/chat/completions#org/name:8b#x"}) {
        const auto read = parse_reader_url(same);
        ASSERT_TRUE(read.ok()) << same;
        EXPECT_EQ(read->base, "http://[::1]:8/v1") << same;
        EXPECT_EQ(read->model, "org/name:8b#x") << same;
    }
    EXPECT_EQ(parse_reader_url("https://example.com/api/openai/")->base,
              "https://example.com/api/openai");
}

TEST(ReaderUrl, WhatCannotBeIsRefusedWithoutShowingIt) {
    for (const char* bad : {"ftp://host/v1", "http://", "http:///v1", "http://me:secret@host/v1#m",
                            "http://host /v1", "http://host/v1?key=secret#m", "https://[]/v1"}) {
        const auto url = parse_reader_url(bad);
        ASSERT_FALSE(url.ok()) << bad;
        EXPECT_EQ(url.error().message.find("secret"), std::string::npos);
    }
}

std::vector<std::string> events_of(const std::string& text, size_t step) {
    EventStream stream;
    std::vector<std::string> events;
    const auto take = [&](const std::string& data) -> Result<bool> {
        events.push_back(data);
        return true;
    };
    for (size_t i = 0; i < text.size(); i += step) {
        EXPECT_TRUE(stream.feed(std::string_view(text).substr(i, step), take).ok());
    }
    EXPECT_TRUE(stream.finish(take).ok());
    return events;
}

TEST(EventStream, EventsDoNotDependOnWhereBytesAreCut) {
    const std::string text =
        ": a comment\n\nevent: x\r\ndata: one\r\n\r\ndata:two\ndata: lines\n\n\n\nid: 7\n\ndata: "
        "last";
    for (size_t step = 1; step < text.size(); ++step) {
        EXPECT_EQ(events_of(text, step), (std::vector<std::string>{"one", "two\nlines", "last"}))
            << step;
    }
}

TEST(EventStream, AnEventWithoutEndIsRefused) {
    EventStream stream;
    const std::string block(1 << 20, 'x');
    const auto take = [](const std::string&) -> Result<bool> { return true; };
    bool refused = false;
    for (int i = 0; i < 20 && !refused; ++i) refused = !stream.feed(block, take).ok();
    EXPECT_TRUE(refused);
}

}  // namespace
}  // namespace s3attn

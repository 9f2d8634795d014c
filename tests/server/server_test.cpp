// The server's parts that need no engine and no socket.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <future>
#include <sstream>
#include <system_error>

#include "answer/followup.h"
#include "chat.h"
#include "chunked_body.h"
#include "connection_pool.h"
#include "errors.h"
#include "merge_found.h"
#include "request_head.h"
#include "uploads.h"

namespace s3attn::server {
namespace {

int status_of(const std::string& head) { return read_framing(head, 1000).status; }

TEST(RequestHead, FramingIsDecidedOnceAndStrictly) {
    const std::string post = "POST / HTTP/1.1\r\n";
    EXPECT_EQ(read_framing(post + "Content-Length: 12\r\n\r\n", 1000).body_bytes, 12u);
    EXPECT_EQ(read_framing("GET / HTTP/1.1\r\n\r\n", 1000).status, 0);
    EXPECT_EQ(read_framing(post + "\r\n", 1000).body_bytes, 0u);  // without a length: no body
    EXPECT_TRUE(read_framing(post + "Transfer-Encoding: Chunked\r\n\r\n", 1000).chunked);
    EXPECT_EQ(status_of(post + "transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n"), 400);
    EXPECT_EQ(status_of(post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
              400);
    EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
    EXPECT_EQ(status_of(post + "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n"), 501);
    EXPECT_EQ(status_of(post + "Content-Length: 1000\r\n\r\n"), 0);
    EXPECT_EQ(status_of(post + "Content-Length: 1001\r\n\r\n"), 413);
    EXPECT_EQ(status_of(post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400);
    EXPECT_EQ(status_of(post + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 0);
    for (const char* length : {"", "-1", "+1", "1 2", "0x1", "1,1", "99999999999999999999"}) {
        EXPECT_EQ(status_of(post + "Content-Length: " + length + "\r\n\r\n"), 400) << length;
    }
    EXPECT_EQ(status_of(post + "Content-Length : 1\r\n\r\n"), 400);
    EXPECT_EQ(status_of(post + "Content-Length: 1\r\n folded\r\n\r\n"), 400);
    EXPECT_EQ(status_of(post + "no colon\r\n\r\n"), 400);
    EXPECT_EQ(status_of("BREW / HTTP/1.1\r\n\r\n"), 405);
    EXPECT_EQ(status_of(std::string("GET /\0 HTTP/1.1\r\n\r\n", 19)), 400);
}

TEST(RequestHead, LinesAreBounded) {
    const std::string get = "GET /", version = " HTTP/1.1";
    const std::string path(kMostTargetBytes - get.size() - version.size(), 'x');
    EXPECT_EQ(status_of(get + path + version + "\r\n\r\n"), 0);
    EXPECT_EQ(status_of(get + path + "x" + version + "\r\n\r\n"), 414);
    const std::string value(kMostHeaderBytes - 3, 'y');
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nX: " + value + "\r\n\r\n"), 0);
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nX: " + value + "y\r\n\r\n"), 431);
}

TEST(RequestHead, LibraryGetsNoLineThatItTakesWrong) {
    const auto head_of = [](const std::string& head) { return read_framing(head, 1000).head; };
    EXPECT_EQ(head_of("POST /v1/search/?a=/b/ HTTP/1.1\r\nHost: x\r\n"
                      "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
                      "Content-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"),
              "POST /v1/search?a=/b/ HTTP/1.1\r\ns3attn-ended-in-slash: 1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(head_of("GET /a HTTP/1.1\r\nS3attn-Ended-In-Slash: 1\r\n\r\n"),
              "GET /a HTTP/1.1\r\n\r\n")
        << "ours alone";
    for (const char* kept : {"GET / HTTP/1.1\r\n\r\n", "GET /a?x HTTP/1.1\r\n\r\n",
                             "POST /a HTTP/1.1\r\nContent-Type: application/json\r\n\r\n",
                             "POST /a HTTP/1.1\r\nContent-Encoding: gzip\r\n\r\n"}) {
        EXPECT_EQ(head_of(kept), kept);
    }
}

// What a body in chunks holds, however its bytes come in; and how many of them were its.
std::optional<std::string> dechunked(const std::string& bytes, size_t piece, size_t room,
                                     uint64_t most, size_t* used = nullptr) {
    ChunkedBody body(most);
    std::string content, out(room, 0);
    size_t at = 0;
    while (at < bytes.size() && !body.ended()) {
        const auto taken = body.take(std::string_view(bytes).substr(at, piece), out.data(), room);
        content.append(out, 0, taken.content);
        at += taken.used;
    }
    if (used != nullptr) *used = at;
    if (body.state() != ChunkedBody::State::kDone) return {};
    return content;
}

TEST(Chunks, AreTakenApartStrictly) {
    const std::string good = "5\r\nhello\r\n00a;x=\"y\"\r\n, 0123456\r\r\n0\r\nTrailer: x\r\n\r\n";
    size_t used = 0;
    EXPECT_EQ(dechunked(good + "GET /", 3, 4, 15, &used), "hello, 0123456\r");
    EXPECT_EQ(used, good.size());
    EXPECT_EQ(dechunked(good, 3, 4, 14), std::nullopt);  // one byte over
    EXPECT_EQ(dechunked("0\r\n\r\n", 1, 1, 0), "");
    for (const char* bad :
         {"", "\r\n", "x\r\n", "-1\r\n", " 5\r\nhello\r\n0\r\n\r\n", "5\nhello\n0\n\n",
          "5\r\nhello!\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n",
          "fffffffffffffffff\r\n", "5\r\nhello\r\n0\r\n", ";\r\n"}) {
        EXPECT_EQ(dechunked(bad, 7, 7, 1000), std::nullopt) << bad;
    }
    EXPECT_EQ(dechunked("0;" + std::string(5000, 'x') + "\r\n\r\n", 7, 7, 1000), std::nullopt);
    EXPECT_EQ(dechunked("0\r\n" + std::string(5000, 'x') + "\r\n\r\n", 7, 7, 1000), std::nullopt);
}

RC_GTEST_PROP(Chunks, ComeBackWhole, (const std::vector<std::string>& parts)) {
    std::string bytes, content;
    for (const std::string& part : parts) {
        if (part.empty()) continue;
        std::ostringstream size;
        size << std::hex << part.size();
        bytes += size.str() + "\r\n" + part + "\r\n";
        content += part;
    }
    bytes += "0\r\n\r\n";
    const size_t piece = *rc::gen::inRange<size_t>(1, 40), room = *rc::gen::inRange<size_t>(1, 40);
    RC_ASSERT(dechunked(bytes, piece, room, content.size()) == content);
}

RC_GTEST_PROP(Chunks, AnyBytesAreBounded, (const std::string& bytes)) {
    const auto content = dechunked(bytes, 5, 5, 10);
    RC_ASSERT(!content || content->size() <= 10u);
}

TEST(Connections, NoThreadLeftIsARefusal) {
    int threads = 0;
    ConnectionPool pool(8, [&](std::function<void()> run) {
        if (++threads > 1) throw std::system_error(EAGAIN, std::generic_category());
        return std::thread(std::move(run));
    });
    std::promise<void> running, end;
    pool.enqueue([&] {
        running.set_value();
        end.get_future().wait();
    });
    running.get_future().wait();
    bool refused = false;
    pool.enqueue([&] { refused = ConnectionPool::refusing(); });
    EXPECT_TRUE(refused);
    end.set_value();
}

TEST(RequestHead, EndsAtTheEmptyLine) {
    EXPECT_EQ(end_of_head("GET / HTTP/1.1\r\n\r\nbody"), 18u);
    EXPECT_EQ(end_of_head("GET / HTTP/1.1\n\nbody"), 16u);
    EXPECT_EQ(end_of_head("GET / HTTP/1.1\r\nHost: x\r\n"), 0u);
    EXPECT_EQ(end_of_head(""), 0u);
}

RC_GTEST_PROP(RequestHead, AnyBytesAreBounded, (const std::string& bytes)) {
    const size_t end = end_of_head(bytes);
    RC_ASSERT(end <= bytes.size());
    const Framing framing = read_framing(bytes, 1000);
    RC_ASSERT(framing.body_bytes <= 1000u);
}

TEST(Names, OnePathComponentOnly) {
    for (const char* good : {"a", "book.md", "Über uns.txt", "<b>.txt", "a..b", "名前.txt"}) {
        EXPECT_EQ(problem_of_name(good), "") << good;
    }
    for (const char* bad : {"", ".", "..", ".git", "a/b", "/etc/passwd", "a\\b", "a\nb", "\xff"}) {
        EXPECT_NE(problem_of_name(bad), "") << bad;
    }
    EXPECT_NE(problem_of_name(std::string("a\0b", 3)), "");
    std::string cjk;
    for (int i = 0; i < 66; ++i) cjk += "名";
    EXPECT_EQ(problem_of_name(cjk + ".txt"), "");  // 202 bytes
    EXPECT_EQ(problem_of_name(std::string(255, 'x')), "");
    EXPECT_NE(problem_of_name(std::string(256, 'x')), "");
}

TEST(FollowUp, PointsBackOrStandsAlone) {
    const std::vector<ChatTurn> history = {
        {"system", "Be brief."}, {"user", "Who wrote the book?"}, {"assistant", "Leroux."}};
    const std::string before = "Who wrote the book?\n";
    for (const char* question :
         {"When did he die?", "And the preface?", "Why?", "What is that about?"}) {
        EXPECT_EQ(retrieval_question(history, question), before + question);
    }
    for (const char* question : {"Who built the opera house in Paris?", "What does Erik sing?"}) {
        EXPECT_EQ(retrieval_question(history, question), question);
    }
    EXPECT_EQ(retrieval_question({}, "When did he die?"), "When did he die?");
    std::vector<ChatTurn> longer = history;
    longer.push_back({"user", "When did he die?"});
    EXPECT_EQ(retrieval_question(longer, "Where?"), before + "When did he die?\nWhere?");
}

// However the text is cut into pieces, it ends before the first stop text.
RC_GTEST_PROP(StopTexts, DoNotDependOnThePieces, ()) {
    const auto text = *rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c'));
    const auto stops = *rc::gen::container<std::vector<std::string>>(
        rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::element('a', 'b', 'c'))));
    size_t end = text.size();  // the text ends before the first stop text that is complete
    for (size_t n = 1; n <= text.size() && end == text.size(); ++n) {
        for (const std::string& stop : stops) {
            if (text.substr(0, n).ends_with(stop)) end = std::min(end, n - stop.size());
        }
        if (end < n) break;
    }
    StopTexts filter(stops);
    std::string out;
    for (size_t at = 0; at < text.size() && !filter.stopped();) {
        const size_t n = *rc::gen::inRange<size_t>(1, 5);
        out += filter.feed(std::string_view(text).substr(at, n));
        at += n;
    }
    out += filter.finish();
    RC_ASSERT(out == text.substr(0, end));
}

SearchResult result_of(const std::vector<std::string>& texts, double evidence, bool found = true) {
    SearchResult result;
    result.evidence_score = evidence;
    result.evidence_found = found;
    for (const std::string& text : texts) {
        Span span;
        span.text = text;
        span.tokens = 10;
        result.spans.push_back(span);
        result.attention.spans.emplace_back();
    }
    result.used_tokens = static_cast<uint32_t>(10 * texts.size());
    return result;
}

std::string order_of(const Found& found) {
    std::string order;
    for (const Span& span : found.result.spans) order += span.text + " ";
    return order;
}

TEST(MergeFound, TakesTurnsWithinTheBudget) {
    const auto a = result_of({"a1", "a2", "a3"}, 0.5), b = result_of({"b1", "b2"}, 0.7);
    Found found = merge_found({{0, a}, {1, b}}, 40, 0);
    EXPECT_EQ(order_of(found), "b1 a1 b2 a2 ");
    EXPECT_EQ(found.result.used_tokens, 40u);
    EXPECT_EQ(found.stores, (std::vector<size_t>{1, 0, 1, 0}));
    EXPECT_EQ(found.result.attention.spans.size(), 4u);
    EXPECT_EQ(order_of(merge_found({{0, a}, {1, b}}, 100, 3)), "b1 a1 b2 ");
    EXPECT_EQ(order_of(merge_found({{0, a}}, 100, 0)), "a1 a2 a3 ");
    const auto none = result_of({"c1"}, 0.9, false);
    EXPECT_EQ(order_of(merge_found({{0, a}, {1, none}}, 100, 0)), "a1 a2 a3 ");
    EXPECT_EQ(order_of(merge_found({{0, none}, {1, none}}, 100, 0)), "c1 c1 ");
}

TEST(Errors, HaveOpenAisShape) {
    const Json json = error_json({404, "model_not_found", "no \xff model", "model", 0});
    EXPECT_EQ(json["error"]["type"], "invalid_request_error");
    EXPECT_EQ(json["error"]["param"], "model");
    EXPECT_NE(dump(json).find("no \uFFFD model"), std::string::npos);
    EXPECT_EQ(error_json({503, "overloaded", "x", "", 5})["error"]["type"], "overloaded_error");
}

}  // namespace
}  // namespace s3attn::server

// Takes the chunks of a body apart (RFC 9112, 7.1), strictly and within bounds.
//
// cpp-httplib 0.11.4 has known holes there, and never sees a chunk: it is given the body as if it
// ended with the connection (connection.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace s3attn::server {

class ChunkedBody {
  public:
    enum class State { kMore, kDone, kMalformed, kTooLarge };
    struct Taken {
        size_t used = 0;     // bytes of the input that are done with
        size_t content = 0;  // bytes of the body that were written
    };

    // `most`: bytes of content that are taken.
    explicit ChunkedBody(uint64_t most) : most_(most) {}
    // A lower bound than before; what has come already counts.
    void limit(uint64_t most) { most_ = most < most_ ? most : most_; }
    // Reads from `in`, writes at most `size` bytes of content to `to`. Stops before more of it does
    // not fit, at the end of `in`, and at the end of the body: what follows is the next request's.
    Taken take(std::string_view in, char* to, size_t size);
    State state() const { return state_; }
    bool ended() const { return state_ != State::kMore; }
    uint64_t content_bytes() const { return content_; }

  private:
    enum class At {
        kSize,
        kExtension,
        kSizeEnd,
        kData,
        kDataEnd,
        kDataFeed,
        kTrailer,
        kTrailerEnd
    };
    void take_byte(char c);
    void take_size_digit(char c);
    void end_of_size();

    uint64_t most_;
    State state_ = State::kMore;
    At at_ = At::kSize;
    uint64_t left_ = 0;     // of this chunk
    uint64_t content_ = 0;  // so far
    int digits_ = 0;        // of this chunk's size
    size_t extra_ = 0;      // bytes of extensions and trailers, which nobody reads
    size_t line_ = 0;       // bytes of this trailer line
};

}  // namespace s3attn::server

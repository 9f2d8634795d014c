#include "chunked_body.h"

#include <algorithm>
#include <cstring>

namespace s3attn::server {
namespace {

constexpr int kMostDigits = 15;      // of a size: below 2^60
constexpr size_t kMostExtra = 4096;  // in all

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

}  // namespace

ChunkedBody::Taken ChunkedBody::take(std::string_view in, char* to, size_t size) {
    Taken taken;
    while (state_ == State::kMore && taken.used < in.size()) {
        if (at_ != At::kData) {
            take_byte(in[taken.used++]);
            continue;
        }
        const size_t n = static_cast<size_t>(
            std::min<uint64_t>({left_, in.size() - taken.used, size - taken.content}));
        if (n == 0) break;
        std::memcpy(to + taken.content, in.data() + taken.used, n);
        taken.used += n;
        taken.content += n;
        content_ += n;
        left_ -= n;
        if (left_ == 0) at_ = At::kDataEnd;
    }
    return taken;
}

void ChunkedBody::take_byte(char c) {
    const auto expect = [&](char wanted, At next) {
        at_ = next;
        if (c != wanted) state_ = State::kMalformed;
    };
    switch (at_) {
        case At::kSize: take_size_digit(c); break;
        case At::kExtension:
            if (c == '\r') {
                at_ = At::kSizeEnd;
            } else if (is_control(c) || ++extra_ > kMostExtra) {
                state_ = State::kMalformed;
            }
            break;
        case At::kSizeEnd:
            expect('\n', At::kSizeEnd);
            if (state_ == State::kMore) end_of_size();
            break;
        case At::kData: break;  // take() copies it
        case At::kDataEnd: expect('\r', At::kDataFeed); break;
        case At::kDataFeed: expect('\n', At::kSize); break;
        case At::kTrailer:
            if (c == '\r') {
                at_ = At::kTrailerEnd;
            } else if (is_control(c) || ++extra_ > kMostExtra) {
                state_ = State::kMalformed;
            } else {
                ++line_;
            }
            break;
        case At::kTrailerEnd:
            expect('\n', At::kTrailer);
            if (state_ == State::kMore && line_ == 0) state_ = State::kDone;
            line_ = 0;
            break;
    }
}

void ChunkedBody::take_size_digit(char c) {
    const int digit = hex_digit(c);
    if (digit >= 0 && ++digits_ <= kMostDigits) {
        left_ = left_ * 16 + static_cast<uint64_t>(digit);
    } else if (digit < 0 && digits_ > 0 && c == '\r') {
        at_ = At::kSizeEnd;
    } else if (digit < 0 && digits_ > 0 && c == ';') {
        at_ = At::kExtension;
    } else {
        state_ = State::kMalformed;
    }
}

void ChunkedBody::end_of_size() {
    digits_ = 0;
    at_ = left_ == 0 ? At::kTrailer : At::kData;
    if (content_ > most_ || left_ > most_ - content_) state_ = State::kTooLarge;
}

}  // namespace s3attn::server

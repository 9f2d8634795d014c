#include "text/text_window.h"

#include <unicode/ucnv.h>
#include <unicode/utf8.h>

#include <algorithm>

namespace s3attn::text {
namespace {

constexpr size_t kLongestCharacter = 32;  // source bytes of one character, shift sequences included
constexpr uint64_t kMaxGap = 64u << 20;

class Utf8Decoder : public Decoder {
  public:
    size_t decode(std::string_view bytes, bool last, std::string& text,
                  std::vector<uint64_t>*) override {
        const auto* s = reinterpret_cast<const uint8_t*>(bytes.data());
        const size_t begin = text.size();
        // Four bytes of room: a character that the window cuts waits for the next one.
        const size_t stop = last ? bytes.size() : bytes.size() - std::min<size_t>(bytes.size(), 3);
        text.append(bytes);
        size_t i = 0;
        while (i < stop) {
            if (s[i] < 0x80) {
                if (s[i] == 0) text[begin + i] = ' ';
                ++i;
                continue;
            }
            size_t next = i;
            UChar32 c;
            U8_NEXT(s, next, bytes.size(), c);
            if (c < 0) {
                text[begin + i] = '?';
                next = i + 1;
            }
            i = next;
        }
        text.resize(begin + i);
        return i;
    }
    bool keeps_length() const override { return true; }
};

void append_utf8(std::string& text, UChar32 c) {
    char buffer[4];
    int32_t n = 0;
    UBool bad = false;
    U8_APPEND(reinterpret_cast<uint8_t*>(buffer), n, 4, c, bad);
    if (bad) {
        text += "\xEF\xBF\xBD";
    } else {
        text.append(buffer, static_cast<size_t>(n));
    }
}

class IcuDecoder : public Decoder {
  public:
    explicit IcuDecoder(UConverter* converter) : converter_(converter) {}
    ~IcuDecoder() override { ucnv_close(converter_); }

    // One character at a time: the only ICU call that tells exactly which bytes made it.
    size_t decode(std::string_view bytes, bool last, std::string& text,
                  std::vector<uint64_t>* offsets) override {
        const char* const begin = bytes.data();
        const char* const limit = begin + bytes.size();
        const char* source = begin;
        const char* const stop =
            last ? limit : limit - std::min<size_t>(bytes.size(), kLongestCharacter);
        while (source < stop) {
            const char* const start = source;
            UErrorCode status = U_ZERO_ERROR;
            UChar32 c = ucnv_getNextUChar(converter_, &source, limit, &status);
            if (status == U_INDEX_OUTOFBOUNDS_ERROR) {  // only shift sequences were left
                source = limit;
                break;
            }
            if (U_FAILURE(status)) {
                c = 0xFFFD;
                if (status == U_TRUNCATED_CHAR_FOUND) ucnv_resetToUnicode(converter_);
                if (source == start) ++source;
            }
            const size_t have = text.size();
            append_utf8(text, c == 0 ? ' ' : c);
            if (offsets != nullptr) {
                offsets->insert(offsets->end(), text.size() - have,
                                static_cast<uint64_t>(start - begin));
            }
        }
        return static_cast<size_t>(source - begin);
    }
    bool keeps_length() const override { return false; }

  private:
    UConverter* converter_;
};

}  // namespace

std::unique_ptr<Decoder> make_utf8_decoder() { return std::make_unique<Utf8Decoder>(); }

Result<std::unique_ptr<Decoder>> make_converter(const std::string& encoding) {
    UErrorCode status = U_ZERO_ERROR;
    UConverter* converter = ucnv_open(encoding.c_str(), &status);
    if (U_FAILURE(status)) {
        return make_error(ErrorCode::kUnsupported, "no converter for the encoding " + encoding);
    }
    ucnv_setToUCallBack(converter, UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &status);
    return std::unique_ptr<Decoder>(std::make_unique<IcuDecoder>(converter));
}

TextWindow::TextWindow(std::shared_ptr<SourceFile> source, uint64_t begin,
                       std::unique_ptr<Decoder> decoder, size_t step)
    : source_(std::move(source)),
      decoder_(std::move(decoder)),
      step_(std::max<size_t>(step, 1)),
      read_offset_(begin),
      first_source_(begin) {}

TextWindow::TextWindow(std::string whole) : text_(std::move(whole)), complete_(true) {}

Status TextWindow::load(uint64_t end) {
    while (!complete_ && this->end() < end) {
        const size_t have = raw_.size();
        raw_.resize(have + step_);
        S3ATTN_TRY(const size_t got, source_->read_at(read_offset_, raw_.data() + have, step_));
        raw_.resize(have + got);
        const uint64_t raw_begin = read_offset_ - have;
        read_offset_ += got;
        complete_ = got < step_;
        if (decoder_->keeps_length()) {
            raw_.erase(0, decoder_->decode(raw_, complete_, text_, nullptr));
        } else {
            const size_t first = offsets_.size();
            raw_.erase(0, decoder_->decode(raw_, complete_, text_, &offsets_));
            for (size_t i = first; i < offsets_.size(); ++i) offsets_[i] += raw_begin;
        }
    }
    return {};
}

std::string_view TextWindow::view(uint64_t from, uint64_t to) const {
    to = std::min(to, end());
    if (from >= to) return {};
    return std::string_view(text_).substr(head_ + (from - begin_), to - from);
}

uint64_t TextWindow::source_offset(uint64_t position) const {
    if (!decoder_ || decoder_->keeps_length()) return first_source_ + position;
    const uint64_t index = head_ + (position - begin_);
    return index < offsets_.size() ? offsets_[index] : read_offset_ - raw_.size();
}

void TextWindow::discard_before(uint64_t position) {
    if (position <= begin_) return;
    const uint64_t kept_from = std::min(position, end());
    head_ += kept_from - begin_;
    begin_ = kept_from;
    // Moving the rest to the front costs its length: only when at least as much is thrown away.
    if (source_ == nullptr || head_ < text_.size() / 2) return;
    text_.erase(0, head_);
    if (!offsets_.empty()) {
        offsets_.erase(offsets_.begin(), offsets_.begin() + static_cast<ptrdiff_t>(head_));
    }
    head_ = 0;
}

Result<SpaceRun> skip_space(TextWindow& window, uint64_t position, const std::string& path) {
    uint64_t want = 64;
    for (;;) {
        S3ATTN_CHECK(window.ensure(position + want + 4));
        const std::string_view text = window.view(position, position + want + 4);
        const SpaceRun run = space_run(text);
        // Three bytes of room: the last character of the view may be cut.
        if (run.length + 3 < text.size()) return run;
        if (window.complete() && position + want + 4 >= window.end()) return run;
        if (run.length > kMaxGap) {
            return make_error(ErrorCode::kUnsupported,
                              path + ": more than 64 MiB of nothing but whitespace at byte " +
                                  std::to_string(window.source_offset(position)));
        }
        want *= 4;
    }
}

}  // namespace s3attn::text

#include "model/llama_tokenizer.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <limits>
#include <optional>
#include <unordered_map>

#include "base/utf8.h"

namespace s3attn {
namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";  // U+2581: how SPM spells a space
constexpr size_t kCutWindow = 16 * 1024;
constexpr int kControlDepth = 4;  // rounds of cutting control-token text apart

bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
// Bytes of text that `piece` spells at the front of it; nullopt when it spells something else.
// A space in a piece may stand for U+2581 in the text: SPM writes both the same way.
std::optional<size_t> spelled(std::string_view piece, std::string_view text) {
    size_t at = 0;
    for (const char c : piece) {
        if (at < text.size() && text[at] == c) {
            ++at;
        } else if (c == ' ' && text.substr(at).starts_with(kSpaceSymbol)) {
            at += kSpaceSymbol.size();
        } else {
            return std::nullopt;
        }
    }
    return at;
}

}  // namespace

std::string with_valid_utf8(std::string_view text) {
    std::string valid(text);
    for (size_t at = 0; at < valid.size();) {
        const size_t length = utf8_length(std::string_view(valid).substr(at));
        if (length == 0) valid[at] = '?';
        at += std::max<size_t>(length, 1);
    }
    return valid;
}

size_t segment_end(std::string_view text, size_t begin) {
    if (text.size() - begin <= kSegmentBytes) return text.size();
    const size_t limit = begin + kSegmentBytes;  // < text.size()
    for (size_t at = std::min(limit, text.size() - 2); at > limit - kCutWindow; --at) {
        if (text[at] == ' ' && is_ascii_letter(text[at - 1]) && is_ascii_letter(text[at + 1])) {
            return at;
        }
    }
    for (size_t at = limit; at > limit - kCutWindow; --at) {
        if (text[at - 1] == '\n') return at;
    }
    for (size_t at = limit; at > limit - 4; --at) {
        if (!utf8_continues(text[at])) return at;
    }
    return limit;
}

Result<std::unique_ptr<LlamaTokenizer>> LlamaTokenizer::make(const llama_vocab* vocab,
                                                             const std::string& model_name) {
    const auto type = llama_vocab_type(vocab);
    if (type != LLAMA_VOCAB_TYPE_BPE && type != LLAMA_VOCAB_TYPE_SPM) {
        const char* kind = type == LLAMA_VOCAB_TYPE_WPM    ? "WordPiece"
                           : type == LLAMA_VOCAB_TYPE_UGM  ? "Unigram"
                           : type == LLAMA_VOCAB_TYPE_NONE ? "no"
                                                           : "an unknown";
        return make_error(ErrorCode::kUnsupported,
                          model_name + " has " + kind +
                              " tokenizer: its tokens do not spell the text byte for byte, so "
                              "evidence could not be located. Use a model with a BPE or "
                              "SentencePiece tokenizer.");
    }
    std::unique_ptr<LlamaTokenizer> tokenizer(new LlamaTokenizer(vocab, model_name));
    S3ATTN_TRY(const Encoded probe, tokenizer->encode("a", true));
    tokenizer->adds_space_ =
        !probe.ids.empty() && tokenizer->piece(probe.ids.front()).starts_with(' ');
    return tokenizer;
}

LlamaTokenizer::LlamaTokenizer(const llama_vocab* vocab, std::string model_name)
    : vocab_(vocab), model_name_(std::move(model_name)) {
    const int32_t n = llama_vocab_n_tokens(vocab);
    piece_begin_.reserve(static_cast<size_t>(n) + 1);
    std::vector<char> buffer(256);
    for (int32_t id = 0; id < n; ++id) {
        piece_begin_.push_back(static_cast<uint32_t>(pieces_.size()));
        int32_t got = llama_token_to_piece(vocab, id, buffer.data(),
                                           static_cast<int32_t>(buffer.size()), 0, false);
        if (got < 0) {
            buffer.resize(static_cast<size_t>(-got));
            got = llama_token_to_piece(vocab, id, buffer.data(),
                                       static_cast<int32_t>(buffer.size()), 0, false);
        }
        if (got > 0) pieces_.append(buffer.data(), static_cast<size_t>(got));
    }
    piece_begin_.push_back(static_cast<uint32_t>(pieces_.size()));
}

std::string_view LlamaTokenizer::piece(int32_t id) const {
    if (id < 0 || static_cast<size_t>(id) + 1 >= piece_begin_.size()) return {};
    const auto i = static_cast<size_t>(id);
    return std::string_view(pieces_).substr(piece_begin_[i], piece_begin_[i + 1] - piece_begin_[i]);
}

bool LlamaTokenizer::is_control(int32_t id) const {
    return llama_vocab_is_eog(vocab_, id) || llama_vocab_is_control(vocab_, id);
}

Result<LlamaTokenizer::Encoded> LlamaTokenizer::encode(std::string_view segment, bool first) const {
    Encoded encoded;
    // In the middle of a text the space that the tokenizer adds takes the place of the real one.
    const bool at_space = adds_space_ && !first && segment.size() > 1 && segment.starts_with(' ');
    if (at_space) segment.remove_prefix(1);
    encoded.prefix = adds_space_ && !at_space ? 1 : 0;
    if (segment.empty()) return encoded;
    encoded.ids.resize(segment.size() + 2);
    int32_t n = -1;
    try {
        n = llama_tokenize(vocab_, segment.data(), static_cast<int32_t>(segment.size()),
                           encoded.ids.data(), static_cast<int32_t>(encoded.ids.size()), false,
                           false);
    } catch (const std::exception& e) {
        // llama.cpp throws on a character that the vocabulary cannot express at all.
        return make_error(ErrorCode::kUnsupported, "the tokenizer of " + model_name_ +
                                                       " cannot express the text (" + e.what() +
                                                       "). Use another model.");
    }
    if (n < 0) {
        return make_error(ErrorCode::kInternal, "the tokenizer of " + model_name_ +
                                                    " made more tokens than bytes of a text");
    }
    encoded.ids.resize(static_cast<size_t>(n));
    return encoded;
}

Status LlamaTokenizer::append_offsets(std::string_view segment, const Encoded& encoded,
                                      uint64_t base, Tokens& out) const {
    const auto lost = [&](size_t at) {
        return make_error(ErrorCode::kUnsupported,
                          "the tokens of " + model_name_ + " do not spell the text: byte " +
                              std::to_string(base + at) +
                              " cannot be located. Use a model with another tokenizer.");
    };
    size_t at = 0;                             // in segment
    bool virtual_space = encoded.prefix != 0;  // pieces spell a space that the text lacks
    for (const int32_t id : encoded.ids) {
        std::string_view piece = this->piece(id);
        if (virtual_space && piece.starts_with(' ')) {
            piece.remove_prefix(1);
            virtual_space = false;
        }
        const std::optional<size_t> length = spelled(piece, segment.substr(at));
        if (!length) return lost(at);
        out.ids.push_back(id);
        out.begin.push_back(base + at);
        at += *length;
    }
    return at == segment.size() ? Status() : lost(at);
}

std::string LlamaTokenizer::with_known_characters(std::string_view segment) const {
    std::unordered_map<std::string_view, bool> known;
    std::string text(segment);
    for (size_t at = 0; at < segment.size();) {
        const size_t length = std::max<size_t>(utf8_length(segment.substr(at)), 1);
        const std::string_view character = segment.substr(at, length);
        const auto [entry, is_new] = known.try_emplace(character, false);
        if (is_new) {
            Tokens alone;
            const auto encoded = encode(character, true);
            entry->second = encoded.ok() && append_offsets(character, *encoded, 0, alone).ok();
        }
        if (!entry->second) std::fill_n(text.begin() + static_cast<ptrdiff_t>(at), length, '?');
        at += length;
    }
    return text;
}

Status LlamaTokenizer::append_segment(std::string_view segment, uint64_t base, int depth,
                                      Tokens& out) const {
    S3ATTN_TRY(const Encoded encoded, encode(segment, base == 0));
    const auto control = [this](int32_t id) { return is_control(id); };
    if (std::none_of(encoded.ids.begin(), encoded.ids.end(), control)) {
        return append_offsets(segment, encoded, base, out);
    }
    // Cut each such text after its first character: in two parts it is not recognised.
    std::vector<size_t> cuts = control_cuts(segment, encoded);
    if (depth == 0 || cuts.empty()) {
        return make_error(ErrorCode::kUnsupported, "the tokenizer of " + model_name_ +
                                                       " cannot treat a control token as text. "
                                                       "Use a model with another tokenizer.");
    }
    cuts.push_back(segment.size());
    size_t from = 0;
    for (const size_t cut : cuts) {
        S3ATTN_CHECK(append_segment(segment.substr(from, cut - from), base + from, depth - 1, out));
        from = cut;
    }
    return {};
}

std::vector<size_t> LlamaTokenizer::control_cuts(std::string_view segment,
                                                 const Encoded& encoded) const {
    std::vector<size_t> cuts;
    size_t at = 0;
    bool virtual_space = encoded.prefix != 0;
    for (const int32_t id : encoded.ids) {
        const bool cut_here = is_control(id);
        std::string_view piece = cut_here ? llama_vocab_get_text(vocab_, id) : this->piece(id);
        if (virtual_space && piece.starts_with(' ')) {
            piece.remove_prefix(1);
            virtual_space = false;
        }
        const auto length = spelled(piece, segment.substr(at));
        if (cut_here) {
            const size_t cut = at + std::max<size_t>(utf8_length(segment.substr(at)), 1);
            if (cut < segment.size() && (cuts.empty() || cut > cuts.back())) cuts.push_back(cut);
        }
        if (!length) break;  // the rest is looked at again in its own part
        at += *length;
    }
    return cuts;
}

Result<Tokens> LlamaTokenizer::tokenize(std::string_view text) const {
    Tokens tokens;
    tokens.ids.reserve(text.size() / 4 + 1);
    tokens.begin.reserve(text.size() / 4 + 2);
    for (size_t at = 0; at < text.size();) {
        const size_t end = segment_end(text, at);
        const std::string segment = with_valid_utf8(text.substr(at, end - at));
        const size_t before = tokens.ids.size();
        if (!append_segment(segment, at, kControlDepth, tokens).ok()) {
            // Some vocabularies lack a few characters, and drop them or fail.
            tokens.ids.resize(before);
            tokens.begin.resize(before);
            S3ATTN_CHECK(append_segment(with_known_characters(segment), at, kControlDepth, tokens));
        }
        at = end;
    }
    tokens.begin.push_back(text.size());
    return tokens;
}

Result<uint32_t> LlamaTokenizer::count(std::string_view text) const {
    S3ATTN_TRY(const Tokens tokens, tokenize(text));
    if (tokens.ids.size() > std::numeric_limits<uint32_t>::max()) {
        return make_error(ErrorCode::kInvalidArgument, "the text has more than 2^32 tokens");
    }
    return static_cast<uint32_t>(tokens.ids.size());
}

}  // namespace s3attn

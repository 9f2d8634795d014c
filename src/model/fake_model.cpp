#include "model/fake_model.h"

#include <algorithm>
#include <cmath>

#include "base/files.h"
#include "base/timing.h"

namespace s3attn {
namespace {

constexpr size_t kMaxWordBytes = 24;

// splitmix64: the only source of "weights".
uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

bool is_word_byte(unsigned char c) {
    return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

unsigned char lower(unsigned char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<unsigned char>(c - 'A' + 'a') : c;
}

// The id is the word's hash itself: capture() sees ids only, and needs no vocabulary.
int32_t token_id(std::string_view piece) {
    if (piece.size() > 1 && piece.front() == ' ') piece.remove_prefix(1);
    uint64_t h = 14695981039346656037u;
    for (unsigned char c : piece) h = (h ^ lower(c)) * 1099511628211u;
    return static_cast<int32_t>(mix(h) & 0x7fffffff);
}

class FakeTokenizer final : public Tokenizer {
  public:
    explicit FakeTokenizer(FakeOptions::Units units) : units_(units) {}

    Result<Tokens> tokenize(std::string_view text) const override {
        Tokens tokens;
        size_t at = 0;
        while (at < text.size()) {
            const size_t end = token_end(text, at);
            tokens.begin.push_back(at);
            tokens.ids.push_back(token_id(text.substr(at, end - at)));
            at = end;
        }
        tokens.begin.push_back(text.size());
        return tokens;
    }

    Result<uint32_t> count(std::string_view text) const override {
        uint32_t n = 0;
        for (size_t at = 0; at < text.size(); at = token_end(text, at)) ++n;
        return n;
    }

  private:
    size_t token_end(std::string_view text, size_t at) const {
        if (units_ == FakeOptions::Units::kBytes) return at + 1;
        size_t end = at;
        if (text[end] == ' ' && end + 1 < text.size() &&
            is_word_byte(static_cast<unsigned char>(text[end + 1]))) {
            ++end;
        }
        if (!is_word_byte(static_cast<unsigned char>(text[end]))) return end + 1;
        const size_t limit = std::min(text.size(), end + kMaxWordBytes);
        while (end < limit && is_word_byte(static_cast<unsigned char>(text[end]))) ++end;
        return end;
    }

    FakeOptions::Units units_;
};

// Adds weight * (unit vector drawn from `key`) to row.
void add_direction(uint64_t key, float weight, std::span<float> row) {
    const float scale = weight * std::sqrt(3.0f / static_cast<float>(row.size()));
    uint64_t state = mix(key);
    for (float& value : row) {
        state = mix(state);
        const float uniform = static_cast<float>(state >> 40) * (2.0f / 16777216.0f) - 1.0f;
        value += scale * uniform;
    }
}

class FakeScanner final : public Scanner {
  public:
    explicit FakeScanner(const FakeOptions& options)
        : options_(options), info_(fake_model_info(options)), tokenizer_(options.units) {}

    const ModelInfo& info() const override { return info_; }
    const Tokenizer& tokenizer() const override { return tokenizer_; }
    uint32_t chunk_tokens() const override { return options_.chunk_tokens; }

    Status capture(std::span<const int32_t> tokens, std::span<const uint32_t> layers,
                   Projection projection, const ProjectionSink& sink,
                   const CancelToken* cancel) override {
        if (options_.on_capture) S3ATTN_CHECK(options_.on_capture());
        if (cancel != nullptr && cancel->cancelled()) {
            return make_error(ErrorCode::kCancelled, "interrupted");
        }
        if (tokens.empty() || tokens.size() > options_.chunk_tokens) {
            return make_error(ErrorCode::kInvalidArgument,
                              "capture of " + std::to_string(tokens.size()) +
                                  " tokens; allowed: 1 to " +
                                  std::to_string(options_.chunk_tokens));
        }
        for (size_t i = 0; i < layers.size(); ++i) {
            if (layers[i] >= options_.n_layer || (i > 0 && layers[i] <= layers[i - 1])) {
                return make_error(ErrorCode::kInvalidArgument,
                                  "capture of layer " + std::to_string(layers[i]) +
                                      ": layers must be ascending and below " +
                                      std::to_string(options_.n_layer));
            }
            S3ATTN_CHECK(deliver(tokens, layers[i], projection, sink));
        }
        return {};
    }

  private:
    Status deliver(std::span<const int32_t> tokens, uint32_t layer, Projection projection,
                   const ProjectionSink& sink) {
        const bool is_key = projection == Projection::kKey;
        const uint32_t heads = is_key ? options_.n_head_kv : options_.n_head;
        const uint32_t group = is_key ? 1 : options_.n_head / options_.n_head_kv;
        const size_t d = options_.d_head;
        rows_.assign(tokens.size() * heads * d, 0.0f);
        for (size_t t = 0; t < tokens.size(); ++t) {
            for (uint32_t h = 0; h < heads; ++h) {
                std::span<float> row(rows_.data() + (t * heads + h) * d, d);
                // Queries share their KV head's directions, so equal words attract.
                const uint64_t head =
                    mix(options_.seed) ^ mix((uint64_t{layer} << 32) | (h / group));
                add_direction(head ^ mix(static_cast<uint64_t>(tokens[t])), 1.0f, row);
                if (t > 0) {
                    add_direction(head ^ mix(static_cast<uint64_t>(tokens[t - 1])),
                                  options_.context_weight, row);
                }
                // Keys and queries sit in different places, as in a real model.
                add_direction(head ^ (is_key ? 0x6b6579u : 0x717279u), options_.mean_weight, row);
            }
        }
        return sink(ProjectionView{layer, projection, rows_.data(),
                                   static_cast<uint32_t>(tokens.size()), heads, options_.d_head,
                                   heads * d, d});
    }

    FakeOptions options_;
    ModelInfo info_;
    FakeTokenizer tokenizer_;
    std::vector<float> rows_;
};

// From `begin` to the end of the first sentence (". ", "! ", "? " or a newline).
std::string_view first_sentence(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\n') return text.substr(0, i);
        const bool stop = text[i] == '.' || text[i] == '!' || text[i] == '?';
        if (stop && (i + 1 == text.size() || text[i + 1] == ' ' || text[i + 1] == '\n')) {
            return text.substr(0, i + 1);
        }
    }
    return text;
}

std::string_view fake_answer(std::span<const ChatTurn> messages) {
    for (size_t i = messages.size(); i-- > 0;) {
        if (messages[i].role != "user") continue;
        std::string_view text = messages[i].text;
        const size_t evidence = text.find("[1]");
        if (evidence != std::string_view::npos) text.remove_prefix(evidence + 3);
        while (!text.empty() && (text.front() == ' ' || text.front() == '\n'))
            text.remove_prefix(1);
        return first_sentence(text);
    }
    return "Nothing was asked.";
}

class FakeReader final : public Reader {
  public:
    explicit FakeReader(const FakeOptions& options)
        : options_(options),
          info_{options.name, "fake", options.context_tokens, 0, false},
          tokenizer_(options.units) {}

    const ReaderInfo& info() const override { return info_; }
    Result<uint32_t> count(std::string_view text) const override { return tokenizer_.count(text); }

    Result<uint32_t> count_chat(std::span<const ChatTurn> messages) const override {
        uint32_t n = 3;  // the turn that is opened for the answer
        for (const ChatTurn& message : messages) {
            S3ATTN_TRY(const uint32_t text, tokenizer_.count(message.text));
            n += 3 + text;  // begin, role, end of turn
        }
        return n;
    }

    Result<GenerateResult> chat(std::span<const ChatTurn> messages, const GenerateOptions& options,
                                const std::function<bool(std::string_view)>& on_piece) override {
        const Stopwatch watch;
        if (messages.empty()) {
            return make_error(ErrorCode::kInvalidArgument, "a chat needs at least one message");
        }
        GenerateResult result;
        S3ATTN_TRY(result.prompt_tokens, count_chat(messages));
        if (result.prompt_tokens + 1 > options_.context_tokens) {
            return make_error(ErrorCode::kInvalidArgument,
                              "the prompt has " + std::to_string(result.prompt_tokens) +
                                  " tokens; the window of " + options_.name + " holds " +
                                  std::to_string(options_.context_tokens));
        }
        const uint32_t room =
            std::min(options.max_tokens, options_.context_tokens - result.prompt_tokens);
        const std::string_view answer = fake_answer(messages);
        S3ATTN_TRY(const Tokens tokens, tokenizer_.tokenize(answer));
        for (size_t i = 0; i < tokens.ids.size(); ++i) {
            if (options.cancel != nullptr && options.cancel->cancelled()) {
                if (i == 0) return make_error(ErrorCode::kCancelled, "interrupted");
                result.finish = FinishReason::kCancelled;
                break;
            }
            if (result.generated_tokens == room) {
                result.finish = FinishReason::kLength;
                break;
            }
            ++result.generated_tokens;
            if (i == 0) result.first_token_ms = watch.milliseconds();
            if (!on_piece(answer.substr(tokens.begin[i], tokens.begin[i + 1] - tokens.begin[i]))) {
                result.finish = FinishReason::kCancelled;
                break;
            }
        }
        result.total_ms = watch.milliseconds();
        return result;
    }

  private:
    FakeOptions options_;
    ReaderInfo info_;
    FakeTokenizer tokenizer_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_fake_tokenizer(const FakeOptions& options) {
    return std::make_unique<FakeTokenizer>(options.units);
}

std::unique_ptr<Scanner> make_fake_scanner(const FakeOptions& options) {
    return std::make_unique<FakeScanner>(options);
}

std::unique_ptr<Reader> make_fake_reader(const FakeOptions& options) {
    return std::make_unique<FakeReader>(options);
}

ModelInfo fake_model_info(const FakeOptions& options) {
    ModelInfo info;
    info.name = options.name;
    info.architecture = "fake";
    info.identity = hash_bytes("fake model " + options.name + " " + std::to_string(options.seed));
    info.file_hash = hash_bytes(info.identity + options.quantisation);
    info.tokenizer_hash =
        hash_bytes(options.units == FakeOptions::Units::kWords ? "fake words" : "fake bytes");
    info.n_layer = options.n_layer;
    info.n_head = options.n_head;
    info.n_head_kv = options.n_head_kv;
    info.d_head = options.d_head;
    info.n_ctx_train = options.context_tokens;
    info.file_bytes = 1;
    return info;
}

}  // namespace s3attn

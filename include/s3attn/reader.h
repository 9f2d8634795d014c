// Reader: what writes answers. A GGUF on this machine, or a model behind a server; the library
// asks it through this interface alone, and loads it when an answer is wanted, never before.
//
// Threads: one call at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "s3attn/progress.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

#pragma GCC visibility push(default)  // the shared library hides all else
namespace s3attn {

struct ReaderInfo {
    std::string name;            // for people and JSON: a file's name, a model's name on a server
    std::string kind;            // where it runs: "gguf", "openai"
    uint32_t window_tokens = 0;  // prompt and answer together
    // Counts may be short by this share of them: 0 where the tokenizer is the reader's own. Callers
    // that fill a window leave so much room.
    double count_margin = 0;
    bool has_weights = false;  // they are in this process: likelihood() works
    uint64_t parameters = 0;   // 0: unknown
};

struct GenerateOptions {
    uint32_t max_tokens = 256;
    float temperature = 0.0f;  // 0: greedy
    uint32_t seed = 1;
    const CancelToken* cancel = nullptr;  // while the prompt is read: kCancelled; then: the end
};

enum class FinishReason {
    kStop,       // the reader ended its turn
    kLength,     // max_tokens or the window ran out before
    kCancelled,  // the CancelToken, or the receiver of the pieces, ended it
};

struct GenerateResult {
    uint32_t prompt_tokens = 0;
    uint32_t generated_tokens = 0;
    FinishReason finish = FinishReason::kStop;
    double first_token_ms = 0;  // call to first generated token
    double total_ms = 0;
    std::vector<std::string> notes = {};  // what was not done as asked, in words
    bool stopped_at_limit() const { return finish == FinishReason::kLength; }
};

// A prompt whose continuation is looked at. Special-token text in it stays text.
struct ReaderPrompt {
    std::string text;
    bool chat = true;  // as the user's message through the model's chat template; false: as it is
};

struct Likelihood {
    uint32_t tokens = 0;
    double log_likelihood = 0;  // natural logarithm, summed over the tokens
};

class Reader {
  public:
    virtual ~Reader() = default;
    virtual const ReaderInfo& info() const = 0;

    // Tokens of a text; up to info().count_margin more.
    virtual Result<uint32_t> count(std::string_view text) const = 0;
    // Tokens that chat(messages) would read, the template's included; likewise.
    virtual Result<uint32_t> count_chat(std::span<const ChatTurn> messages) const = 0;

    // Answers the messages. Their texts are data: special tokens in them stay text. Pieces are
    // whole UTF-8 characters; return false to stop. kInvalidArgument when prompt and at least one
    // answer token do not fit the window.
    virtual Result<GenerateResult> chat(std::span<const ChatTurn> messages,
                                        const GenerateOptions& options,
                                        const std::function<bool(std::string_view)>& on_piece) = 0;

    // Of `continuation` behind the prompt, tokenized on its own. Only its first `max_tokens` tokens
    // count (0: as many as the window holds). kUnsupported without weights.
    virtual Result<Likelihood> likelihood(const ReaderPrompt& prompt, std::string_view continuation,
                                          uint32_t max_tokens) {
        static_cast<void>(prompt), static_cast<void>(continuation), static_cast<void>(max_tokens);
        return make_error(ErrorCode::kUnsupported, "reader '" + info().name +
                                                       "' has no weights here: it cannot say how "
                                                       "likely a text is");
    }
};

}  // namespace s3attn
#pragma GCC visibility pop

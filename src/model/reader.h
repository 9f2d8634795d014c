// A reader whose weights are in this process: it answers people through chat(), and is measured by
// greedy continuations of any prompt and by how likely it finds a text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/language_model.h"
#include "model/llama_model.h"
#include "s3attn/reader.h"
#include "s3attn/result.h"

namespace s3attn {

struct AnsweringOptions {
    uint32_t max_tokens = 64;
    // The answer ends before the first newline; its first token is neither a newline nor the end
    // (LongBench's rule for samsum).
    bool one_line = false;
};

struct ReaderAnswer {
    std::string text;  // valid UTF-8
    uint32_t prompt_tokens = 0, answer_tokens = 0;
    bool stopped_at_limit = false;
    double prefill_seconds = 0, decode_seconds = 0;
};

// Not thread-safe. Keeps the last prompt's cache for likelihood() and next_token(): a call whose
// prompt begins like the last one computes only what differs. answer() and chat() start afresh, so
// that their times compare.
class LocalReader : public Reader {
  public:
    virtual const Tokenizer& tokenizer() const = 0;

    // Tokens that the prompt takes, template and BOS included.
    virtual Result<uint32_t> count_prompt(const ReaderPrompt& prompt) const = 0;
    // Greedy. kInvalidArgument when the prompt and one token do not fit the window.
    virtual Result<ReaderAnswer> answer(const ReaderPrompt& prompt,
                                        const AnsweringOptions& options) = 0;
    // Log-probability of every token of the vocabulary to come next.
    virtual Result<std::vector<float>> next_token(const ReaderPrompt& prompt) = 0;
    // Gives the cache's memory back; the next call makes a new one.
    virtual void release() = 0;
};

// How messages become a prompt. kAuto: the model's own template where llama.cpp knows it, else
// ChatML where the model has its marks, else plain text ("User: ... Assistant:").
enum class ChatTemplate { kAuto, kOwn, kChatMl, kPlain };
const char* to_string(ChatTemplate chat_template);  // "auto", "own", "chatml", "plain"

struct LocalReaderOptions {
    std::string model_path;
    uint32_t threads = 0;
    uint32_t context_tokens = 0;  // 0: min(8192, what the model was trained for)
    Device device = Device::kAuto;
    ChatTemplate chat_template = ChatTemplate::kAuto;
};
// What a reader with this choice would use, never kAuto; the vocabulary alone is read.
// kUnsupported: the model brings no template that llama.cpp knows (kOwn), or no marks of ChatML
// (kChatMl).
Result<ChatTemplate> chat_template_in_use(const std::string& model_path, ChatTemplate wanted);

// kInvalidArgument for a window larger than the model was trained for, kUnsupported for a model
// that is no decoder-only language model, kCancelled when `cancel` fired while weights were read.
Result<std::unique_ptr<LocalReader>> open_llama_reader(const LocalReaderOptions& options,
                                                       const CancelToken* cancel = nullptr);

}  // namespace s3attn

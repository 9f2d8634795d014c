#include "model/chat_prompt.h"

#include <algorithm>
#include <cctype>

#include "model/llama_support.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

constexpr char kMarkBegin = '\x02';  // no template of llama.cpp contains these
constexpr char kMarkEnd = '\x03';

bool is_known_role(const std::string& role) {
    return role == "system" || role == "user" || role == "assistant";
}

// The template's output with marks in place of messages; empty when llama.cpp does not know it.
std::string apply_template(const std::string& name, std::span<const ChatTurn> messages) {
    std::vector<std::string> marks;
    for (size_t i = 0; i < messages.size(); ++i) {
        marks.push_back(kMarkBegin + std::to_string(i) + kMarkEnd);
    }
    std::vector<llama_chat_message> chat;
    for (size_t i = 0; i < messages.size(); ++i) {
        chat.push_back({messages[i].role.c_str(), marks[i].c_str()});
    }
    std::string out(1024 + 256 * messages.size(), '\0');
    for (int round = 0; round < 2; ++round) {
        const int32_t n = llama_chat_apply_template(name.c_str(), chat.data(), chat.size(), true,
                                                    out.data(), static_cast<int32_t>(out.size()));
        if (n < 0) return {};
        const bool fits = static_cast<size_t>(n) <= out.size();
        out.resize(static_cast<size_t>(n));
        if (fits) return out;
    }
    return {};
}

bool is_space(char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; }

}  // namespace

ChatPrompt::ChatPrompt(const llama_model* model, const LlamaTokenizer* tokenizer,
                       ChatTemplate wanted)
    : vocab_(llama_model_get_vocab(model)),
      tokenizer_(tokenizer),
      chosen_(wanted != ChatTemplate::kAuto) {
    for (llama_token id = 0; id < llama_vocab_n_tokens(vocab_); ++id) {
        if (!llama_vocab_is_control(vocab_, id) && !llama_vocab_is_eog(vocab_, id)) continue;
        const std::string text = llama_vocab_get_text(vocab_, id);
        if (text.empty()) continue;
        controls_.emplace(text, id);
        longest_control_ = std::max(longest_control_, text.size());
    }
    const ChatTurn probe{"user", ""};
    const char* own = llama_model_chat_template(model, nullptr);
    const bool any = wanted == ChatTemplate::kAuto;
    if ((any || wanted == ChatTemplate::kOwn) && own != nullptr &&
        !apply_template(own, {&probe, 1}).empty()) {
        template_ = own;
        kind_ = ChatTemplate::kOwn;
    } else if ((any || wanted == ChatTemplate::kChatMl) && controls_.contains("<|im_start|>")) {
        template_ = "chatml";
        kind_ = ChatTemplate::kChatMl;
    } else {
        stop_text_ = "\nUser:";
    }
}

std::string_view ChatPrompt::stand_in() const {
    if (chosen_ || kind_ == ChatTemplate::kOwn) return {};
    if (kind_ == ChatTemplate::kChatMl) {
        return "the reader brings no chat template that is known here: it was asked in ChatML, "
               "whose marks its vocabulary has";
    }
    return "the reader brings no chat template that is known here: it was asked in plain text "
           "(User: ... Assistant:), and may be a model that answers no questions";
}

const char* to_string(ChatTemplate chat_template) {
    switch (chat_template) {
        case ChatTemplate::kOwn: return "own";
        case ChatTemplate::kChatMl: return "chatml";
        case ChatTemplate::kPlain: return "plain";
        case ChatTemplate::kAuto: break;
    }
    return "auto";
}

Result<ChatTemplate> chat_template_in_use(const std::string& model_path, ChatTemplate wanted) {
    S3ATTN_TRY(const llama_model_ptr model, load_llama_vocabulary(model_path));
    S3ATTN_TRY(const auto tokenizer,
               LlamaTokenizer::make(llama_model_get_vocab(model.get()), model_path));
    const ChatTemplate kind = ChatPrompt(model.get(), tokenizer.get(), wanted).kind();
    if (wanted == ChatTemplate::kAuto || kind == wanted) return kind;
    return make_error(
        ErrorCode::kUnsupported, reason::kOption, "chat_template",
        model_path +
            (wanted == ChatTemplate::kOwn ? " brings no chat template that llama.cpp knows"
                                          : " has no marks of ChatML (<|im_start|>)") +
            ": choose another template, or auto");
}

std::vector<ChatPrompt::Part> ChatPrompt::plain_parts(std::span<const ChatTurn> messages) {
    std::vector<Part> parts;
    for (size_t i = 0; i < messages.size(); ++i) {
        const std::string& role = messages[i].role;
        if (role != "system") parts.push_back({role == "user" ? "User: " : "Assistant: ", -1});
        parts.push_back({"", static_cast<int64_t>(i)});
        parts.push_back({"\n\n", -1});
    }
    parts.push_back({"Assistant:", -1});
    return parts;
}

std::vector<ChatPrompt::Part> ChatPrompt::template_parts(std::span<const ChatTurn> messages) const {
    const std::string text = apply_template(template_, messages);
    std::vector<Part> parts;
    size_t at = 0;
    for (size_t i = 0; i < messages.size(); ++i) {
        const std::string mark = kMarkBegin + std::to_string(i) + kMarkEnd;
        const size_t found = text.find(mark, at);
        if (found == std::string::npos) return {};  // a role this template leaves out
        parts.push_back({text.substr(at, found - at), -1});
        parts.push_back({"", static_cast<int64_t>(i)});
        at = found + mark.size();
    }
    parts.push_back({text.substr(at), -1});
    return parts;
}

Result<std::vector<ChatPrompt::Part>> ChatPrompt::parts(std::span<const ChatTurn> messages) const {
    if (messages.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "a chat needs at least one message");
    }
    for (const ChatTurn& message : messages) {
        if (!is_known_role(message.role)) {
            return make_error(
                ErrorCode::kInvalidArgument,
                "\"" + message.role + "\" is no role of a chat; roles are system, user, assistant");
        }
    }
    if (template_.empty()) return plain_parts(messages);
    std::vector<Part> found = template_parts(messages);
    if (found.empty()) {
        return make_error(ErrorCode::kUnsupported,
                          "the model's chat template leaves out one of the messages (often the "
                          "system message); put its text into the user's message");
    }
    return found;
}

llama_token ChatPrompt::control_at(std::string_view text, size_t& length) const {
    for (size_t n = std::min(longest_control_, text.size()); n > 0; --n) {
        const auto found = controls_.find(std::string(text.substr(0, n)));
        if (found != controls_.end()) {
            length = n;
            return found->second;
        }
    }
    return LLAMA_TOKEN_NULL;
}

Status ChatPrompt::append_run(std::string& run, std::vector<int32_t>& ids) const {
    if (run.empty()) return {};
    S3ATTN_TRY(const Tokens tokens, tokenizer_->tokenize(run));
    ids.insert(ids.end(), tokens.ids.begin(), tokens.ids.end());
    run.clear();
    return {};
}

Result<std::vector<int32_t>> ChatPrompt::tokens(std::span<const ChatTurn> messages) const {
    // A template without a place for the system message gets it in front of the user's first.
    std::vector<ChatTurn> merged(messages.begin(), messages.end());
    auto all = parts(merged);
    if (!all.ok() && all.error().code == ErrorCode::kUnsupported && merged.size() > 1 &&
        merged[0].role == "system" && merged[1].role == "user") {
        merged[1].text = merged[0].text + "\n\n" + merged[1].text;
        merged.erase(merged.begin());
        all = parts(merged);
    }
    if (!all.ok()) return all.error();

    std::vector<int32_t> ids;
    std::string run;  // plain text between two control tokens, message texts included
    for (const Part& part : *all) {
        if (part.message >= 0) {
            run += merged[static_cast<size_t>(part.message)].text;
            continue;
        }
        for (size_t at = 0; at < part.text.size();) {
            size_t length = 0;
            const llama_token id = control_at(std::string_view(part.text).substr(at), length);
            if (id == LLAMA_TOKEN_NULL) {
                run += part.text[at++];
                continue;
            }
            const int attributes = llama_vocab_get_attr(vocab_, id);
            if (attributes & LLAMA_TOKEN_ATTR_LSTRIP) {
                while (!run.empty() && is_space(run.back())) run.pop_back();
            }
            S3ATTN_CHECK(append_run(run, ids));
            ids.push_back(id);
            at += length;
            if (attributes & LLAMA_TOKEN_ATTR_RSTRIP) {
                while (at < part.text.size() && is_space(part.text[at])) ++at;
            }
        }
    }
    S3ATTN_CHECK(append_run(run, ids));
    const llama_token bos = llama_vocab_bos(vocab_);
    if (llama_vocab_get_add_bos(vocab_) && bos != LLAMA_TOKEN_NULL &&
        (ids.empty() || ids.front() != bos)) {
        ids.insert(ids.begin(), bos);
    }
    return ids;
}

}  // namespace s3attn

#include "commands.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "remote/reader_url.h"
#include "s3attn/reason.h"

namespace s3attn::cli {

namespace {
std::vector<NamedValue> g_named_files;

// Which options help: the library does not know them.
const char* advice_on(const Error& error) {
    struct Advice {
        const char* reason;
        const char* text;
    };
    static constexpr Advice kAdvice[] = {
        {reason::kNoModel, "pass --model FILE.gguf, or run `make setup` for the default"},
        {reason::kAdapterMismatch,
         "make one with `s3attn train --model MODEL --corpus FILES --out DIR`"},
        {reason::kBudgetSmall, "pass a larger --budget"},
        {reason::kBudgetZero, "pass --budget 1 or more"},
        {reason::kBudgetLarge, "pass a smaller --budget, or another --reader"},
        {reason::kNoDevice, "pass --device cpu, or build for one with `make CUDA=1`"},
        {reason::kWindowSmall, "pass a smaller --reader-context"},
        {reason::kRerankLarge, "pass a smaller --rerank"},
        {reason::kMemorySmall, "pass a larger --memory"},
        {reason::kNoVectors, "`s3attn index STORE FILES --embed MODEL` makes them"},
        {reason::kStoreEmpty, "add some with `s3attn index STORE FILE...`"},
        {reason::kNoDocument, "`s3attn list STORE` shows what it has"},
        {reason::kNoRerank,
         "`s3attn train --context-heads-only --model MODEL --corpus TEXTS` makes context heads"},
        {reason::kOffline, "leave --offline out, or name a reader that is a file"},
    };
    for (const Advice& advice : kAdvice) {
        if (error.reason == advice.reason) return advice.text;
    }
    if (error.reason != reason::kStoreMismatch) return nullptr;
    return error.subject == "key_side_hash" ? "pass --adapter with that adapter"
                                            : "pass --model with that model";
}

// The flags of fields of the library's options ("heads,max_layer").
std::string flags_of(const std::string& fields) {
    std::string flags, field;
    std::istringstream list(fields);
    while (std::getline(list, field, ',')) {
        if (field == "chunk_tokens") field = "chunk";
        std::replace(field.begin(), field.end(), '_', '-');
        flags += (flags.empty() ? "--" : ", --") + field;
    }
    return flags;
}

// What the command line knows and the library does not: the flags, and how commands are written.
std::string advice_of(const Error& error) {
    if (error.reason == reason::kOption && !error.subject.empty())
        return " (" + flags_of(error.subject) + ")";
    if (error.reason == reason::kNoStore && !error.subject.empty()) {
        return "; make it with: s3attn index '" + error.subject + "' FILE...";
    }
    const char* advice = advice_on(error);
    return advice == nullptr ? "" : std::string(": ") + advice;
}

// What a model without an adapter is still good for, and how to give it one.
void print_ways_without_adapter(const std::string& model) {
    std::string name = std::filesystem::path(model).stem().string();
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    std::fprintf(stderr,
                 "  answer with it, while the default model finds the evidence: --reader %s\n"
                 "  or train one: s3attn train --model %s --corpus TEXTS --out %s/adapters/%s\n",
                 model.c_str(), model.c_str(), default_cache_dir().c_str(), name.c_str());
}

}  // namespace

std::string with_advice(const Error& error) { return error.message + advice_of(error); }

void explain_files(std::vector<NamedValue> files) { g_named_files = std::move(files); }

int fail(const Error& error) {
    if (error.code == ErrorCode::kCancelled) {  // the person at the keyboard knows why
        std::fprintf(stderr, "%s\n", error.message.c_str());
        return 1;
    }
    std::fprintf(stderr, "error: %s\n", with_advice(error).c_str());
    if (error.reason == reason::kNoAdapter && !error.subject.empty()) {
        print_ways_without_adapter(error.subject);
        return 1;
    }
    for (const NamedValue& file : g_named_files) {
        if (file.value.empty() || error.message.find(file.value) == std::string::npos) continue;
        std::fprintf(stderr, "note: %s is what %s names\n", file.value.c_str(),
                     file.origin.c_str());
    }
    return 1;
}

Result<std::unique_ptr<Engine>> open_engine(const Result<EngineOptions>& options) {
    if (!options.ok()) return options.error();
    return open_engine(*options);
}

Result<std::unique_ptr<Engine>> open_engine(const EngineOptions& options) {
    if (const Status named = need_model(options); !named.ok()) return named.error();
    return Engine::open(options);
}

namespace {

Result<std::string> reader_key(const GlobalOptions& options) {
    const char* key = std::getenv("S3ATTN_READER_KEY");
    if (options.reader_key_file.empty()) return std::string(key == nullptr ? "" : key);
    std::ifstream file(options.reader_key_file);
    std::string line;
    if (!file || !std::getline(file, line)) {
        return make_error(ErrorCode::kNotFound, "there is no key in " + options.reader_key_file +
                                                    ": it is read from its first line");
    }
    while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back()))) line.pop_back();
    return line;
}

}  // namespace

Status prepare_remote(const GlobalOptions& options, const std::string& reader,
                      EngineOptions& engine) {
    if (!is_reader_url(reader)) return {};
    S3ATTN_TRY(const ReaderUrl url, parse_reader_url(reader));
    S3ATTN_TRY(engine.remote.key, reader_key(options));
    if (engine.remote.offline || options.quiet) return {};
    const bool bare =
        !engine.remote.key.empty() && !url.loopback && !url.base.starts_with("https:");
    std::fprintf(stderr, "note: questions and the passages found for them are sent to %s%s\n",
                 url.base.c_str(), bare ? ", the key as well, and without encryption" : "");
    return {};
}

Result<EngineOptions> with_reader(const GlobalOptions& options) {
    EngineOptions engine = options.engine;
    S3ATTN_CHECK(prepare_remote(options, engine.reader, engine));
    if (!engine.reader.empty() || !options.default_model || engine.model.empty()) return engine;
    engine.reader = find_default_reader();
    if (engine.reader.empty() && !options.quiet) {
        std::fprintf(stderr,
                     "note: the reader of answers is not in %s; the small model that scans answers "
                     "instead, and is often wrong: `make setup` fetches the reader, --reader names "
                     "another\n",
                     default_cache_dir().c_str());
    }
    return engine;
}

Status need_model(const EngineOptions& options) {
    if (!options.model.empty()) return {};
    return make_error(
        ErrorCode::kNotFound,
        std::string("no model: neither --model, S3ATTN_MODEL nor the config file "
                    "names one, and the default one is not in ") +
            default_cache_dir() + ", where `make setup` puts it" +
            (std::getenv("HOME") == nullptr && std::getenv("XDG_CACHE_HOME") == nullptr
                 ? " (neither HOME nor XDG_CACHE_HOME is set)"
                 : ""));
}

CLI::App* add_command(Context& context, const std::string& name, const std::string& description,
                      const std::string& example) {
    return add_command(context, context.app, name, description, example);
}

CLI::App* add_command(Context& context, CLI::App& group, const std::string& name,
                      const std::string& description, const std::string& example) {
    CLI::App* command = group.add_subcommand(name, description);
    command->fallthrough();
    // The program's own options may follow the subcommand, so its help lists them too.
    const CLI::App* app = &context.app;
    command->footer([app, example] {
        std::string text = example + "\n\nOptions of every command:\n";
        for (const CLI::Option* option : app->get_options()) {
            if (option->get_name().empty() || option->get_name() == "--help") continue;
            std::string name_text = "  " + option->get_name(false, true);
            name_text.resize(std::max<size_t>(name_text.size() + 2, 24), ' ');
            text += name_text + option->get_description() + "\n";
        }
        return text;
    });
    return command;
}

}  // namespace s3attn::cli

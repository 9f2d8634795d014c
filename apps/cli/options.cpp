#include "options.h"

#include <pwd.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "retrieve/mix.h"

namespace s3attn::cli {
namespace {

namespace fs = std::filesystem;
constexpr const char* kDefaultModel = "SmolLM2-135M-Instruct.Q4_1.gguf";
constexpr const char* kDefaultReader = "Qwen2.5-Coder-0.5B-Instruct.Q4_K_M.gguf";

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

// A model where `make setup` puts it: the cache directory or one folder below it.
std::string find_in_cache(const char* name) {
    const fs::path cache = default_cache_dir();
    std::error_code ignored;
    if (fs::is_regular_file(cache / name, ignored)) return (cache / name).string();
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(cache, ignored)) {
        const fs::path candidate = entry.path() / name;
        if (fs::is_regular_file(candidate, ignored)) found.push_back(candidate.string());
    }
    std::sort(found.begin(), found.end());
    return found.empty() ? "" : found.front();
}

std::vector<std::string> default_adapter_dirs() {
    std::vector<std::string> directories;
    std::error_code ignored;
    const fs::path program = fs::read_symlink("/proc/self/exe", ignored);
    if (!ignored) {
        // In the build folder, and where it is installed.
        for (const char* place : {"models", "../share/s3attn/models"}) {
            directories.push_back((program.parent_path() / place).lexically_normal().string());
        }
    }
    directories.push_back(default_cache_dir() + "/adapters");
    return directories;
}

}  // namespace

// "qwen2.5-coder-0.5b-instruct", or the file's own name: a model in the cache directory. A path
// that exists stays one; what is neither stays as it is, for the error to name.
std::string find_named_model(const std::string& given) {
    std::error_code ignored;
    if (given.empty() || given.find('/') != std::string::npos || fs::exists(given, ignored)) {
        return given;
    }
    const auto lower = [](std::string text) {
        for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return text;
    };
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(default_cache_dir(), ignored)) {
        const std::string file = lower(entry.path().filename().string());
        const bool copy = file.starts_with("scan-");  // of a model, made by a scan
        if (copy || entry.path().extension() != ".gguf") continue;
        if (file == lower(given) || file.starts_with(lower(given) + ".")) {
            found.push_back(entry.path().string());
        }
    }
    std::sort(found.begin(), found.end());
    return found.empty() ? given : found.front();
}

std::string find_default_reader() { return find_in_cache(kDefaultReader); }

std::string home_dir() {
    const std::string home = environment("HOME");
    if (!home.empty()) return home;
    const passwd* user = ::getpwuid(::getuid());  // a service or a container may set no HOME
    return user == nullptr || user->pw_dir == nullptr ? "" : user->pw_dir;
}

std::string default_cache_dir() {
    const std::string xdg = environment("XDG_CACHE_HOME");
    if (!xdg.empty()) return xdg + "/s3attn";
    const std::string home = home_dir();
    return (home.empty() ? fs::temp_directory_path().string() : home + "/.cache") + "/s3attn";
}

void add_global_options(CLI::App& app, GlobalOptions& options) {
    EngineOptions& engine = options.engine;
    app.add_option(
           "--model", engine.model,
           "GGUF file that reads documents and finds evidence, or the name of a model in the "
           "cache directory, such as qwen2.5-coder-0.5b-instruct (default: the model that "
           "`make setup` fetched)")
        ->envname("S3ATTN_MODEL")
        ->type_name("FILE");
    app.add_option(
           "--reader", engine.reader,
           "GGUF file that writes the answer, or the address of a server that speaks OpenAI's "
           "chat completions, http://HOST:PORT/v1#MODEL, to which the passages are sent "
           "(default: the file that `make setup` fetched for it; with --model: that model)")
        ->envname("S3ATTN_READER")
        ->type_name("FILE");
    app.add_option("--reader-key-file", options.reader_key_file,
                   "file with the key that the reader's server asks for (or the key itself in "
                   "S3ATTN_READER_KEY)")
        ->envname("S3ATTN_READER_KEY_FILE")
        ->type_name("FILE");
    app.add_option("--reader-timeout", engine.remote.idle_seconds,
                   "most seconds without a byte from the reader's server")
        ->envname("S3ATTN_READER_TIMEOUT")
        ->check(CLI::Range(1u, 3600u))
        ->capture_default_str()
        ->type_name("SECONDS");
    app.add_flag("--offline", engine.remote.offline,
                 "refuse a reader behind a server: nothing leaves this machine")
        ->envname("S3ATTN_OFFLINE");
    app.add_option("--adapter", engine.adapter,
                   "retrieval adapter of the model (default: the shipped one that fits it)")
        ->envname("S3ATTN_ADAPTER")
        ->type_name("DIR");
    app.add_option("--threads", engine.threads, "worker threads (0: all cores)")
        ->envname("S3ATTN_THREADS")
        ->check(CLI::Range(0u, 1024u))
        ->capture_default_str();
    static const std::map<std::string, Device> devices{
        {"auto", Device::kAuto}, {"cpu", Device::kCpu}, {"cuda", Device::kCuda}};
    app.add_option_function<std::string>(
           "--device", [&engine](const std::string& name) { engine.device = devices.at(name); },
           "where models run: auto (default: a CUDA card when this build and the machine have "
           "one), cpu or cuda")
        ->envname("S3ATTN_DEVICE")
        ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
        ->type_name("NAME");
    app.add_option("--chunk", engine.chunk_tokens,
                   "tokens read per forward pass of a scan (0: the store's own, or 256)")
        ->envname("S3ATTN_CHUNK")
        ->check(CLI::IsMember({0u}) | CLI::Range(16u, 32768u))
        ->capture_default_str();
    app.add_option("--reader-context", engine.reader_context,
                   "window of the answering model in tokens (0: up to 8192; eval answers: 32768)")
        ->envname("S3ATTN_READER_CONTEXT")
        ->capture_default_str();
    app.add_option("--embedder", engine.embedder,
                   "GGUF of the embedder of the voice dense (default: MiniLM, where "
                   "`scripts/setup.sh --embedder` puts it)")
        ->envname("S3ATTN_EMBEDDER")
        ->type_name("FILE");
    app.add_option("--cache-dir", engine.cache_dir,
                   "where fast scan copies of models are kept (default: ~/.cache/s3attn)")
        ->envname("S3ATTN_CACHE_DIR")
        ->type_name("DIR");
    app.add_option("--ocr", options.ocr,
                   "read scanned pages of PDFs and pictures with tesseract: auto (default: where "
                   "it is installed, in its languages; PNG and JPEG files only where they are "
                   "named), off, or languages, such as eng+deu (pictures in folders too)")
        ->envname("S3ATTN_OCR")
        ->check(CLI::Validator(
            [](const std::string& text) {
                const bool fine = !text.empty() && text.find_first_not_of(
                                                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
                                                       "RSTUVWXYZ0123456789_+/") == text.npos;
                return fine ? std::string() : "'" + text + "' names no languages of tesseract";
            },
            "", "languages"))
        ->type_name("auto|off|LANGUAGES");
    app.add_flag("--json", options.json, "print one JSON object for programs to read");
    app.add_flag("-q,--quiet", options.quiet, "no progress and no notes");
    app.add_flag("-v,--verbose", options.verbose, "also what the model runtime says");
}

namespace {

// One part of a filter, checked by itself.
CLI::Validator filter_check(DocumentFilter (*part)(const std::string&)) {
    return CLI::Validator(
        [part](const std::string& text) {
            const Status status = check_filter(part(text));
            return status.ok() ? std::string() : status.error().message;
        },
        "", "filter");
}

void add_filter_options(CLI::App& command, DocumentFilter& filter) {
    command
        .add_option("--in", filter.in,
                    "search only documents whose path matches this: '*.md', 'notes/2021', "
                    "'reports/**/*.pdf'; a folder's name stands for all in it (may be repeated: "
                    "one of them is enough)")
        ->allow_extra_args(false)
        ->check(filter_check([](const std::string& text) { return DocumentFilter{{text}}; }))
        ->type_name("GLOB");
    command
        .add_option("--type", filter.types,
                    "search only documents of these formats: pdf, markdown, html, docx, mail ... "
                    "(docs/documents.md), or an ending such as md")
        ->allow_extra_args(false)
        ->delimiter(',')
        ->check(filter_check([](const std::string& text) {
            return DocumentFilter{{}, {text}};
        }))
        ->type_name("NAME,...");
    command
        .add_option("--after", filter.after,
                    "search only documents dated that day or later: 2021-05-03, 2021-05, 2021; "
                    "the date is the document's own, else the file's")
        ->check(filter_check([](const std::string& text) {
            return DocumentFilter{{}, {}, text};
        }))
        ->type_name("DATE");
    command.add_option("--before", filter.before, "search only documents dated before that day")
        ->check(filter_check([](const std::string& text) {
            return DocumentFilter{{}, {}, {}, text};
        }))
        ->type_name("DATE");
    command
        .add_option("--where", filter.where,
                    "search only documents that say this of themselves, in front matter or "
                    "properties: author=Ada, 'tags=*harbour*' (may be repeated: all must hold)")
        ->allow_extra_args(false)
        ->check(filter_check([](const std::string& text) {
            return DocumentFilter{{}, {}, {}, {}, {text}};
        }))
        ->type_name("KEY=VALUE");
}

}  // namespace

void add_search_options(CLI::App& command, SearchOptions& options) {
    command
        .add_option("--method", options.method,
                    "s3: the model's own attention; bm25: shared words; dense: an embedder's "
                    "vectors (index --embed); hybrid: s3 and bm25 (default); or a mixture of your "
                    "own: sum(s3:4,bm25:1,dense:4), rrf(s3,bm25)")
        ->envname("S3ATTN_METHOD")
        ->check(CLI::Validator(
            [](const std::string& method) {
                const Status status = check_method(method);
                return status.ok() ? std::string() : status.error().message;
            },
            "", "method"))
        ->type_name("METHOD");
    command.add_option("--budget", options.budget_tokens, "most tokens of evidence")
        ->envname("S3ATTN_BUDGET")
        ->check(CLI::Range(1u, 1u << 20))
        ->capture_default_str()
        ->type_name("TOKENS");
    command.add_option("--max-spans", options.max_spans, "most spans of evidence (0: no limit)")
        ->capture_default_str();
    add_ranking_options(command, options);
    add_filter_options(command, options.filter);
    command.add_flag("--explain", options.explain,
                     "print what passed along each stage, as JSON lines on standard error");
}

void add_rerank_options(CLI::App& command, EngineOptions& options) {
    command
        .add_option_function<std::string>(
            "--rerank",
            [&options](const std::string& text) {
                RerankOptions& rerank = options.rerank;
                rerank.mode = text == "auto"  ? RerankOptions::Mode::kAuto
                              : text == "off" ? RerankOptions::Mode::kOff
                                              : RerankOptions::Mode::kOn;
                if (rerank.mode != RerankOptions::Mode::kOn) return;
                rerank.units = static_cast<uint32_t>(std::stoul(text));
            },
            "read the first N units again, all in one context with the question; auto (default): "
            "20, when the model can and it is quick; off")
        ->envname("S3ATTN_RERANK")
        ->check(CLI::IsMember({"auto", "off"}) | CLI::Range(2u, 1000u))
        ->type_name("N|auto|off");
    command
        .add_option("--rerank-model", options.rerank_model,
                    "GGUF that reads them (default: --reader, else --model); its adapter must have "
                    "context heads (s3attn train --context-heads-only)")
        ->envname("S3ATTN_RERANK_MODEL")
        ->type_name("FILE");
    command
        .add_option("--rerank-seconds", options.rerank.seconds,
                    "auto: most time that it may take on a processor, as estimated")
        ->envname("S3ATTN_RERANK_SECONDS")
        ->check(CLI::Range(0.0, 86400.0))
        ->capture_default_str()
        ->type_name("SECONDS");
}

void add_ranking_options(CLI::App& command, SearchOptions& options) {
    static const std::map<std::string, Scoring> scorings{{"attention", Scoring::kAttention},
                                                         {"eq7", Scoring::kEq7},
                                                         {"eq7-no-idf", Scoring::kEq7NoIdf}};
    command
        .add_option_function<std::string>(
            "--scoring",
            [&options](const std::string& name) { options.scoring = scorings.at(name); },
            "attention (default), eq7: the formula printed in the S3-Attention paper, or "
            "eq7-no-idf: the same without its IDF")
        ->envname("S3ATTN_SCORING")
        ->check(CLI::IsMember(scorings))
        ->type_name("NAME");
    command
        .add_option("--max-features", options.max_features,
                    "read only a question token's heaviest features of each head (0: all)")
        ->envname("S3ATTN_MAX_FEATURES")
        ->check(CLI::Range(0u, 65536u))
        ->capture_default_str()
        ->type_name("N");
    static const std::map<std::string, RoundQuery> queries{{"append", RoundQuery::kAppend},
                                                           {"evidence", RoundQuery::kEvidence},
                                                           {"context", RoundQuery::kContext}};
    command
        .add_option("--rounds", options.rounds,
                    "search again with the best evidence found so far, so many times in all")
        ->envname("S3ATTN_ROUNDS")
        ->check(CLI::Range(1u, 8u))
        ->capture_default_str()
        ->type_name("N");
    command
        .add_option_function<std::string>(
            "--round-query",
            [&options](const std::string& name) { options.round_query = queries.at(name); },
            "with what: append (the question and the best passage, default), evidence (that "
            "passage "
            "alone), or context (the question as the model reads it behind the five best passages)")
        ->check(CLI::IsMember({"append", "evidence", "context"}))
        ->type_name("WHAT");
    command
        .add_option("--round-weight", options.round_weight,
                    "of a further round's scores; the first round's count 1")
        ->check(CLI::Range(0.0, 100.0))
        ->capture_default_str();
}

void check_numbers(CLI::App& app) {
    const auto float_check = [](const std::string& text) -> std::string {
        char* end = nullptr;
        const double value = std::strtod(text.c_str(), &end);
        if (end != text.c_str() && std::isnan(value)) return "Value " + text + " is no number";
        return "";
    };
    const auto unsigned_check = [](const std::string& text) -> std::string {
        return text.starts_with('-') ? "Value " + text + " is below 0" : "";
    };
    for (CLI::Option* option : app.get_options()) {
        const std::string type = option->get_type_name();
        if (type.starts_with("UINT")) option->check(unsigned_check);
        if (type.starts_with("FLOAT")) option->check(float_check);
    }
    for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        check_numbers(*command);
    }
}

void fill_defaults(GlobalOptions& options) {
    options.default_model = options.engine.model.empty();
    if (options.default_model) options.engine.model = find_in_cache(kDefaultModel);
    options.engine.model = find_named_model(options.engine.model);
    options.engine.reader = find_named_model(options.engine.reader);
    if (options.engine.cache_dir.empty()) options.engine.cache_dir = default_cache_dir();
    options.engine.adapter_dirs = default_adapter_dirs();
    const std::string embedder = options.engine.cache_dir + "/all-MiniLM-L6-v2.F16.gguf";
    std::error_code ignored;
    if (options.engine.embedder.empty() && fs::is_regular_file(embedder, ignored)) {
        options.engine.embedder = embedder;
    }
}

}  // namespace s3attn::cli

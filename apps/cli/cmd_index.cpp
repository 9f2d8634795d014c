#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "commands.h"
#include "output.h"
#include "progress_bar.h"

namespace s3attn::cli {
namespace {

struct IndexArguments {
    std::string store;
    std::vector<std::string> inputs;
    IndexOptions options;
};

// "I/N"; I = 0 is taken for N.
bool parse_shard(const std::string& text, IndexOptions& options) {
    const char* end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, options.shard);
    if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '/') return false;
    const auto second = std::from_chars(first.ptr + 1, end, options.shards);
    return second.ec == std::errc{} && second.ptr == end && options.shards > 0 &&
           options.shard <= options.shards;
}

// Names what is not in the store: files skipped and parts that could not be read. True: there is.
bool name_failures(const IndexReport& report) {
    constexpr size_t kMostNamed = 50;  // a folder may hold thousands
    bool failed = false;
    size_t skips = 0;
    for (const FileOutcome& file : report.files) {
        const bool skipped = file.kind == FileOutcome::Kind::kSkipped;
        failed = failed || skipped || file.partly_read();
        if (skipped && ++skips <= kMostNamed) {
            std::fprintf(stderr, "skipped: %s: %s\n", file.path.c_str(), file.reason.c_str());
        }
        for (const ReadNote& note : file.notes) {
            if (note.kind != ReadNote::Kind::kUnread) continue;
            std::fprintf(stderr, "not read: %s: %s\n", file.path.c_str(), note.text().c_str());
        }
    }
    if (skips > kMostNamed) {
        std::fprintf(stderr, "skipped: %zu more files; --json names them all\n",
                     skips - kMostNamed);
    }
    for (const ReadNote& note : report.notes) {
        failed = failed || note.kind == ReadNote::Kind::kUnread;
        std::fprintf(stderr, "%s\n", note.text().c_str());
    }
    return failed;
}

// Documents whose files are gone: dropped, or still found.
void print_gone(const IndexReport& report) {
    constexpr size_t kMostNamed = 10;
    if (report.gone.empty()) return;
    const bool one = report.gone.size() == 1;
    std::printf("%s %zu document%s whose file%s gone%s\n", report.pruned ? "dropped" : "kept",
                report.gone.size(), one ? "" : "s", one ? " is" : "s are",
                report.pruned ? ":" : " (--prune drops them):");
    for (size_t i = 0; i < report.gone.size() && i < kMostNamed; ++i) {
        std::printf("  %s\n", report.gone[i].path.c_str());
    }
    if (report.gone.size() > kMostNamed) {
        std::printf("  and %zu more\n", report.gone.size() - kMostNamed);
    }
}

void print_report(const IndexReport& report) {
    size_t counts[6] = {};
    for (const FileOutcome& file : report.files) ++counts[static_cast<size_t>(file.kind)];
    using Kind = FileOutcome::Kind;
    const auto count = [&](Kind kind) { return counts[static_cast<size_t>(kind)]; };
    std::string files = fmt::format("{} indexed", count(Kind::kIndexed));
    if (count(Kind::kReplaced) > 0) files += fmt::format(", {} replaced", count(Kind::kReplaced));
    if (count(Kind::kResumed) > 0) files += fmt::format(", {} resumed", count(Kind::kResumed));
    if (count(Kind::kUnchanged) > 0)
        files += fmt::format(", {} unchanged", count(Kind::kUnchanged));
    if (count(Kind::kRenamed) > 0) files += fmt::format(", {} renamed", count(Kind::kRenamed));
    if (count(Kind::kSkipped) > 0) files += fmt::format(", {} skipped", count(Kind::kSkipped));
    const auto partly = std::count_if(
        report.files.begin(), report.files.end(),
        [](const FileOutcome& file) { return file.kind != Kind::kSkipped && file.partly_read(); });
    if (partly > 0) files += fmt::format(", {} only in part", partly);
    std::printf(
        "%s: %s tokens in %.1f s (%s tokens/s), store %s bytes (%.0f per token), peak "
        "memory %.0f MiB\n",
        files.c_str(), group_digits(report.tokens).c_str(), report.seconds,
        group_digits(static_cast<uint64_t>(report.tokens_per_s)).c_str(),
        group_digits(report.bytes).c_str(), report.bytes_per_token,
        static_cast<double>(report.peak_rss_bytes) / (1 << 20));
    if (report.device != "cuda") return;
    std::printf("CUDA device: forward passes ran in %.0f %% of the time", 100 * report.scan_busy);
    if (report.device_utilization >= 0) {
        std::printf(", kernels in %.0f %%", 100 * report.device_utilization);
    }
    std::printf("\n");
}

int run_index(const IndexArguments& arguments, const GlobalOptions& options,
              const CancelToken& cancel) {
    auto engine = open_engine(options.engine);
    if (!engine.ok()) return fail(engine.error());
    auto store = Store::open(arguments.store, Store::Access::kCreate);
    if (!store.ok()) return fail(store.error());
    ConsoleProgress progress(options.quiet);
    auto report = (*engine)->index(*store, arguments.inputs, arguments.options, progress, cancel);
    progress.finish();
    if (!report.ok()) return fail(report.error());
    const bool failed = name_failures(*report);
    if (report->files.empty() && report->gone.empty() && !report->cancelled &&
        arguments.options.shards == 0) {
        return fail(make_error(ErrorCode::kNotFound,
                               "no file of a known format was found in the directories given"));
    }
    if (options.json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
    } else {
        print_report(*report);
        print_gone(*report);
    }
    if (report->cancelled) {
        std::fprintf(stderr,
                     "interrupted: what was committed is kept; run the same command to go on\n");
    }
    return failed || report->cancelled ? 1 : 0;
}

}  // namespace

void add_index_command(Context& context) {
    auto arguments = std::make_shared<IndexArguments>();
    CLI::App* command = add_command(
        context, "index", "Read documents into a store (made if absent)",
        "Formats: text, Markdown, HTML, PDF, DOCX, EPUB, mail; '-' is standard input;\n"
        "directories are walked. Interrupt and repeat at will: finished documents are\n"
        "skipped, changed ones replaced, interrupted ones resumed. One file is one document,\n"
        "by whatever name; a renamed one is not scanned again, and documents whose files\n"
        "are gone are named.\n\n"
        "Example: s3attn index notes.s3 book.md reports/");
    command->add_option("store", arguments->store, "directory of the store")->required();
    command->add_option("files", arguments->inputs, "files, directories, or '-'")->required();
    command->add_flag("!--no-recursive", arguments->options.recursive,
                      "do not descend into subdirectories");
    command->add_flag("--prune", arguments->options.prune,
                      "drop documents of the directories given whose files are gone");
    command
        ->add_option_function<std::string>(
            "--embed",
            [arguments, &context](const std::string& model) {
                arguments->options.embed = true;
                if (model != "default") context.options.engine.embedder = model;
            },
            "also keep a vector of every passage, made by this embedder (GGUF), for --method "
            "dense; default: MiniLM, or --embedder. A store that has vectors gets those of new "
            "documents without this")
        ->type_name("FILE|default");
    command
        ->add_option("--commit-tokens", arguments->options.commit_tokens,
                     "a commit point at least every so many tokens (0: 16384; 131072 on a device)")
        ->check(CLI::IsMember({0u}) | CLI::Range(256u, 1u << 24))
        ->capture_default_str();
    command
        ->add_option("--unit-tokens", arguments->options.unit_tokens,
                     "cut documents into passages of about so many tokens (0: 128); what the store "
                     "has stays as it is")
        ->envname("S3ATTN_UNIT_TOKENS")
        ->check(CLI::IsMember({0u}) | CLI::Range(32u, 1024u))
        ->capture_default_str()
        ->type_name("N");
    command
        ->add_option("--memory", arguments->options.memory_mib,
                     "most memory of the index builder; the model's comes on top")
        ->envname("S3ATTN_MEMORY")
        ->check(CLI::Range(16u, 1u << 20))
        ->capture_default_str()
        ->type_name("MIB");
    command
        ->add_option_function<std::string>(
            "--shard",
            [arguments](const std::string& text) {
                if (!parse_shard(text, arguments->options)) {
                    throw CLI::ValidationError("--shard", "'" + text +
                                                              "' is not of the form I/N with I "
                                                              "from 1 to N, such as 2/4");
                }
            },
            "only every N-th document of the list, the I-th first; `s3attn merge` joins the shards")
        ->type_name("I/N");
    command->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run_index(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli

#include <charconv>
#include <cstdio>

#include "adapter/adapter_search.h"
#include "commands.h"
#include "fit_fusion.h"
#include "idle_options.h"
#include "keep_heads.h"
#include "model/llama_model.h"
#include "output.h"
#include "progress_bar.h"
#include "s3attn/reason.h"
#include "s3attn/trainer.h"
#include "train/context_stage.h"
#include "train_report.h"

namespace s3attn::cli {
namespace {

constexpr uint32_t kUsualContextHeads = 4;

struct TrainArguments {
    TrainOptions options;
    std::vector<std::string> heads;  // LAYER:HEAD
    std::string max_layer = "-1";    // a number or "all"
    std::string choice = "recall", negatives = "random";
    std::vector<std::string> sweep;  // NAME=NUMBER,...
    bool context_only = false;
    uint32_t fusion_questions = 0, keep_heads = 0;
    const CLI::App* command = nullptr;  // says which options were given
};

template <class T>
bool parse_number(std::string_view text, T& value) {
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    return end.ec == std::errc{} && end.ptr == text.data() + text.size();
}

Error usage(const std::string& message) { return make_error(ErrorCode::kInvalidArgument, message); }

Result<std::vector<HeadId>> parse_heads(const std::vector<std::string>& texts) {
    std::vector<HeadId> heads;
    for (const std::string& text : texts) {
        HeadId head;
        const size_t colon = text.find(':');
        if (colon == std::string::npos ||
            !parse_number(std::string_view(text).substr(0, colon), head.layer) ||
            !parse_number(std::string_view(text).substr(colon + 1), head.query_head)) {
            return usage("--heads '" + text + "' is not of the form LAYER:HEAD, such as 5:6");
        }
        heads.push_back(head);
    }
    return heads;
}

Result<int32_t> parse_max_layer(const std::string& text) {
    if (text == "all") return kAllLayers;
    int32_t layer = 0;
    if (!parse_number(text, layer) || layer < -1 || layer == kAllLayers) {
        return usage("--max-layer '" + text + "' is neither a layer, nor 'all', nor -1");
    }
    return layer;
}

// "k=4,8,16" or "latents=1024,4096"
Status parse_sweep(const std::string& text, SweepOptions& sweep) {
    const size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    std::vector<uint32_t>* values = nullptr;
    if (name == "k") values = &sweep.k;
    if (name == "latents") values = &sweep.latents;
    if (values == nullptr || equals == std::string::npos) {
        return usage("--sweep '" + text + "' is not of the form k=4,8,16 or latents=1024,4096");
    }
    for (size_t at = equals + 1; at <= text.size();) {
        const size_t end = std::min(text.find(',', at), text.size());
        uint32_t value = 0;
        if (!parse_number(std::string_view(text).substr(at, end - at), value)) {
            return usage("--sweep '" + text + "': '" + text.substr(at, end - at) +
                         "' is not a whole number");
        }
        values->push_back(value);
        at = end + 1;
    }
    return {};
}

// Says which options others, or a setting, leave nothing to do.
void note_idle_options(const TrainArguments& arguments, const TrainOptions& train, bool quiet) {
    IdleOptions idle(*arguments.command);
    idle.when(!train.heads.empty() && train.n_heads != train.heads.size(),
              "does nothing with --heads, which names them", {"--n-heads"});
    idle.when(!train.heads.empty(), "does nothing with --heads, which names them", {"--choose"});
    idle.when(train.query_steps == 0, "does nothing with --query-steps 0",
              {"--negatives", "--model-questions"});
    idle.when(!train.sae_dir.empty(), "does nothing with --sae: the autoencoders are finished",
              {"--latents", "--k", "--sae-steps", "--sae-patience"});
    const bool weights = arguments.fusion_questions > 0;
    idle.when(train.context.heads == 0 && !arguments.context_only && !weights,
              "does nothing without --context-heads",
              {"--context-questions", "--context-units", "--context-max-layer",
               "--context-keep-sentence"});
    idle.when(weights, "does nothing with --fusion-questions, which chooses no heads",
              {"--context-heads", "--context-questions", "--context-units", "--context-max-layer",
               "--context-keep-sentence"});
    idle.when(arguments.context_only || weights,
              std::string("does nothing with ") +
                  (weights ? "--fusion-questions" : "--context-heads-only") +
                  ": nothing is trained",
              {"--heads", "--n-heads", "--max-layer", "--choose", "--latents", "--k", "--sae-steps",
               "--sae-patience", "--sae-tokens", "--sae", "--query-steps", "--negatives",
               "--model-questions", "--cloze-pairs", "--dump", "--work", "--keep-work"});
    idle.when(!arguments.sweep.empty() && train.out.empty(),
              "does nothing with --sweep without --out",
              {"--query-steps", "--negatives", "--model-questions", "--dump"});
    idle.when(!arguments.sweep.empty(),
              "does nothing with --sweep: add them to its adapter with --context-heads-only",
              {"--context-heads"});
    idle.print(quiet);
}

// Modes of the command that exclude each other.
Status check_modes(const TrainArguments& arguments, const TrainOptions& train) {
    const bool sweep = !arguments.sweep.empty(), weights = arguments.fusion_questions > 0;
    if (arguments.context_only && weights) {
        return usage("--context-heads-only and --fusion-questions are two runs: give one of them");
    }
    if (sweep && (arguments.context_only || weights)) {
        return usage(std::string("--sweep trains autoencoders, ") +
                     (weights ? "--fusion-questions" : "--context-heads-only") +
                     " nothing: give one of them");
    }
    if (train.out.empty() && !sweep && !arguments.context_only && !weights) {
        return usage("--out is required: the adapter directory to make");
    }
    if (!train.sae_dir.empty() && sweep) {
        return usage("--sweep trains autoencoders, --sae takes finished ones: give one of them");
    }
    return {};
}

Result<SweepOptions> parse_arguments(const TrainArguments& arguments, const GlobalOptions& options,
                                     TrainOptions& train) {
    train = arguments.options;
    S3ATTN_TRY(train.heads, parse_heads(arguments.heads));
    S3ATTN_TRY(train.max_layer, parse_max_layer(arguments.max_layer));
    if (arguments.choice == "per-layer") train.choice = HeadChoice::kPerLayer;
    for (const Negatives kind : {Negatives::kBm25, Negatives::kDocument, Negatives::kAdjacent}) {
        if (arguments.negatives == name_of(kind)) train.negatives = kind;
    }
    train.model = options.engine.model;
    train.question_model = options.engine.reader;
    train.cache_dir = options.engine.cache_dir;
    train.threads = options.engine.threads;
    train.device = options.engine.device;
    if (options.engine.chunk_tokens > 0) train.chunk_tokens = options.engine.chunk_tokens;
    SweepOptions sweep;
    for (const std::string& text : arguments.sweep) S3ATTN_CHECK(parse_sweep(text, sweep));
    S3ATTN_CHECK(check_modes(arguments, train));
    note_idle_options(arguments, train, options.quiet);
    return sweep;
}

template <class Report>
int show_report(const Result<Report>& report, const std::string& out, bool json) {
    if (!report.ok()) return fail(report.error());
    if (json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
    } else {
        print_report(*report, out);
    }
    return 0;
}

// The directory that --adapter names, or that fits the model.
Result<std::string> adapter_of(const GlobalOptions& options) {
    if (!options.engine.adapter.empty()) return options.engine.adapter;
    S3ATTN_TRY(const ModelInfo model, read_model_info(options.engine.model));
    auto found = find_adapter(options.engine.adapter_dirs, model.file_hash, model.identity);
    if (found.ok()) return found;
    return make_error(found.error().code, reason::kNoAdapter, options.engine.model,
                      "no adapter fits " + model.name + " (" + found.error().message + ")");
}

Result<FusionFit> add_fusion(const std::string& directory, const TrainOptions& train,
                             uint32_t questions, const GlobalOptions& options, ProgressSink& sink,
                             const CancelToken& cancel) {
    S3ATTN_TRY(Adapter adapter, load_adapter(directory));
    S3ATTN_TRY(const auto others, other_files(directory));
    EngineOptions engine = options.engine;
    engine.adapter = directory;
    S3ATTN_TRY(FusionFit fit,
               fit_fusion(engine, adapter, train.corpus, questions, train.seed, sink, cancel));
    adapter.fusion = fit.model;
    S3ATTN_CHECK(save_adapter(adapter, train.out.empty() ? directory : train.out, others));
    return fit;
}

int run_fusion(const TrainOptions& train, uint32_t questions, const GlobalOptions& options,
               const CancelToken& cancel) {
    const auto adapter = adapter_of(options);
    if (!adapter.ok()) return fail(adapter.error());
    ConsoleProgress progress(options.quiet);
    const auto fit = add_fusion(*adapter, train, questions, options, progress, cancel);
    progress.finish();
    return show_report(fit, train.out.empty() ? *adapter : train.out, options.json);
}

int run_keep_heads(const std::string& out, uint32_t n, const GlobalOptions& options) {
    const auto adapter = adapter_of(options);
    if (!adapter.ok()) return fail(adapter.error());
    return show_report(copy_with_heads(*adapter, n, out), out, options.json);
}

int run_context_heads(TrainOptions train, const GlobalOptions& options, const CancelToken& cancel) {
    const auto found = adapter_of(options);
    if (!found.ok()) return fail(found.error());
    const std::string& adapter = *found;
    if (train.context.heads == 0) train.context.heads = kUsualContextHeads;
    ConsoleProgress progress(options.quiet);
    const auto report = add_context_heads(adapter, train, progress, cancel);
    progress.finish();
    return show_report(report, train.out.empty() ? adapter : train.out, options.json);
}

int run_train(const TrainArguments& arguments, const GlobalOptions& options,
              const CancelToken& cancel) {
    if (const Status named = need_model(options.engine); !named.ok()) return fail(named.error());
    TrainOptions train;
    const auto sweep = parse_arguments(arguments, options, train);
    if (!sweep.ok()) {
        fail(sweep.error());
        return 2;
    }
    if (arguments.keep_heads > 0) {
        return run_keep_heads(train.out, arguments.keep_heads, options);
    }
    if (arguments.fusion_questions > 0) {
        return run_fusion(train, arguments.fusion_questions, options, cancel);
    }
    if (arguments.context_only) return run_context_heads(train, options, cancel);
    ConsoleProgress progress(options.quiet);
    if (!arguments.sweep.empty()) {
        const auto report = sweep_training(train, *sweep, progress, cancel);
        progress.finish();
        return show_report(report, train.out, options.json);
    }
    const auto report = train_adapter(train, progress, cancel);
    progress.finish();
    return show_report(report, train.out, options.json);
}

void add_head_options(CLI::App& command, TrainArguments& arguments) {
    TrainOptions& train = arguments.options;
    command.add_option("--heads", arguments.heads, "use these heads instead of choosing some")
        ->delimiter(',')
        ->type_name("LAYER:HEAD,...");
    command.add_option("--n-heads", train.n_heads, "how many heads to choose")
        ->check(CLI::Range(1u, 64u))
        ->capture_default_str();
    command
        .add_option("--max-layer", arguments.max_layer,
                    "deepest layer to choose from; all: every layer (-1: a third of the network)")
        ->type_name("LAYER")
        ->capture_default_str();
    command
        .add_option("--choose", arguments.choice,
                    "recall: the best heads; per-layer: stop where each layer scanned gains most")
        ->check(CLI::IsMember({"recall", "per-layer"}))
        ->type_name("HOW")
        ->capture_default_str();
    command.add_option("--cloze-pairs", train.cloze_pairs, "sentence and paragraph pairs")
        ->capture_default_str();
}

void add_sae_options(CLI::App& command, TrainArguments& arguments) {
    TrainOptions& train = arguments.options;
    command.add_option("--latents", train.latents, "features per KV head")
        ->check(CLI::Range(16u, 65536u))
        ->capture_default_str();
    command.add_option("--k", train.k, "active features per key")
        ->check(CLI::Range(1u, 64u))
        ->capture_default_str();
    command
        .add_option("--sae-steps", train.sae_steps,
                    "training steps of each autoencoder, at most (see --sae-patience)")
        ->capture_default_str();
    command
        .add_option("--sae-patience", train.sae_patience,
                    "end early after so many checks (one in 100 steps) without progress; 0: never")
        ->capture_default_str();
    command
        .add_option("--sae-tokens", train.sae_tokens,
                    "most keys per head to train on; code and lists are at most a third of them")
        ->check(CLI::Range(100u, 1u << 30))
        ->capture_default_str();
    command
        .add_option("--sae", train.sae_dir,
                    "take autoencoders from here (sae_L<layer>_H<KV head>/) instead of training")
        ->type_name("DIR");
    command
        .add_option("--sweep", arguments.sweep,
                    "compare every combination of k=4,8,16 and latents=1024,4096 (may repeat)")
        ->type_name("NAME=N,...");
}

void add_query_options(CLI::App& command, TrainArguments& arguments) {
    TrainOptions& train = arguments.options;
    command
        .add_option("--query-steps", train.query_steps,
                    "training steps of the query side (0: left as it is)")
        ->capture_default_str();
    command
        .add_option("--negatives", arguments.negatives,
                    "what a question must be told from besides random paragraphs: bm25 (the same "
                    "words), document (near it), adjacent")
        ->check(CLI::IsMember({"random", "bm25", "document", "adjacent"}))
        ->type_name("KIND")
        ->capture_default_str();
    command
        .add_option(
            "--model-questions", train.model_questions,
            "train on so many questions that the model (or --reader) writes, in place of sentences")
        ->capture_default_str();
}

void add_context_options(CLI::App& command, TrainArguments& arguments) {
    ContextHeadOptions& context = arguments.options.context;
    command
        .add_option("--context-heads", context.heads,
                    "also choose so many heads for the second stage (--rerank); 0: none")
        ->check(CLI::Range(0u, 64u))
        ->capture_default_str();
    command.add_option("--context-questions", context.questions, "sentences to choose them with")
        ->check(CLI::Range(1u, 100000u))
        ->capture_default_str();
    command.add_option("--context-units", context.units, "paragraphs in a context")
        ->check(CLI::Range(2u, 1000u))
        ->capture_default_str();
    command
        .add_option("--context-max-layer", context.max_layer,
                    "deepest layer to choose them from (-1: two thirds of the network)")
        ->capture_default_str();
    command.add_flag("--context-keep-sentence", context.keep_sentence,
                     "leave each sentence in its paragraph");
    command.add_flag("--context-heads-only", arguments.context_only,
                     "add them to the adapter that --adapter names, or that fits the model, and "
                     "train nothing (with --out: to a copy of it)");
    command
        .add_option("--fusion-questions", arguments.fusion_questions,
                    "fit how the hybrid weighs attention and words for each question, with so many "
                    "sentences of the corpus, in that adapter, and train nothing; 400 are good")
        ->check(CLI::Range(50u, 100000u))
        ->type_name("N");
}

}  // namespace

void add_train_command(Context& context) {
    auto arguments = std::make_shared<TrainArguments>();
    TrainOptions& train = arguments->options;
    CLI::App* command = add_command(
        context, "train", "Make a model's retrieval adapter from plain text, without labels",
        "Finds the attention heads that retrieve (inverse cloze), trains one sparse autoencoder\n"
        "per KV head and, with --query-steps, the query side. A run that was stopped goes on "
        "after\n"
        "its last finished part when the same command is given again.\n\n"
        "Example: s3attn train --model my.gguf --corpus texts/ --out my-adapter");
    arguments->command = command;
    CLI::Option* corpus =
        command->add_option("--corpus", train.corpus, "plain text files or directories")
            ->required()
            ->type_name("FILE...");
    command
        ->add_option_function<uint32_t>(
            "--keep-heads",
            [arguments, corpus](uint32_t n) {
                arguments->keep_heads = n;
                corpus->required(false);
            },
            "copy that adapter to --out with its N best heads and the slots that they read, for a "
            "smaller index, and train nothing")
        ->check(CLI::Range(1u, 64u))
        ->type_name("N");
    command
        ->add_option("--out", train.out,
                     "adapter directory to make; with --sweep: for the best, may be left out")
        ->type_name("DIR");
    command->add_option("--work", train.work, "finished parts of a run are kept here (OUT.partial)")
        ->type_name("DIR");
    command->add_flag("--keep-work", train.keep_work,
                      "keep them: a run with other settings of the query side starts from them");
    add_head_options(*command, *arguments);
    add_sae_options(*command, *arguments);
    add_query_options(*command, *arguments);
    add_context_options(*command, *arguments);
    command
        ->add_option("--dump", train.dump,
                     "also write the held-out keys, queries and codes there, for NumPy "
                     "(docs/formats/adapter.md)")
        ->type_name("FILE.npz");
    command->add_option("--seed", train.seed, "of everything random")->capture_default_str();
    command->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run_train(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli

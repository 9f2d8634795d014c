#include <charconv>
#include <cstdio>

#include "commands.h"
#include "output.h"
#include "progress_bar.h"
#include "s3attn/trainer.h"

namespace s3attn::cli {
namespace {

struct TrainArguments {
    TrainOptions options;
    std::vector<std::string> heads;  // LAYER:HEAD
};

Result<std::vector<HeadId>> parse_heads(const std::vector<std::string>& texts) {
    std::vector<HeadId> heads;
    for (const std::string& text : texts) {
        HeadId head;
        const char* end = text.data() + text.size();
        const auto first = std::from_chars(text.data(), end, head.layer);
        const bool colon = first.ec == std::errc{} && first.ptr != end && *first.ptr == ':';
        const auto second = colon ? std::from_chars(first.ptr + 1, end, head.query_head) : first;
        if (!colon || second.ec != std::errc{} || second.ptr != end) {
            return make_error(ErrorCode::kInvalidArgument,
                              "--heads '" + text + "' is not of the form LAYER:HEAD, such as 5:6");
        }
        heads.push_back(head);
    }
    return heads;
}

void print_report(const TrainReport& report, const std::string& out) {
    std::printf("layer head   R@5  R@10  R@20   (inverse cloze, one head alone, best 20)\n");
    for (size_t i = 0; i < std::min<size_t>(20, report.ranking.size()); ++i) {
        const HeadReport& head = report.ranking[i];
        std::printf("%5u %4u  %.3f %.3f %.3f\n", head.head.layer, head.head.query_head,
                    head.recall_at_5, head.recall_at_10, head.recall_at_20);
    }
    std::printf("\nlayer KV head    FVU  dead  densest\n");
    for (const SaeReport& sae : report.saes) {
        std::printf("%5u %7u  %.3f  %.3f  %.3f\n", sae.layer, sae.kv_head, sae.fvu, sae.dead_share,
                    sae.densest);
    }
    std::printf("\nchosen heads together, with codes: R@10 %.3f on held-out inverse cloze\n",
                report.recall_at_10);
    std::printf("%s made in %s, peak memory %.0f MiB\n", out.c_str(),
                format_duration(report.seconds).c_str(),
                static_cast<double>(report.peak_rss_bytes) / (1 << 20));
}

int run_train(const TrainArguments& arguments, const GlobalOptions& options,
              const CancelToken& cancel) {
    TrainOptions train = arguments.options;
    auto heads = parse_heads(arguments.heads);
    if (!heads.ok()) {
        fail(heads.error());
        return 2;
    }
    train.heads = *heads;
    train.model = options.engine.model;
    train.cache_dir = options.engine.cache_dir;
    train.threads = options.engine.threads;
    if (options.engine.chunk_tokens > 0) train.chunk_tokens = options.engine.chunk_tokens;
    ConsoleProgress progress(options.quiet);
    auto report = train_adapter(train, progress, cancel);
    progress.finish();
    if (!report.ok()) return fail(report.error());
    if (options.json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
    } else {
        print_report(*report, train.out);
    }
    return 0;
}

}  // namespace

void add_train_command(Context& context) {
    auto arguments = std::make_shared<TrainArguments>();
    TrainOptions& train = arguments->options;
    CLI::App* command = add_command(
        context, "train", "Make a model's retrieval adapter from plain text, without labels",
        "Finds the attention heads that retrieve (inverse cloze), trains one sparse autoencoder\n"
        "per KV head and, with --query-steps, the query side.\n\n"
        "Example: s3attn train --model my.gguf --corpus texts/ --out my-adapter");
    command->add_option("--corpus", train.corpus, "plain text files or directories")
        ->required()
        ->type_name("FILE...");
    command->add_option("--out", train.out, "adapter directory to make")
        ->required()
        ->type_name("DIR");
    command->add_option("--heads", arguments->heads, "use these heads instead of choosing some")
        ->delimiter(',')
        ->type_name("LAYER:HEAD,...");
    command->add_option("--n-heads", train.n_heads, "how many heads to choose")
        ->check(CLI::Range(1u, 64u))
        ->capture_default_str();
    command
        ->add_option("--max-layer", train.max_layer,
                     "deepest layer to choose from (-1: a third of the network)")
        ->capture_default_str();
    command->add_option("--latents", train.latents, "features per KV head")
        ->check(CLI::Range(16u, 65536u))
        ->capture_default_str();
    command->add_option("--k", train.k, "active features per key")
        ->check(CLI::Range(1u, 256u))
        ->capture_default_str();
    command->add_option("--sae-steps", train.sae_steps, "training steps of each autoencoder")
        ->capture_default_str();
    command->add_option("--sae-tokens", train.sae_tokens, "keys per head to train on")
        ->capture_default_str();
    command->add_option("--cloze-pairs", train.cloze_pairs, "sentence and paragraph pairs")
        ->capture_default_str();
    command->add_option("--query-steps", train.query_steps, "training steps of the query side")
        ->capture_default_str();
    command->add_option("--seed", train.seed, "of everything random")->capture_default_str();
    command->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run_train(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli

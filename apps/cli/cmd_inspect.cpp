#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>

#include "base/utf8.h"
#include "commands.h"
#include "output.h"
#include "progress_bar.h"

namespace s3attn::cli {
namespace {

constexpr size_t kContextBytes = 60;  // shown on each side of a token

struct InspectArguments {
    std::string store;
    std::string feature;
    uint32_t slot = 0;
    InspectOptions options;
};

void print_store(const InspectReport& report) {
    for (const auto& [field, value] : report.fingerprint) {
        std::printf("%-16s %s\n", field.c_str(), value.c_str());
    }
    std::printf("documents %s, units %s, tokens %s, segments %s, postings %s\n",
                group_digits(report.documents).c_str(), group_digits(report.units).c_str(),
                group_digits(report.tokens).c_str(), group_digits(report.segments).c_str(),
                group_digits(report.postings).c_str());
    std::printf("catalogue %s bytes, segments %s bytes\n",
                group_digits(report.catalog_bytes).c_str(),
                group_digits(report.segment_bytes).c_str());
    std::printf("features by number of postings:\n");
    for (size_t i = 0; i < report.posting_length_histogram.size(); ++i) {
        if (report.posting_length_histogram[i] == 0) continue;
        const unsigned long long most = i == 0 ? 0 : 1ull << i;
        std::printf("  %s%llu: %s\n", i == 0 ? "" : "up to ", most,
                    group_digits(report.posting_length_histogram[i]).c_str());
    }
    std::printf("densest features (slot:latent postings):");
    for (const auto& [feature, length] : report.densest) {
        std::printf("  %u:%u %s", feature / report.latents, feature % report.latents,
                    group_digits(length).c_str());
    }
    std::printf("\n");
}

void print_stats(const InspectReport& report) {
    const uint64_t features = uint64_t{report.heads} * report.latents;
    std::printf(
        "features: %s, dead (no posting) %s, dense (on more than a tenth of the tokens) "
        "%s\n",
        group_digits(features).c_str(), group_digits(report.dead_features).c_str(),
        group_digits(report.dense_features).c_str());
    const double tokens = std::max(1.0, static_cast<double>(report.tokens));
    uint64_t all = 0;
    std::printf("bytes by part (bytes per token):\n");
    for (const auto& [part, bytes] : report.parts) {
        all += bytes;
        std::printf("  %-11s %15s  %8.2f\n", part.c_str(), group_digits(bytes).c_str(),
                    static_cast<double>(bytes) / tokens);
    }
    std::printf("  %-11s %15s  %8.2f\n", "all", group_digits(all).c_str(),
                static_cast<double>(all) / tokens);
    if (report.postings > 0) {
        std::printf("  %.3f bytes per posting\n", static_cast<double>(report.segment_bytes) /
                                                      static_cast<double>(report.postings));
    }
}

// One line: what stands before, the token in brackets, what stands after.
std::string in_context(const FeatureOccurrence& occurrence) {
    const std::string& text = occurrence.context;
    if (occurrence.token_end == 0) return quoted(text);
    const auto inside = [&](size_t i) {  // not in the middle of a character
        return i < text.size() && utf8_continues(text[i]);
    };
    size_t begin = occurrence.token_begin - std::min<size_t>(occurrence.token_begin, kContextBytes);
    size_t end = std::min<size_t>(text.size(), occurrence.token_end + kContextBytes);
    while (begin > 0 && inside(begin)) --begin;
    while (inside(end)) ++end;
    std::string line =
        text.substr(begin, occurrence.token_begin - begin) + "[[" +
        text.substr(occurrence.token_begin, occurrence.token_end - occurrence.token_begin) + "]]" +
        text.substr(occurrence.token_end, end - occurrence.token_end);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return quoted((begin > 0 ? "..." : "") + line + (end < text.size() ? "..." : ""));
}

void print_feature(const InspectReport& report, const InspectOptions& options) {
    std::printf("feature %d:%u fires at %s of %s tokens (%.4f %%), mean activation %.1f\n",
                options.head_slot, options.latent, group_digits(report.feature_postings).c_str(),
                group_digits(report.tokens).c_str(),
                100 * static_cast<double>(report.feature_postings) /
                    std::max(1.0, static_cast<double>(report.tokens)),
                report.mean_activation);
    if (!report.likes.empty()) std::printf("tokens it likes (times, mean activation):\n");
    for (const TokenPreference& liked : report.likes) {
        std::printf("  %s  %s, %.1f\n", dump(Json(liked.token), -1).c_str(),
                    group_digits(liked.count).c_str(), liked.mean_activation);
    }
    for (const FeatureOccurrence& occurrence : report.occurrences) {
        std::printf("\n%s, token position %llu, activation %.0f\n%s\n", occurrence.path.c_str(),
                    static_cast<unsigned long long>(occurrence.position.value),
                    occurrence.activation, in_context(occurrence).c_str());
    }
}

// "LATENT", of the slot given apart, or "SLOT:LATENT".
bool parse_feature(const InspectArguments& arguments, InspectOptions& options) {
    const std::string& text = arguments.feature;
    const char* end = text.data() + text.size();
    uint32_t first = 0;
    const auto got = std::from_chars(text.data(), end, first);
    if (got.ec != std::errc{} || first > INT32_MAX) return false;
    options.head_slot = static_cast<int>(arguments.slot);
    options.latent = first;
    if (got.ptr == end) return true;
    if (*got.ptr != ':') return false;
    options.head_slot = static_cast<int>(first);
    const auto rest = std::from_chars(got.ptr + 1, end, options.latent);
    return rest.ec == std::errc{} && rest.ptr == end;
}

int run_inspect(const InspectArguments& arguments, const GlobalOptions& global) {
    InspectOptions options = arguments.options;
    if (!arguments.feature.empty() && !parse_feature(arguments, options)) {
        fail(make_error(ErrorCode::kInvalidArgument,
                        "--feature '" + arguments.feature +
                            "' is neither LATENT nor SLOT:LATENT, such as 1234 or 0:1234"));
        return 2;
    }
    const auto store = Store::open(arguments.store);
    if (!store.ok()) return fail(store.error());
    const std::string& model = global.engine.model;  // none there: tokens stay unnamed
    auto report = model.empty() ? store->inspect(options) : inspect_tokens(*store, options, model);
    if (!report.ok()) return fail(report.error());
    if (global.json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
        return 0;
    }
    if (options.head_slot < 0 || options.stats) print_store(*report);
    if (options.stats) print_stats(*report);
    if (options.head_slot >= 0) print_feature(*report, options);
    return 0;
}

}  // namespace

void add_inspect_command(Context& context) {
    auto arguments = std::make_shared<InspectArguments>();
    CLI::App* command = add_command(
        context, "inspect", "Show features and postings of a store",
        "Example: s3attn inspect notes.s3 --feature 0:1234   where that feature fires, strongest\n"
        "first, how often, and at which tokens");
    command->add_option("store", arguments->store, "directory of the store")->required();
    command
        ->add_option("--feature", arguments->feature, "a feature: latent, or head slot and latent")
        ->type_name("[SLOT:]LATENT");
    command->add_option("--slot", arguments->slot, "head slot of --feature LATENT")
        ->check(CLI::Range(0u, 1023u))
        ->capture_default_str();
    command
        ->add_option("--limit", arguments->options.limit,
                     "most occurrences and most preferred tokens shown")
        ->capture_default_str();
    command->add_flag("--stats", arguments->options.stats,
                      "also dense and dead features, and bytes per token by part");
    command->callback([arguments, &context] {
        context.run = [arguments, &context] { return run_inspect(*arguments, context.options); };
    });
}

}  // namespace s3attn::cli

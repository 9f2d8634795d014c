#include <charconv>
#include <cstdio>

#include "commands.h"
#include "output.h"
#include "progress_bar.h"

namespace s3attn::cli {
namespace {

struct StoreArguments {
    std::string store;
    std::string document;  // remove
    int64_t text_of = 0;   // list --text
    std::string feature;   // inspect --feature SLOT:LATENT
    uint32_t limit = 20;
};

int print_text(const StoreArguments& arguments) {
    const Status status =
        read_document_text(arguments.store, arguments.text_of, [](std::string_view piece) {
            return std::fwrite(piece.data(), 1, piece.size(), stdout) == piece.size();
        });
    return status.ok() ? 0 : fail(status.error());
}

int run_list(const StoreArguments& arguments, const GlobalOptions& options) {
    if (arguments.text_of != 0) return print_text(arguments);
    auto documents = list_documents(arguments.store);
    if (!documents.ok()) return fail(documents.error());
    if (options.json) {
        Json json = {{"documents", Json::array()}};
        for (const DocumentInfo& document : *documents)
            json["documents"].push_back(to_json(document));
        std::printf("%s\n", dump(json, 2).c_str());
        return 0;
    }
    for (const DocumentInfo& document : *documents) {
        std::printf("%6lld  %10s tokens  %-8s  %s%s\n", static_cast<long long>(document.doc_id),
                    group_digits(document.tokens).c_str(), document.format.c_str(),
                    document.path.c_str(),
                    document.complete ? "" : "  (incomplete: run `index` again)");
    }
    if (documents->empty()) std::printf("the store is empty\n");
    return 0;
}

int run_remove(const StoreArguments& arguments, const GlobalOptions& options) {
    auto removed = remove_document(arguments.store, arguments.document);
    if (!removed.ok()) return fail(removed.error());
    if (options.json) {
        std::printf("%s\n", dump(Json{{"removed", to_json(*removed)}}, 2).c_str());
    } else {
        std::printf("removed %s (%s tokens)\n", removed->path.c_str(),
                    group_digits(removed->tokens).c_str());
    }
    return 0;
}

int run_verify(const StoreArguments& arguments, const GlobalOptions& options) {
    auto report = verify_store(arguments.store);
    if (!report.ok()) {
        if (options.json) {
            std::printf("%s\n",
                        dump(Json{{"ok", false}, {"problem", report.error().message}}, 2).c_str());
        }
        return fail(report.error());
    }
    if (options.json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
        return 0;
    }
    for (const std::string& orphan : report->orphans_removed) {
        std::printf("removed left-over file %s of an interrupted run\n", orphan.c_str());
    }
    std::printf("clean: %s documents, %s units, %s segments, %s postings, %s bytes\n",
                group_digits(report->documents).c_str(), group_digits(report->units).c_str(),
                group_digits(report->segments).c_str(), group_digits(report->postings).c_str(),
                group_digits(report->bytes).c_str());
    return 0;
}

void print_inspection(const InspectReport& report) {
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
    for (const FeatureOccurrence& occurrence : report.occurrences) {
        std::printf("\n%s, token position %llu, activation %.3f\n    %s\n", occurrence.path.c_str(),
                    static_cast<unsigned long long>(occurrence.position), occurrence.activation,
                    occurrence.context.c_str());
    }
}

// "SLOT:LATENT"
Result<std::pair<int, uint32_t>> parse_feature(const std::string& text) {
    int slot = 0;
    uint32_t latent = 0;
    const char* end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, slot);
    if (first.ec == std::errc{} && first.ptr != end && *first.ptr == ':' && slot >= 0) {
        const auto second = std::from_chars(first.ptr + 1, end, latent);
        if (second.ec == std::errc{} && second.ptr == end) return std::pair(slot, latent);
    }
    return make_error(ErrorCode::kInvalidArgument,
                      "--feature '" + text + "' is not of the form SLOT:LATENT, such as 0:1234");
}

int run_inspect(const StoreArguments& arguments, const GlobalOptions& options) {
    int slot = -1;
    uint32_t latent = 0;
    if (!arguments.feature.empty()) {
        auto feature = parse_feature(arguments.feature);
        if (!feature.ok()) {
            fail(feature.error());
            return 2;
        }
        std::tie(slot, latent) = *feature;
    }
    auto report = inspect_store(arguments.store, slot, latent, arguments.limit);
    if (!report.ok()) return fail(report.error());
    if (options.json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
    } else {
        print_inspection(*report);
    }
    return 0;
}

using RunStore = int (*)(const StoreArguments&, const GlobalOptions&);

CLI::App* add_store_command(Context& context, const std::string& name,
                            const std::string& description, const std::string& example,
                            const std::shared_ptr<StoreArguments>& arguments, RunStore function) {
    CLI::App* command = add_command(context, name, description, example);
    command->add_option("store", arguments->store, "directory of the store")->required();
    command->callback([arguments, function, &context] {
        context.run = [arguments, function, &context] {
            return function(*arguments, context.options);
        };
    });
    return command;
}

}  // namespace

void add_store_commands(Context& context) {
    auto arguments = std::make_shared<StoreArguments>();
    CLI::App* list = add_store_command(context, "list", "Show the documents of a store",
                                       "Example: s3attn list notes.s3", arguments, run_list);
    list->add_option("--text", arguments->text_of,
                     "print the text of this document, as byte ranges of citations count it")
        ->type_name("DOC_ID");
    CLI::App* remove =
        add_store_command(context, "remove", "Drop a document from a store",
                          "Example: s3attn remove notes.s3 book.md", arguments, run_remove);
    remove->add_option("document", arguments->document, "its path or number, as `list` shows them")
        ->required();
    add_store_command(context, "verify", "Check every byte of a store",
                      "Names the first inconsistency; exit code 1 if there is one.", arguments,
                      run_verify);
    CLI::App* inspect = add_store_command(
        context, "inspect", "Show features and postings of a store",
        "Example: s3attn inspect notes.s3 --feature 0:1234   where that feature fires", arguments,
        run_inspect);
    inspect->add_option("--feature", arguments->feature, "a feature: head slot and latent")
        ->type_name("SLOT:LATENT");
    inspect->add_option("--limit", arguments->limit, "most occurrences shown")
        ->capture_default_str();
}

}  // namespace s3attn::cli

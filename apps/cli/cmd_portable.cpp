#include <cstdio>
#include <memory>

#include "commands.h"
#include "output.h"
#include "progress_bar.h"

namespace s3attn::cli {
namespace {

struct PortableArguments {
    std::string store;
    std::vector<std::string> stores;  // merge
    std::string file;
};

int run_export(const PortableArguments& arguments, const GlobalOptions& options) {
    const auto store = Store::open(arguments.store);
    if (!store.ok()) return fail(store.error());
    auto report = store->export_to(arguments.file);
    if (!report.ok()) return fail(report.error());
    if (options.json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
    } else {
        std::printf("exported %s documents, %s units to %s (%s bytes)\n",
                    group_digits(report->documents).c_str(), group_digits(report->units).c_str(),
                    arguments.file.c_str(), group_digits(report->bytes).c_str());
    }
    return 0;
}

int run_import(const PortableArguments& arguments, const GlobalOptions& options) {
    auto report = Store::import_from(arguments.file, arguments.store);
    if (!report.ok()) return fail(report.error());
    if (options.json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
    } else {
        std::printf("imported and verified: %s documents, %s units, %s segments, %s postings\n",
                    group_digits(report->documents).c_str(), group_digits(report->units).c_str(),
                    group_digits(report->segments).c_str(), group_digits(report->postings).c_str());
    }
    return 0;
}

int run_merge(const PortableArguments& arguments, const GlobalOptions& options,
              const CancelToken& cancel) {
    ConsoleProgress progress(options.quiet);
    auto report = Store::merge(arguments.store, arguments.stores, progress, cancel);
    progress.finish();
    if (!report.ok()) return fail(report.error());
    if (options.json) {
        std::printf("%s\n", dump(to_json(*report), 2).c_str());
    } else {
        std::printf(
            "merged: %s documents added, %s replaced, %s unchanged; the store has %s "
            "documents, %s tokens, %s bytes\n",
            group_digits(report->added).c_str(), group_digits(report->replaced).c_str(),
            group_digits(report->unchanged).c_str(), group_digits(report->documents).c_str(),
            group_digits(report->store_tokens).c_str(), group_digits(report->bytes).c_str());
    }
    if (report->cancelled) {
        std::fprintf(stderr,
                     "interrupted: what was committed is kept; run the same command to go on\n");
    }
    return report->cancelled ? 1 : 0;
}

}  // namespace

void add_portable_commands(Context& context) {
    auto arguments = std::make_shared<PortableArguments>();
    CLI::App* to_file = add_command(context, "export", "Write a store into one portable file",
                                    "A consistent state, also while `index` runs. The file is a\n"
                                    "ZIP archive with checksums of everything in it.\n\n"
                                    "Example: s3attn export notes.s3 notes.s3x");
    to_file->add_option("store", arguments->store, "directory of the store")->required();
    to_file->add_option("file", arguments->file, "the file to make; must not exist")->required();
    to_file->callback([arguments, &context] {
        context.run = [arguments, &context] { return run_export(*arguments, context.options); };
    });
    CLI::App* from_file = add_command(context, "import", "Make a store of an exported file",
                                      "Every checksum is compared and the store verified before\n"
                                      "it appears.\n\n"
                                      "Example: s3attn import notes.s3x copy.s3");
    from_file->add_option("file", arguments->file, "a file that `export` wrote")->required();
    from_file->add_option("store", arguments->store, "the directory to make; must not exist")
        ->required();
    from_file->callback([arguments, &context] {
        context.run = [arguments, &context] { return run_import(*arguments, context.options); };
    });
    CLI::App* merge = add_command(
        context, "merge", "Join stores into one (made if absent)",
        "Shards of one run (`index --shard`) give the store of a single run. Documents that are\n"
        "there already are passed over, so a merge can be repeated.\n\n"
        "Example: s3attn merge all.s3 shard1.s3 shard2.s3");
    merge->add_option("store", arguments->store, "directory of the store they go into")->required();
    merge->add_option("stores", arguments->stores, "the stores to copy from")->required();
    merge->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run_merge(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli

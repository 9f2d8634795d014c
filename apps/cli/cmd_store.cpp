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
        std::printf("%6lld  %10s tokens  %-8s  %s%s%s\n", static_cast<long long>(document.doc_id),
                    group_digits(document.tokens).c_str(), document.format.c_str(),
                    document.path.c_str(),
                    document.complete ? "" : "  (incomplete: run `index` again)",
                    document.missing ? "  (missing: its file is gone)" : "");
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
}

}  // namespace s3attn::cli

#include <algorithm>
#include <cstdio>

#include "commands.h"
#include "document_choice.h"
#include "output.h"
#include "progress_bar.h"

namespace s3attn::cli {
namespace {

struct StoreArguments {
    std::string store;
    DocumentChoice document;
    CLI::Option* text = nullptr;  // list --text [DOCUMENT]
};

Status print_text(const Store& store, DocumentId doc_id) {
    return store.read_text(doc_id, [](std::string_view piece) {
        return std::fwrite(piece.data(), 1, piece.size(), stdout) == piece.size();
    });
}

Result<std::vector<DocumentInfo>> chosen_documents(const Store& store,
                                                   const DocumentChoice& choice) {
    if (choice.empty()) return store.list();
    S3ATTN_TRY(DocumentInfo document, choose_document(store, choice));
    return std::vector{std::move(document)};
}

int run_list(const StoreArguments& arguments, const GlobalOptions& options) {
    const auto store = Store::open(arguments.store);
    if (!store.ok()) return fail(store.error());
    const bool text = arguments.text->count() > 0;
    if (text && arguments.document.empty()) {
        fail(
            make_error(ErrorCode::kInvalidArgument, "--text needs a document: its path or number"));
        return 2;
    }
    const auto documents = chosen_documents(*store, arguments.document);
    if (!documents.ok()) return fail(documents.error());
    if (text) {
        const Status printed = print_text(*store, documents->front().doc_id);
        return printed.ok() ? 0 : fail(printed.error());
    }
    if (options.json) {
        Json json = {{"documents", Json::array()}};
        for (const DocumentInfo& document : *documents)
            json["documents"].push_back(to_json(document));
        std::printf("%s\n", dump(json, 2).c_str());
        return 0;
    }
    size_t width = 8;
    for (const DocumentInfo& document : *documents) {
        width = std::max(width, document.format.size());
    }
    for (const DocumentInfo& document : *documents) {
        std::printf(
            "%6lld  %10s tokens  %-*s  %s%s%s\n", static_cast<long long>(document.doc_id.value),
            group_digits(document.tokens).c_str(), static_cast<int>(width), document.format.c_str(),
            document.path.c_str(), document.complete ? "" : "  (incomplete: run `index` again)",
            document.missing ? "  (missing: its file is gone)" : "");
    }
    if (documents->empty()) std::printf("the store is empty\n");
    return 0;
}

int run_remove(const StoreArguments& arguments, const GlobalOptions& options) {
    if (arguments.document.empty()) {
        fail(make_error(ErrorCode::kInvalidArgument, "say which document: its path or number"));
        return 2;
    }
    auto store = Store::open(arguments.store, Store::Access::kWrite);
    if (!store.ok()) return fail(store.error());
    const auto document = choose_document(*store, arguments.document);
    if (!document.ok()) return fail(document.error());
    const auto removed = store->remove(document->doc_id);
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
    const auto verify = [&]() -> Result<VerifyReport> {
        S3ATTN_TRY(const Store store, Store::open(arguments.store));
        return store.verify();
    };
    const auto report = verify();
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
    arguments->text =
        list->add_option("--text", arguments->document.word,
                         "print the text of a document, by its path or number, as byte ranges of "
                         "citations count it")
            ->type_name("DOCUMENT")
            ->expected(0, 1);
    add_document_options(*list, arguments->document);
    CLI::App* remove =
        add_store_command(context, "remove", "Drop a document from a store",
                          "Example: s3attn remove notes.s3 book.md", arguments, run_remove);
    remove->add_option("document", arguments->document.word,
                       "its path or number, as `list` shows them");
    add_document_options(*remove, arguments->document);
    add_store_command(context, "verify", "Check every byte of a store",
                      "Names the first inconsistency; exit code 1 if there is one.", arguments,
                      run_verify);
}

}  // namespace s3attn::cli

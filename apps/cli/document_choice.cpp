#include "document_choice.h"

#include <charconv>

#include "s3attn/reason.h"

namespace s3attn::cli {
namespace {

DocumentId document_number(const std::string& word) {
    int64_t id = 0;
    const char* end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, id);
    return DocumentId(error == std::errc() && stop == end ? id : 0);
}

Error no_such_document(const Store& store, const std::string& word) {
    return make_error(ErrorCode::kNotFound, reason::kNoDocument, word,
                      "the store '" + store.directory() + "' has no document '" + word + "'");
}

}  // namespace

void add_document_options(CLI::App& command, DocumentChoice& choice) {
    CLI::Option* id = command.add_option("--id", choice.id, "the document of this number")
                          ->type_name("DOC_ID")
                          ->check(CLI::Range(int64_t{1}, INT64_MAX).description(""));
    command.add_option("--path", choice.path, "the document of this path, as `list` shows it")
        ->excludes(id);
}

Result<DocumentInfo> choose_document(const Store& store, const DocumentChoice& choice) {
    if (!choice.word.empty() && (choice.id != 0 || !choice.path.empty())) {
        return make_error(ErrorCode::kInvalidArgument,
                          "name one document: '" + choice.word + "', --id or --path");
    }
    if (choice.id != 0) return store.document(DocumentId(choice.id));
    const std::string& path = choice.path.empty() ? choice.word : choice.path;
    S3ATTN_TRY(const auto by_path, store.find(path));
    const DocumentId id = choice.path.empty() ? document_number(path) : DocumentId();
    if (id.value > 0) {
        const auto by_id = store.document(id);
        if (!by_id.ok() && by_id.error().code != ErrorCode::kNotFound) return by_id.error();
        if (by_id.ok() && by_path.has_value() && by_path->doc_id != id) {
            return make_error(ErrorCode::kInvalidArgument, reason::kDocumentAmbiguous, path,
                              "'" + path + "' is the number of the document '" + by_id->path +
                                  "' and the path of document " + to_string(by_path->doc_id) +
                                  ": say --id " + to_string(id) + " or --path " + path);
        }
        if (by_id.ok()) return *by_id;
    }
    if (!by_path.has_value()) return no_such_document(store, path);
    return *by_path;
}

}  // namespace s3attn::cli

#include "store/sources.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "s3attn/store.h"
#include "store/catalog.h"
#include "store/documents.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;

bool is_file_gone(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return errno == ENOENT || errno == ENOTDIR;
    return !S_ISREG(status.st_mode);
}

bool is_same_file(const std::string& a, const std::string& b) {
    struct stat first {
    }, second{};
    return ::stat(a.c_str(), &first) == 0 && ::stat(b.c_str(), &second) == 0 &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool is_at_or_below(const std::string& path, std::string folder) {
    while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
    if (path == folder) return true;
    if (!folder.ends_with('/')) folder += '/';
    return path.starts_with(folder);
}

std::string own_uploads(const std::string& directory) {
    std::error_code error;
    const fs::path canonical = fs::weakly_canonical(directory, error);
    return error ? std::string() : (canonical / kUploadsFolder).string() + "/";
}

Result<std::vector<DocumentInfo>> select(Database& db, const char* where,
                                         const std::string& value) {
    S3ATTN_TRY(Statement rows, db.prepare(std::string("SELECT ") + kDocumentColumns +
                                          " FROM documents WHERE replaces IS NULL AND " + where +
                                          " ORDER BY complete DESC, doc_id"));
    rows.bind(1, value);
    std::vector<DocumentInfo> documents;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return documents;
        documents.push_back(document_of(rows));
    }
}

Status set_place(Database& db, const DocumentInfo& document, const std::string& path,
                 const std::string& source) {
    if (!db.in_transaction()) S3ATTN_CHECK(db.exec("BEGIN IMMEDIATE"));
    // A replacement that was begun goes along: it is of the same file.
    S3ATTN_TRY(Statement update, db.prepare("UPDATE documents SET path = ?2, source = ?3 "
                                            "WHERE doc_id = ?1 OR replaces = ?1"));
    update.bind(1, document.doc_id).bind(2, path);
    return update.bind(3, source).run();
}

Status drop_at(Database& db, const std::string& path) {
    if (!db.in_transaction()) S3ATTN_CHECK(db.exec("BEGIN IMMEDIATE"));
    for (const bool complete : {false, true}) {
        S3ATTN_TRY(const auto there, find_document(db, path, complete));
        if (there.has_value()) S3ATTN_CHECK(drop_document(db, *there));
    }
    return {};
}

class KnownFiles {
  public:
    KnownFiles(Database& db, DocumentHeader& header) : db_(db), header_(header) {}

    Result<std::string> find() {
        S3ATTN_TRY(const auto own, select(db_, "source = ?1", header_.source));
        S3ATTN_TRY(const auto equal, select(db_, "source_hash = ?1", header_.source_hash));
        const DocumentInfo* moved = first_gone(equal);
        if (!own.empty()) {
            const bool changed = own.front().source_hash != header_.source_hash;
            // Another document's file was moved over this one.
            if (changed && moved != nullptr) return rename(*moved, own.front().path, true);
            return keep(own.front());
        }
        S3ATTN_TRY(const auto named, select(db_, "path = ?1", header_.path));
        const bool lost =
            !named.empty() && (named.front().source.empty() || is_gone(named.front()));
        if (lost && named.front().source_hash == header_.source_hash) return take_over(named);
        for (const DocumentInfo& document : equal) {
            // A second name of one file.
            if (!document.source.empty() && is_same_file(document.source, header_.source)) {
                header_.path = document.path;
                return std::string();
            }
        }
        if (moved != nullptr) return rename(*moved, free_path(named, *moved), false);
        if (lost) return take_over(named);
        if (!named.empty()) header_.path = header_.source;  // another file was shown by this name
        return std::string();
    }

  private:
    static const DocumentInfo* first_gone(const std::vector<DocumentInfo>& documents) {
        const auto found = std::find_if(documents.begin(), documents.end(), is_gone);
        return found == documents.end() ? nullptr : &*found;
    }

    Result<std::string> keep(const DocumentInfo& document) {
        // The store itself has moved, and its uploads with it.
        const bool moved_along = !document.source.starts_with('/') && document.path != header_.path;
        if (moved_along) S3ATTN_CHECK(set_place(db_, document, header_.path, header_.source));
        if (!moved_along) header_.path = document.path;
        return std::string();
    }

    // The document that was shown by this path, whose file was not known or has moved with it.
    Result<std::string> take_over(const std::vector<DocumentInfo>& named) {
        S3ATTN_CHECK(set_place(db_, named.front(), header_.path, header_.source));
        return std::string();
    }

    std::string free_path(const std::vector<DocumentInfo>& named, const DocumentInfo& moved) const {
        return named.empty() || named.front().doc_id == moved.doc_id ? header_.path
                                                                     : header_.source;
    }

    Result<std::string> rename(const DocumentInfo& document, const std::string& path, bool over) {
        const std::string before = document.path;
        if (over) S3ATTN_CHECK(drop_at(db_, path));
        S3ATTN_CHECK(set_place(db_, document, path, header_.source));
        header_.path = path;
        return before == path ? std::string() : before;
    }

    Database& db_;
    DocumentHeader& header_;
};

}  // namespace

bool may_be_one(const DocumentInfo& document, const std::string& source, const std::string& hash) {
    return document.source.empty() || source.empty() || document.source == source ||
           document.source_hash == hash;
}

std::string source_of(const std::string& path, const std::string& directory) {
    if (path == "-") return {};
    std::error_code error;
    const std::string canonical = fs::canonical(path, error).string();
    if (error) return {};
    const std::string uploads = own_uploads(directory);
    if (!uploads.empty() && canonical.starts_with(uploads)) {
        return std::string(kUploadsFolder) + "/" + canonical.substr(uploads.size());
    }
    return canonical;
}

Result<std::optional<DocumentInfo>> find_by_file(Database& db, const std::string& path,
                                                 const std::string& directory) {
    if (path.empty() || path == "-") return std::optional<DocumentInfo>();
    std::string source = source_of(path, directory);
    if (source.empty()) {
        std::error_code error;
        source = fs::weakly_canonical(fs::absolute(path, error), error).string();
        if (error) return std::optional<DocumentInfo>();
    }
    S3ATTN_TRY(const auto documents, select(db, "source = ?1", source));
    if (documents.empty()) return std::optional<DocumentInfo>();
    return std::optional(documents.front());
}

bool is_gone(const DocumentInfo& document) {
    return document.source.starts_with('/') && is_file_gone(document.source);
}

std::vector<DocumentInfo> gone_documents(const std::vector<DocumentInfo>& documents,
                                         const std::vector<std::string>& inputs,
                                         const std::string& directory) {
    std::vector<std::string> typed, canonical;
    for (const std::string& input : inputs) {
        if (input == "-") continue;
        std::error_code error;
        // "d/" is the folder "d".
        std::string folder = fs::path(input).lexically_normal().string();
        while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
        typed.push_back(folder);
        const fs::path whole = fs::weakly_canonical(fs::absolute(folder, error), error);
        if (!error) canonical.push_back(whole.string());
    }
    const auto among = [](const std::string& path, const std::vector<std::string>& folders) {
        return std::any_of(folders.begin(), folders.end(),
                           [&](const std::string& folder) { return is_at_or_below(path, folder); });
    };
    const std::string uploads = own_uploads(directory);
    std::vector<DocumentInfo> gone;
    for (const DocumentInfo& document : documents) {
        const std::string& source = document.source;
        // Of version 1 the path alone is known, as it was typed then.
        const bool guessed = source.empty() && document.path != "-" &&
                             among(document.path, typed) && is_file_gone(document.path);
        if (guessed || (among(source, canonical) && is_gone(document))) gone.push_back(document);
    }
    return gone;
}

Result<std::string> find_known_file(Database& db, DocumentHeader& header) {
    if (header.source.empty()) return std::string();
    header.path = fs::path(header.path).lexically_normal().string();
    return KnownFiles(db, header).find();
}

Result<std::string> find_known_source(Database& db, DocumentHeader& header) {
    S3ATTN_TRY(const auto own, select(db, "source = ?1", header.source));
    if (!own.empty()) {
        header.path = own.front().path;
        return std::string();
    }
    S3ATTN_TRY(const auto named, select(db, "path = ?1", header.path));
    if (!named.empty() && !may_be_one(named.front(), header.source, header.source_hash)) {
        header.path = header.source;
    }
    return std::string();
}

}  // namespace s3attn

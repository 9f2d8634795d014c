#include "text/file_kinds.h"

#include <algorithm>

#include "text/detect.h"
#include "text/encoding.h"
#include "text/ocr.h"

namespace s3attn::text {
namespace {

// Lower case, sorted. Documents of these formats are read, or refused with a reason.
constexpr std::string_view kReadEndings[] = {
    "doc", "docm", "docx", "dot",  "dotx",  "eml", "emlx", "epub",  "fodp", "fods", "fodt",
    "htm", "html", "mbox", "mht",  "mhtml", "odp", "ods",  "odt",   "otp",  "ots",  "ott",
    "pdf", "potx", "ppsx", "pptm", "pptx",  "rtf", "xht",  "xhtml", "xlsm", "xlsx", "xltx"};

struct Unread {
    std::string_view ending, advice;
};
constexpr std::string_view kAsDocx = "save it as DOCX or as plain text";
constexpr std::string_view kAsCsv = "save it as CSV";
constexpr std::string_view kAsXlsx = "save it as XLSX or CSV";
constexpr std::string_view kAsPptx = "save it as PPTX or PDF";
constexpr std::string_view kAsPdf = "save it as PDF";
constexpr std::string_view kAsEpub = "convert it to EPUB (ebook-convert)";
constexpr std::string_view kAsEml = "save it as EML";
constexpr Unread kUnread[] = {
    {"abw", kAsDocx},   {"azw", kAsEpub},  {"azw3", kAsEpub}, {"azw4", kAsEpub},
    {"chm", kAsEpub},   {"djv", kAsPdf},   {"djvu", kAsPdf},  {"dps", kAsPdf},
    {"et", kAsCsv},     {"hwp", kAsDocx},  {"hwpx", kAsDocx}, {"kdbx", kAsCsv},
    {"key", kAsPdf},    {"kfx", kAsEpub},  {"lit", kAsEpub},  {"lrf", kAsEpub},
    {"lwp", kAsDocx},   {"mobi", kAsEpub}, {"msg", kAsEml},   {"numbers", kAsCsv},
    {"odg", kAsPdf},    {"one", kAsPdf},   {"ost", kAsEml},   {"oxps", kAsPdf},
    {"pages", kAsDocx}, {"pdb", kAsEpub},  {"pot", kAsPptx},  {"pps", kAsPptx},
    {"ppt", kAsPptx},   {"prc", kAsEpub},  {"ps", kAsPdf},    {"pst", kAsEml},
    {"pub", kAsPdf},    {"sdw", kAsDocx},  {"sxc", kAsCsv},   {"sxi", kAsPdf},
    {"sxw", kAsDocx},   {"vsd", kAsPdf},   {"vsdx", kAsPdf},  {"webarchive", "save it as HTML"},
    {"wpd", kAsDocx},   {"wps", kAsDocx},  {"wri", kAsDocx},  {"xls", kAsXlsx},
    {"xlsb", kAsXlsx},  {"xlt", kAsXlsx},  {"xps", kAsPdf}};

constexpr std::string_view kArchives[] = {"7z",  "bz2", "cab", "gz",  "iso", "lz4", "rar",
                                          "tar", "tbz", "tgz", "txz", "xz",  "zip", "zst"};

template <typename List>
bool contains(const List& list, std::string_view ending) {
    return std::find(std::begin(list), std::end(list), ending) != std::end(list);
}

// Documents whatever their name says.
bool is_document(std::string_view refusal) {
    static constexpr std::string_view kWords[] = {
        "Office document", "PostScript", "Excel", "PowerPoint", "OpenDocument", "DjVu", "Outlook"};
    return std::any_of(std::begin(kWords), std::end(kWords),
                       [&](std::string_view word) { return refusal.find(word) != refusal.npos; });
}

// The beginning that says whether it is text: behind a hole, where the file begins with one.
bool begins_like_text(const SourceFile& source) {
    constexpr uint64_t kFarthest = 64u << 20;
    std::string head(4096, '\0');
    for (uint64_t offset = 0; offset < kFarthest; offset += head.size()) {
        head.resize(4096);
        const Result<size_t> got = source.read_at(offset, head.data(), head.size());
        if (!got.ok() || *got == 0) return false;
        head.resize(*got);
        const size_t solid = head.find_first_not_of('\0');
        // Fewer NULs may be the halves of wide characters.
        if (solid < 16 || head.size() < 16) return may_be_text(head);
        if (solid == head.npos) continue;
        const std::string_view rest = std::string_view(head).substr(solid);
        return rest.size() >= 16 && may_be_text(rest);
    }
    return false;
}

}  // namespace

FileKind kind_of(const SourceFile& source) {
    const std::string ending = extension_of(source.path());
    FileKind kind;
    kind.label = ending.empty() ? "without an ending" : "." + ending;
    const Result<Detection> detection = detect_format(source);
    if (detection.ok() && detection->format == Format::kImage) {
        // Most pictures in folders are none of text; TIFF files are scans and faxes.
        const bool scan = ending == "tif" || ending == "tiff";
        const bool read = has_ocr() && (scan || ocr_settings().pictures);
        kind.role = read ? FileRole::kDocument : FileRole::kOther;
        return kind;
    }
    const bool known = detection.ok() && detection->format != Format::kUnsupported;
    const bool text = known && detection->format == Format::kText && begins_like_text(source);
    // What claims to be one of ours is for its reader, which says what is wrong with it.
    if (text || (known && detection->format != Format::kText) || contains(kReadEndings, ending) ||
        is_text_name(ending) || ending == "xml") {
        kind.role = FileRole::kDocument;
        return kind;
    }
    const auto* const unread =
        std::find_if(std::begin(kUnread), std::end(kUnread),
                     [&](const Unread& one) { return one.ending == ending; });
    const std::string refusal = detection.ok() ? detection->refusal : std::string();
    if (unread != std::end(kUnread)) {
        kind.role = FileRole::kUnreadable;
        kind.problem =
            "is a ." + ending + " document, which is not read; " + std::string(unread->advice);
    } else if (is_document(refusal)) {
        kind.role = FileRole::kUnreadable;
        kind.problem = "looks like " + refusal;
    } else if (contains(kArchives, ending) || refusal.find("archive") != refusal.npos) {
        kind.role = FileRole::kArchive;
    }
    return kind;
}

}  // namespace s3attn::text

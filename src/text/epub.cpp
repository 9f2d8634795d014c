#include <algorithm>
#include <string_view>
#include <vector>

#include "text/encoding.h"
#include "text/epub_package.h"
#include "text/extracted_text.h"
#include "text/xhtml.h"
#include "text/zip_archive.h"

namespace s3attn::text {
namespace {

// The entry as UTF-8: XHTML is UTF-8 or says otherwise.
std::string decoded_entry(const std::string& bytes, const std::string& entry,
                          std::vector<ReadNote>& notes) {
    std::string_view content = bytes;
    std::string converter;
    if (content.starts_with("\xEF\xBB\xBF")) {
        content.remove_prefix(3);
    } else if (content.starts_with("\xFF\xFE") || content.starts_with("\xFE\xFF")) {
        converter = content.starts_with("\xFF\xFE") ? "UTF-16LE" : "UTF-16BE";
        content.remove_prefix(2);
    } else {
        converter = declared_charset(content);
        if (converter == "utf-8" || converter == "utf8") converter.clear();
    }
    const auto decode = [&](const std::string& name) {
        TextEncoding encoding;
        encoding.converter = name;
        Result<std::unique_ptr<Decoder>> decoder = make_decoder(encoding);
        // A name that nobody knows is no reason to lose the chapter.
        if (!decoder.ok()) decoder = make_utf8_decoder();
        std::string text;
        (*decoder)->decode(content, true, text, nullptr);
        return text;
    };
    std::string text = decode(converter);
    // Bytes that are not UTF-8 have become question marks: letters of Western Europe, mostly.
    const auto marks = [](std::string_view some) {
        return std::count(some.begin(), some.end(), '?');
    };
    if (!converter.empty() || marks(text) == marks(content)) return text;
    const std::string usual = "windows-1252";
    add_note(notes,
             {ReadNote::Kind::kConverted, entry, 1, "not valid UTF-8: converted from " + usual});
    return decode(usual);
}

// What is no chapter by its type: an image without a text that stands for it, a film.
bool holds_text(const Chapter& chapter, std::string_view bytes) {
    const std::string_view type = chapter.media_type;
    if (type.starts_with("image/") && type != "image/svg+xml") return false;
    if (type.starts_with("audio/") || type.starts_with("video/") || type.starts_with("font/")) {
        return false;
    }
    const bool wide = bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
    return wide || bytes.substr(0, 4096).find('\0') == bytes.npos;
}

class EpubReader {
  public:
    EpubReader(ZipArchive& archive, DocumentHeader& header)
        : archive_(archive), header_(header), path_(header.path), notes_(header.notes) {
        options_.with_title = false;  // each chapter repeats it
        options_.with_lines = false;
    }

    Status read(ExtractedText& text) {
        S3ATTN_TRY(const std::vector<Chapter> chapters, find_chapters(archive_, header_));
        const std::set<std::string> encrypted = encrypted_entries(archive_, path_, notes_);
        size_t read = 0;
        for (const Chapter& chapter : chapters) {
            const Status status =
                encrypted.contains(chapter.entry) ? protection() : add(chapter, text);
            if (status.ok()) {
                ++read;
                continue;
            }
            if (read == 0 && first_problem_.ok()) first_problem_ = status;
            if (over_budget_) return status;
            add_note(notes_, {ReadNote::Kind::kUnread, chapter.entry, 1,
                              without_place(status.error(), path_, chapter.entry)});
        }
        return read > 0 ? Status{} : first_problem_;
    }

  private:
    Status protection() const {
        return make_error(ErrorCode::kUnsupported,
                          path_ +
                              " is an EPUB with copy protection (DRM); its text cannot be read "
                              "without the key");
    }

    Status add(const Chapter& chapter, ExtractedText& text) {
        const Result<std::string> bytes = archive_.read(chapter.entry);
        if (!bytes.ok()) {
            over_budget_ = archive_.exhausted();
            return bytes.error();
        }
        if (!holds_text(chapter, *bytes)) {
            const bool image = chapter.media_type.starts_with("image/");
            return make_error(ErrorCode::kUnsupported,
                              path_ + ": " + chapter.entry + ": holds no text (" +
                                  (image ? "an image; run OCR to get its text"
                                   : chapter.media_type.empty() ? "binary data"
                                                                : chapter.media_type) +
                                  ")");
        }
        const std::string markup = decoded_entry(*bytes, chapter.entry, notes_);
        text.begin_chapter();
        if (chapter.media_type == "text/plain") {
            text.add(markup, {false, true, false});
            return {};
        }
        const Markup kind =
            chapter.media_type == "text/html" ? markup_of(markup, false) : Markup::kXhtml;
        std::vector<ReadNote> notes;
        const Status status =
            extract_markup(markup, kind, path_ + ": " + chapter.entry, options_, text, notes);
        for (ReadNote& note : notes) {
            note.place = chapter.entry + (note.place.empty() ? "" : ", " + note.place);
            add_note(notes_, std::move(note));
        }
        return status;
    }

    ZipArchive& archive_;
    DocumentHeader& header_;
    const std::string& path_;
    std::vector<ReadNote>& notes_;
    HtmlOptions options_;
    Status first_problem_;
    bool over_budget_ = false;
};

}  // namespace

OpenResult open_epub(OpenRequest request) {
    const std::string path = request.header.path;
    auto opened = ZipArchive::open(*request.source, request.options.max_parse_bytes);
    if (!opened.ok()) return entry_error(path, "EPUB", opened.error().message);
    if (!(*opened)->damage().empty()) add_note(request.header.notes, damage_note(**opened));
    ExtractedText text;
    S3ATTN_CHECK(EpubReader(**opened, request.header).read(text));
    request.header.encoding = "UTF-8";
    return text.finish(std::move(request), Place::kCountLines);
}

}  // namespace s3attn::text

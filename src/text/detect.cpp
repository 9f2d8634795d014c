#include "text/detect.h"

#include <algorithm>
#include <bit>
#include <filesystem>

#include "text/zip_archive.h"

namespace s3attn::text {
namespace {

constexpr size_t kHead = 4096;

struct Magic {
    size_t offset;
    std::string_view bytes;
    std::string_view refusal;
};

using namespace std::string_view_literals;

constexpr std::string_view kImage = "; run OCR (ocrmypdf, tesseract) to get its text";
constexpr std::string_view kUnpack = "; unpack it and index the files in it";

// Signatures of formats that are not documents of ours. Text never begins like these.
constexpr Magic kMagics[] = {
    {0, "\x89PNG\r\n\x1A\n"sv, "a PNG image"},
    {0, "\xFF\xD8\xFF"sv, "a JPEG image"},
    {0, "GIF87a"sv, "a GIF image"},
    {0, "GIF89a"sv, "a GIF image"},
    {0, "II*\0"sv, "a TIFF image"},
    {0, "MM\0*"sv, "a TIFF image"},
    {8, "WEBP"sv, "a WebP image"},
    {0, "AT&TFORM"sv, "a DjVu document"},
    {0, "\x1F\x8B"sv, "a gzip archive"},
    {0, "BZh9"sv, "a bzip2 archive"},
    {0,
     "\xFD"
     "7zXZ\0"sv,
     "an xz archive"},
    {0, "\x28\xB5\x2F\xFD"sv, "a zstd archive"},
    {0, "7z\xBC\xAF\x27\x1C"sv, "a 7z archive"},
    {0, "Rar!\x1A\x07"sv, "a RAR archive"},
    {257, "ustar"sv, "a tar archive"},
    {0,
     "\x7F"
     "ELF"sv,
     "an ELF program or library"},
    {0, "MZ\x90\0"sv, "a Windows program"},
    {0, "\xCF\xFA\xED\xFE"sv, "a Mach-O program"},
    {0, "\xCA\xFE\xBA\xBE"sv, "a Java class or Mach-O program"},
    {0, "\0asm"sv, "a WebAssembly module"},
    {0, "%!PS"sv, "a PostScript document"},
    {0, "SQLite format 3\0"sv, "an SQLite database"},
    {0, "GGUF"sv, "a GGUF model"},
    {0, "PAR1"sv, "a Parquet table"},
    {0, "\x93NUMPY"sv, "a NumPy array"},
    {0, "ID3"sv, "an MP3 recording"},
    {0, "OggS\0"sv, "an Ogg recording"},
    {0, "fLaC\0"sv, "a FLAC recording"},
    {8, "WAVE"sv, "a WAV recording"},
    {4, "ftyp"sv, "an MP4 video or recording"},
    {0, "\x1A\x45\xDF\xA3"sv, "a Matroska or WebM video"},
};

std::string next_step(std::string_view what) {
    if (what.ends_with("image") || what.find("DjVu") != what.npos) return std::string(kImage);
    if (what.ends_with("archive")) return std::string(kUnpack);
    if (what.find("PostScript") != what.npos) return "; convert it with ps2pdf";
    return "; convert it to plain text first";
}

std::string lower_ascii(std::string_view text) {
    std::string lower(text);
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    return lower;
}

// Two-byte encodings of ASCII markup become readable when their NUL bytes are dropped.
std::string without_nul(std::string_view head) {
    std::string text(head);
    text.erase(std::remove(text.begin(), text.end(), '\0'), text.end());
    return text;
}

bool begins_like_html(std::string_view head) {
    if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
    if (head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF")) head.remove_prefix(2);
    std::string text = lower_ascii(without_nul(head));
    text.erase(0, std::min(text.find_first_not_of(" \t\r\n\f"), text.size()));
    // Comments and declarations may come first; what they show counts for nothing.
    const auto skip = [&](std::string_view begin, std::string_view end) {
        if (!text.starts_with(begin)) return false;
        const size_t stop = text.find(end);
        text.erase(0, stop == text.npos ? text.size() : stop + end.size());
        text.erase(0, std::min(text.find_first_not_of(" \t\r\n\f"), text.size()));
        return true;
    };
    while (skip("<?", "?>") || skip("<!--", "-->")) {
    }
    for (const std::string_view root : {"<!doctype html", "<html"}) {
        const char next = text.size() > root.size() ? text[root.size()] : '>';
        const bool ends = next == '>' || next == '/' || next == '[' || next <= ' ';
        if (text.starts_with(root) && ends) return true;
    }
    return false;
}

// Headers of a mail, or the line that begins each mail of an mbox file and then headers.
bool begins_like_mail(std::string_view head) {
    static constexpr std::string_view kHeaders[] = {
        "return-path:", "received:", "delivered-to:", "from:",         "to:",
        "subject:",     "date:",     "message-id:",   "mime-version:", "x-mozilla-status:"};
    if (head.starts_with("From "))
        head.remove_prefix(std::min(head.find('\n'), head.size() - 1) + 1);
    unsigned found = 0;
    while (!head.empty() && head.front() != '\n' && head.front() != '\r') {
        const std::string_view line = head.substr(0, head.find('\n'));
        const bool folded = line.front() == ' ' || line.front() == '\t';
        const size_t colon = line.find(':');
        if (!folded && (colon == line.npos || line.substr(0, colon).find(' ') != line.npos)) {
            return false;
        }
        const std::string name = lower_ascii(line.substr(0, std::min(colon, line.size() - 1) + 1));
        for (size_t i = 0; i < std::size(kHeaders); ++i) {
            if (!folded && name == kHeaders[i]) found |= 1u << i;
        }
        head.remove_prefix(std::min(line.size() + 1, head.size()));
    }
    // One of those that programs write, and two at least of those that people read.
    constexpr unsigned kByPrograms = 0b1110000111u;
    return (found & kByPrograms) != 0 && std::popcount(found & 0b0001111000u) >= 2;
}

// The compound files of old office programs: which one wrote it, by the names of its streams.
Result<Detection> detect_compound(const SourceFile& source) {
    std::string bytes(4u << 20, '\0');
    S3ATTN_TRY(const size_t got, source.read_at(0, bytes.data(), bytes.size()));
    bytes.resize(got);
    const auto has = [&bytes](std::string_view name) {
        std::string wide;
        for (const char c : name) wide += {c, '\0'};
        return bytes.find(wide) != bytes.npos;
    };
    const auto refusal = [](const char* what) { return Detection{Format::kUnsupported, what}; };
    if (has("EncryptedPackage")) {
        return refusal("a password-protected Office document; save it without a password");
    }
    if (has("WordDocument")) return Detection{Format::kDoc, {}};
    if (has("PowerPoint Document")) return refusal("an old PowerPoint file; save it as PPTX");
    if (has("Workbook") || has("Book")) return refusal("an old Excel workbook; save it as XLSX");
    if (has("__properties_version1.0")) return refusal("an Outlook message; save it as EML");
    return refusal(
        "an old Office document or a password-protected one; save it as DOCX or as "
        "plain text without a password");
}

Detection refuse(std::string message) { return {Format::kUnsupported, std::move(message)}; }

// Texts, sheets and slides; templates of these too.
Result<Detection> detect_open_document(ZipArchive& zip, const SourceFile& source) {
    const Result<std::string> read = zip.read("mimetype");
    const std::string type = read.ok() ? *read : extension_of(source.path());
    const auto is = [&type](std::string_view long_name, std::string_view a, std::string_view b) {
        return type.find(long_name) != type.npos || type == a || type == b;
    };
    if (is("opendocument.spreadsheet", "ods", "ots")) return Detection{Format::kOds, {}};
    if (is("opendocument.presentation", "odp", "otp")) return Detection{Format::kOdp, {}};
    if (is("opendocument.text", "odt", "ott")) return Detection{Format::kOdt, {}};
    return refuse("an OpenDocument drawing or the like; save it as PDF");
}

Result<Detection> detect_zip(const SourceFile& source) {
    auto archive = ZipArchive::open(source, 1u << 20);
    if (!archive.ok()) {
        return refuse("a damaged ZIP archive (" + archive.error().message + "); copy it again");
    }
    ZipArchive& zip = **archive;
    if (zip.contains("META-INF/container.xml")) return Detection{Format::kEpub, {}};
    if (zip.contains("word/document.xml")) return Detection{Format::kDocx, {}};
    if (zip.contains("xl/workbook.xml")) return Detection{Format::kXlsx, {}};
    if (zip.contains("xl/workbook.bin")) {
        return refuse("a binary Excel workbook; save it as XLSX");
    }
    if (zip.contains("ppt/presentation.xml")) return Detection{Format::kPptx, {}};
    if (zip.contains("content.xml")) return detect_open_document(zip, source);
    // DOCX files of other programs may name their main part differently.
    if (extension_of(source.path()) == "docx") return Detection{Format::kDocx, {}};
    if (extension_of(source.path()) == "epub") return Detection{Format::kEpub, {}};
    if (!zip.damage().empty()) {
        return refuse("a damaged ZIP archive (" + zip.damage() + "); copy it again");
    }
    return refuse("a ZIP archive; unpack it and index the files in it");
}

}  // namespace

// Names that say "this is text": what stands in it does not overrule them, for a text may speak of
// any format.
bool is_text_name(std::string_view extension) {
    static constexpr std::string_view kNames[] = {
        "txt",  "text", "adoc", "asciidoc", "log", "json", "jsonl", "ndjson",
        "yaml", "yml",  "toml", "ini",      "cfg", "conf", "diff",  "patch"};
    return std::find(std::begin(kNames), std::end(kNames), extension) != std::end(kNames) ||
           text_format(extension) != Format::kText;
}

// Formats of text that only their names tell; kText for all others.
Format text_format(std::string_view extension) {
    struct Name {
        Format format;
        std::string_view endings;  // with a space on both sides
    };
    static constexpr Name kNames[] = {
        {Format::kMarkdown, " md markdown mdown mkd "},
        {Format::kCsv, " csv tsv "},
        {Format::kSubtitles, " srt vtt "},
        {Format::kRst, " rst rest "},
        {Format::kOrg, " org "},
        {Format::kLatex, " tex latex ltx "},
        {Format::kNotebook, " ipynb "},
        {Format::kCode,
         " c h cc cpp cxx hpp hh hxx cu cuh cs go java js mjs cjs jsx ts tsx kt kts php pl pm py "
         "pyi rb rs sh bash zsh sql swift vue svelte css scss less scala lua r jl hs ml mli ex exs "
         "erl clj lisp el vim ps1 bat dart nim zig d f90 f95 pas vb asm s proto cmake gradle tf "}};
    for (const Name& name : kNames) {
        if (!extension.empty() &&
            name.endings.find(" " + std::string(extension) + " ") != std::string_view::npos) {
            return name.format;
        }
    }
    return Format::kText;
}

std::string extension_of(std::string_view path) {
    std::string extension = std::filesystem::path(path).extension().string();
    return extension.empty() ? extension : lower_ascii(extension.substr(1));
}

Result<Detection> detect_format(const SourceFile& source) {
    std::string buffer(kHead, '\0');
    S3ATTN_TRY(const size_t got, source.read_at(0, buffer.data(), buffer.size()));
    const std::string_view head = std::string_view(buffer).substr(0, got);
    // PDF readers accept leading junk; a text that merely speaks of "%PDF-" has none in front.
    const size_t pdf = head.substr(0, 1024).find("%PDF-");
    const bool pdf_name = extension_of(source.path()) == "pdf";
    // Named so, and without its beginning: readers rebuild what they can.
    const bool headless =
        pdf_name && head.find(" obj") != head.npos && head.find("<<") != head.npos;
    if (pdf == 0 || (pdf != head.npos && pdf_name) || headless) {
        return Detection{Format::kPdf, {}};
    }
    if (head.starts_with("PK\x03\x04") || head.starts_with("PK\x05\x06")) {
        return detect_zip(source);
    }
    const std::string extension = extension_of(source.path());
    const bool text_name = is_text_name(extension);
    if (head.starts_with("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1")) return detect_compound(source);
    // A text may speak of RTF; such a beginning is one.
    if (head.starts_with("{\\rtf1\\") || (head.starts_with("{\\rtf") && !text_name)) {
        return Detection{Format::kRtf, {}};
    }
    for (const Magic& magic : kMagics) {
        if (head.size() < magic.offset + magic.bytes.size()) continue;
        if (head.substr(magic.offset, magic.bytes.size()) != magic.bytes) continue;
        // Signatures of letters alone count only where binary data follows.
        const bool letters = std::all_of(magic.bytes.begin(), magic.bytes.end(),
                                         [](char c) { return c > ' ' && c < '\x7F'; });
        const bool textual = magic.bytes == "%!PS";
        // A text may speak of PostScript; such a beginning is it.
        const bool certain = head.starts_with("%!PS-Adobe-");
        if (textual && text_name && !certain) continue;
        if (letters && !textual && head.find('\0') == head.npos) continue;
        const bool image = magic.refusal == "a PNG image" || magic.refusal == "a JPEG image" ||
                           magic.refusal == "a TIFF image";
        if (image) return Detection{Format::kImage, {}};
        return refuse(std::string(magic.refusal) + next_step(magic.refusal));
    }
    static constexpr std::string_view kMail[] = {"eml", "emlx", "mbox", "mht", "mhtml"};
    if (std::find(std::begin(kMail), std::end(kMail), extension) != std::end(kMail) ||
        (!text_name && begins_like_mail(head))) {
        return Detection{Format::kMail, {}};
    }
    if (extension == "html" || extension == "htm" || extension == "xhtml" || extension == "xht" ||
        (!text_name && begins_like_html(head))) {
        return Detection{Format::kHtml, {}};
    }
    if (extension == "fodt") return Detection{Format::kOdt, {}};
    if (extension == "fods") return Detection{Format::kOds, {}};
    if (extension == "fodp") return Detection{Format::kOdp, {}};
    return Detection{text_format(extension), {}};
}

}  // namespace s3attn::text

#include <algorithm>
#include <memory>

#include "text/detect.h"
#include "text/document_info.h"
#include "text/encoding.h"
#include "text/html.h"
#include "text/xhtml.h"

namespace s3attn::text {
namespace {

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == ':';
}

// Those that tell people something; not what is meant for browsers and crawlers.
void set_meta(DocumentHeader& header, std::string name, const std::string& content) {
    static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
        {"author", "author"},         {"creator", "author"},
        {"date", "date"},             {"published_time", "date"},
        {"issued", "date"},           {"created", "created"},
        {"modified", "modified"},     {"modified_time", "modified"},
        {"last-modified", "modified"}, {"keywords", "keywords"},
        {"tag", "keywords"},          {"description", "description"},
        {"subject", "subject"},       {"section", "category"},
        {"publisher", "publisher"},   {"language", "language"}};
    for (char& c : name) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    for (const std::string_view prefix : {"dc.", "dcterms.", "article:", "dc:", "dcterms:"}) {
        if (name.starts_with(prefix)) name.erase(0, prefix.size());
    }
    for (const auto& [known, property] : kNames) {
        if (name == known) set_property(header, property, content);
    }
}

}  // namespace

std::string declared_charset(std::string_view head) {
    std::string lower(head.substr(0, 4096));
    for (char& c : lower) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    size_t at = lower.find("charset");
    size_t skip = 7;
    if (lower.starts_with("<?xml")) {
        const size_t end = std::min(lower.find("?>"), lower.size());
        const size_t encoding = lower.find("encoding");
        if (encoding < end) {
            at = encoding;
            skip = 8;
        }
    }
    if (at == lower.npos) return {};
    at = lower.find_first_not_of(" \t\r\n", at + skip);
    if (at == lower.npos || lower[at] != '=') return {};
    at = lower.find_first_not_of(" \t\r\n\"'", at + 1);
    std::string charset;
    while (at < lower.size() && (is_name_character(lower[at]) || lower[at] == '_')) {
        charset += lower[at++];
    }
    return charset;
}

Result<std::string> decode_whole(const SourceFile& source, const std::string& declared,
                                 uint64_t max_bytes, DocumentHeader& header) {
    S3ATTN_TRY(const TextEncoding encoding, find_encoding(source, declared));
    S3ATTN_TRY(const std::string bytes, source.read_all(max_bytes));
    S3ATTN_TRY(const std::unique_ptr<Decoder> decoder, make_decoder(encoding));
    header.encoding = encoding.name;
    header.source_bytes = encoding.source_bytes;
    header.notes.insert(header.notes.end(), encoding.notes.begin(), encoding.notes.end());
    std::string text;
    const size_t begin = std::min<size_t>(encoding.bom_bytes, bytes.size());
    decoder->decode(std::string_view(bytes).substr(begin), true, text, nullptr);
    return text;
}

Status extract_markup(std::string_view source, Markup markup, const std::string& name,
                      const HtmlOptions& options, ExtractedText& out,
                      std::vector<ReadNote>& notes) {
    if (markup == Markup::kHtml) return extract_html(source, name, options, out);
    const XhtmlOutcome outcome = extract_xhtml(source, options, out);
    if (!outcome.well_formed) {
        if (markup == Markup::kXhtml) {
            add_note(notes,
                     {ReadNote::Kind::kConverted, outcome.place, 0,
                      "not well-formed XML (" + outcome.problem + "): read by the rules of HTML"});
        }
        return extract_html(xhtml_as_html(source), name, options, out);
    }
    if (outcome.unresolved > 0) {
        add_note(notes, {ReadNote::Kind::kUnread,
                         {},
                         outcome.unresolved,
                         std::to_string(outcome.unresolved) +
                             " references to entities outside the file are not read, the first &" +
                             outcome.first_unresolved + ";"});
    }
    return {};
}

Markup markup_of(std::string_view head, bool named_xhtml) {
    const std::string_view begin = trim(head);
    if (named_xhtml || begin.starts_with("<?xml")) return Markup::kXhtml;
    // A document type with declarations of its own is nothing that HTML knows.
    const size_t doctype = head.find("<!DOCTYPE");
    if (doctype != head.npos && head.find('[', doctype) < head.find('>', doctype)) {
        return Markup::kPerhapsXhtml;
    }
    // Pages that say so and are well-formed are XML as well.
    const size_t root = head.find("<html");
    if (root == head.npos) return Markup::kHtml;
    const std::string_view tag = head.substr(root, head.find('>', root) - root);
    const bool says_so = tag.find("http://www.w3.org/1999/xhtml") != tag.npos;
    return says_so ? Markup::kPerhapsXhtml : Markup::kHtml;
}

OpenResult open_html(OpenRequest request) {
    std::string head(4096, '\0');
    S3ATTN_TRY(const size_t got, request.source->read_at(0, head.data(), head.size()));
    const std::string declared = declared_charset(std::string_view(head).substr(0, got));
    S3ATTN_TRY(
        const std::string html,
        decode_whole(*request.source, declared, request.options.max_parse_bytes, request.header));
    const std::string extension = extension_of(request.header.path);
    const Markup markup = markup_of(std::string_view(html).substr(0, 4096),
                                    extension == "xhtml" || extension == "xht");
    ExtractedText text;
    HtmlOptions options;
    options.on_meta = [&](const std::string& name, const std::string& content) {
        set_meta(request.header, name, content);
    };
    S3ATTN_CHECK(
        extract_markup(html, markup, request.header.path, options, text, request.header.notes));
    return text.finish(std::move(request), Place::kMapLines);
}

}  // namespace s3attn::text

// Mail (EML, EMLX, mbox, MHTML): headers and bodies as people read them. GMime decodes; each part
// is then read by the reader of its own format.
#include <gmime/gmime.h>
#include <strings.h>
#include <unistd.h>

#include <cctype>
#include <charconv>
#include <memory>
#include <mutex>

#include "text/attached.h"
#include "text/document_info.h"
#include "text/encoding.h"
#include "text/extracted_text.h"
#include "text/formats.h"

namespace s3attn::text {
namespace {

constexpr int kDeepest = 24;         // parts inside parts
constexpr int kDeepestDocument = 3;  // mails attached as files, inside each other

struct Unref {
    void operator()(void* object) const { g_object_unref(object); }
};
template <typename T>
using Owned = std::unique_ptr<T, Unref>;

std::string valid_utf8(const char* text) {
    if (text == nullptr) return {};
    gchar* made = g_utf8_make_valid(text, -1);
    std::string valid(made);
    g_free(made);
    return valid;
}

// The ending that the reader of a part goes by.
std::string name_of(GMimePart* part, GMimeContentType* type) {
    std::string name = valid_utf8(g_mime_part_get_filename(part));
    if (g_mime_content_type_is_type(type, "text", "html")) {
        return (name.empty() ? "part" : name) + ".html";
    }
    if (!name.empty()) return name;
    return g_mime_content_type_is_type(type, "text", "*") ? "part.txt" : "part";
}

class MailReader {
  public:
    explicit MailReader(OpenRequest& request) : request_(request) {}

    Status read();
    OpenResult finish() {
        if (pictures_ > 0) {
            add_note(request_.header.notes,
                     {ReadNote::Kind::kLeftOut,
                      {},
                      pictures_,
                      std::to_string(pictures_) + " pictures, recordings and signatures"});
        }
        request_.header.encoding = "UTF-8";
        return text_.finish(std::move(request_), Place::kCountLines);
    }

  private:
    Owned<GMimeStream> open_stream() const;
    void add_headers(GMimeMessage* message);
    void set_properties(GMimeMessage* message);
    Status add_message(GMimeMessage* message, int depth);
    Status add_object(GMimeObject* object, int depth);
    Status add_multipart(GMimeMultipart* multipart, int depth);
    Status add_part(GMimePart* part);
    Result<std::shared_ptr<SourceFile>> spool(GMimePart* part, const std::string& name) const;
    void unread(const std::string& place, const std::string& message) {
        add_note(request_.header.notes, {ReadNote::Kind::kUnread, place, 1, message});
    }

    OpenRequest& request_;
    ExtractedText text_;
    uint64_t pictures_ = 0;
    bool mbox_ = false;
};

// EMLX files begin with the length of the mail.
Owned<GMimeStream> MailReader::open_stream() const {
    char head[32] = {};
    const Result<size_t> got = request_.source->read_at(0, head, sizeof head - 1);
    gint64 begin = 0, end = -1;
    int64_t length = 0;
    const auto number = std::from_chars(head, head + (got.ok() ? *got : 0), length);
    if (number.ec == std::errc{} && length > 0 && *number.ptr == '\n') {
        begin = number.ptr + 1 - head;
        end = begin + length;
    }
    return Owned<GMimeStream>(
        g_mime_stream_fs_new_with_bounds(::dup(request_.source->fd()), begin, end));
}

Status MailReader::read() {
    static std::once_flag begun;
    std::call_once(begun, [] { g_mime_init(); });
    char head[5] = {};
    S3ATTN_TRY(const size_t got, request_.source->read_at(0, head, sizeof head));
    mbox_ = std::string_view(head, got) == "From ";
    const Owned<GMimeStream> stream = open_stream();
    const Owned<GMimeParser> parser(g_mime_parser_new_with_stream(stream.get()));
    g_mime_parser_set_persist_stream(parser.get(), TRUE);
    if (mbox_) g_mime_parser_set_format(parser.get(), GMIME_FORMAT_MBOX);
    size_t messages = 0;
    do {
        const Owned<GMimeMessage> message(g_mime_parser_construct_message(parser.get(), nullptr));
        if (!message) break;
        text_.begin_chapter();
        if (!mbox_) set_properties(message.get());
        S3ATTN_CHECK(add_message(message.get(), 0));
        ++messages;
    } while (mbox_ && g_mime_parser_eos(parser.get()) == FALSE);
    if (messages > 0 && text_.size() > 0) return {};
    return make_error(ErrorCode::kUnsupported,
                      request_.header.path + " holds no mail that can be read");
}

void MailReader::add_headers(GMimeMessage* message) {
    ExtractedText::Kind line;
    for (const char* name : {"From", "To", "Cc", "Date", "Subject"}) {
        const std::string value = valid_utf8(g_mime_object_get_header(GMIME_OBJECT(message), name));
        if (value.empty()) continue;
        text_.add(std::string(name) + ": " + value, line);
        line.tight = true;
    }
}

// Of a file that is one mail: its day, who wrote it and to whom.
void MailReader::set_properties(GMimeMessage* message) {
    DocumentHeader& header = request_.header;
    GDateTime* date = g_mime_message_get_date(message);
    if (date != nullptr) {
        gchar* text = g_date_time_format(date, "%Y-%m-%dT%H:%M:%S");
        if (text != nullptr) set_property(header, "date", text);
        g_free(text);
    }
    for (const char* name : {"From", "To", "Cc", "Subject"}) {
        const std::string value = valid_utf8(g_mime_object_get_header(GMIME_OBJECT(message), name));
        std::string key = name;
        key.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(key.front())));
        if (!value.empty()) set_property(header, key, value);
        if (key == "from") set_property(header, "author", value.substr(0, value.find(" <")));
    }
    const std::string subject = valid_utf8(g_mime_message_get_subject(message));
    if (!subject.empty()) set_property(header, "title", subject);
}

Status MailReader::add_message(GMimeMessage* message, int depth) {
    add_headers(message);
    GMimeObject* part = g_mime_message_get_mime_part(message);
    return part != nullptr ? add_object(part, depth) : Status{};
}

Status MailReader::add_object(GMimeObject* object, int depth) {
    if (depth > kDeepest) {
        unread({}, "parts are nested more than " + std::to_string(kDeepest) + " deep");
        return {};
    }
    if (GMIME_IS_MULTIPART_ENCRYPTED(object)) {
        unread({}, "an encrypted part; decrypt the mail first");
        return {};
    }
    if (GMIME_IS_MESSAGE_PART(object)) {
        GMimeMessage* message = g_mime_message_part_get_message(GMIME_MESSAGE_PART(object));
        return message != nullptr ? add_message(message, depth + 1) : Status{};
    }
    if (GMIME_IS_MULTIPART(object)) return add_multipart(GMIME_MULTIPART(object), depth + 1);
    if (GMIME_IS_PART(object)) return add_part(GMIME_PART(object));
    unread({}, "a part of a kind that is not read");
    return {};
}

// Of alternatives the last that is text, which is the richest; what is no text (a calendar entry)
// is read beside it.
Status MailReader::add_multipart(GMimeMultipart* multipart, int depth) {
    const int count = g_mime_multipart_get_count(multipart);
    const auto is = [&](int i, const char* type, const char* subtype) {
        GMimeObject* part = g_mime_multipart_get_part(multipart, i);
        return g_mime_content_type_is_type(g_mime_object_get_content_type(part), type, subtype) !=
               FALSE;
    };
    const auto is_body = [&](int i) {
        return is(i, "text", "plain") || is(i, "text", "html") || is(i, "multipart", "*");
    };
    const bool alternative = g_mime_content_type_is_type(
        g_mime_object_get_content_type(GMIME_OBJECT(multipart)), "multipart", "alternative");
    int chosen = -1;
    for (int i = 0; i < count; ++i) chosen = is_body(i) ? i : chosen;
    for (int i = 0; i < count; ++i) {
        if (alternative && is_body(i) && i != chosen) continue;
        S3ATTN_CHECK(add_object(g_mime_multipart_get_part(multipart, i), depth));
    }
    return {};
}

// The decoded content in a temporary file, text in UTF-8.
Result<std::shared_ptr<SourceFile>> MailReader::spool(GMimePart* part,
                                                      const std::string& name) const {
    S3ATTN_TRY(std::shared_ptr<SourceFile> file, SourceFile::temporary(name));
    GMimeDataWrapper* content = g_mime_part_get_content(part);
    const Owned<GMimeStream> out(g_mime_stream_fs_new(::dup(file->fd())));
    if (content == nullptr || g_mime_data_wrapper_write_to_stream(content, out.get()) < 0 ||
        g_mime_stream_flush(out.get()) < 0) {
        return make_error(ErrorCode::kUnsupported, "cannot be decoded");
    }
    GMimeContentType* type = g_mime_object_get_content_type(GMIME_OBJECT(part));
    const char* charset = g_mime_content_type_get_parameter(type, "charset");
    const bool text = g_mime_content_type_is_type(type, "text", "*") != FALSE;
    if (!text || charset == nullptr || ::strcasecmp(charset, "utf-8") == 0 ||
        ::strcasecmp(charset, "us-ascii") == 0) {
        return file;
    }
    const Result<std::unique_ptr<Decoder>> decoder = make_converter(charset);
    if (!decoder.ok()) return file;  // its bytes may tell
    S3ATTN_TRY(const std::string bytes, file->read_all(request_.options.max_parse_bytes));
    std::string decoded;
    (*decoder)->decode(bytes, true, decoded, nullptr);
    S3ATTN_TRY(std::shared_ptr<SourceFile> converted, SourceFile::temporary(name));
    S3ATTN_CHECK(write_all(converted->fd(), decoded, name));
    return converted;
}

Status MailReader::add_part(GMimePart* part) {
    GMimeContentType* type = g_mime_object_get_content_type(GMIME_OBJECT(part));
    for (const char* silent : {"image", "audio", "video"}) {
        if (!g_mime_content_type_is_type(type, silent, "*")) continue;
        ++pictures_;
        return {};
    }
    if (g_mime_content_type_is_type(type, "application", "pgp-signature") ||
        g_mime_content_type_is_type(type, "application", "pkcs7-signature")) {
        ++pictures_;
        return {};
    }
    const std::string name = name_of(part, type);
    const std::string attached = valid_utf8(g_mime_part_get_filename(part));
    const AddAttached add = [this](std::string_view text, bool heading) -> Status {
        ExtractedText::Kind kind;
        kind.heading = heading;
        text_.add(text, kind);
        if (text_.size() <= request_.options.max_parse_bytes) return {};
        return make_error(ErrorCode::kUnsupported,
                          request_.header.path + " holds more than " +
                              std::to_string(request_.options.max_parse_bytes) +
                              " bytes of text; split it");
    };
    return read_attached(request_, spool(part, name), name,
                         attached.empty() ? "" : "Attachment: " + attached, add,
                         request_.header.notes);
}

}  // namespace

OpenResult open_mail(OpenRequest request) {
    if (request.depth > kDeepestDocument) {
        return make_error(ErrorCode::kUnsupported, request.header.path +
                                                       " is a mail inside a mail inside another; "
                                                       "save it as a file of its own");
    }
    if (request.header.source_bytes > request.options.max_parse_bytes) {
        return make_error(ErrorCode::kUnsupported,
                          request.header.path + " is larger than " +
                              std::to_string(request.options.max_parse_bytes) +
                              " bytes, the limit for mail; split it");
    }
    MailReader reader(request);
    S3ATTN_CHECK(reader.read());
    return reader.finish();
}

}  // namespace s3attn::text

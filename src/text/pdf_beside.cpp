#include "text/pdf_beside.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "text/attached.h"
#include "text/child_process.h"
#include "text/extracted_text.h"
#include "text/file_kinds.h"
#include "text/pdf_objects.h"

namespace s3attn::text {
namespace {

constexpr int kDeepestAttachment = 3;  // documents inside each other

class BesideWriter {
  public:
    BesideWriter(const OpenRequest& request, PdfText& text)
        : request_(request), text_(text), before_(text.bytes) {}

    Result<uint64_t> run() {
        const std::string qpdf = find_program("qpdf");
        PdfObjects objects;
        if (qpdf.empty()) {
            note(ReadNote::Kind::kLeftOut, {}, 0,
                 "comments and hidden form fields are not looked for: that needs qpdf (apt-get "
                 "install qpdf)");
            objects.files = true;  // not known
        } else {
            S3ATTN_TRY(objects, list_objects(qpdf));
        }
        for (const PdfObjects::Comment& comment : objects.comments) {
            const std::string by = comment.author.empty() ? "" : " by " + comment.author;
            S3ATTN_CHECK(add(comment.page, "Comment" + by + ": " + comment.text));
        }
        S3ATTN_CHECK(add_fields(objects.fields));
        if (objects.only_in_acrobat) {
            note(ReadNote::Kind::kUnread, {}, 1,
                 "a form whose pages only Acrobat makes (XFA): print it to a new PDF there");
        }
        if (objects.cut) {
            note(ReadNote::Kind::kUnread, {}, 1, "more comments than are read of one document");
        }
        if (objects.files) S3ATTN_CHECK(add_files());
        return text_.bytes - before_;
    }

  private:
    void note(ReadNote::Kind kind, const std::string& place, uint64_t count,
              const std::string& message) {
        add_note(text_.notes, {kind, place, count, message});
    }

    Status add(uint32_t page, std::string_view piece) {
        // A form feed would begin another page.
        std::string clean(trim(piece));
        std::replace(clean.begin(), clean.end(), '\f', '\n');
        if (clean.empty()) return {};
        const std::string separator = text_.bytes == 0     ? ""
                                      : page == last_page_ ? "\n\n"
                                                           : "\n\n\f";
        const uint64_t begin = text_.bytes + separator.size();
        if (page != last_page_) text_.pages.emplace_back(begin, page);
        last_page_ = page;
        S3ATTN_CHECK(write_all(text_.text->fd(), separator + clean, text_.text->path()));
        text_.bytes = begin + clean.size();
        if (text_.bytes <= request_.options.child_output_bytes) return {};
        return make_error(ErrorCode::kUnsupported,
                          request_.header.path + " holds more than " +
                              std::to_string(request_.options.child_output_bytes) +
                              " bytes of text with what is attached to it; split the PDF");
    }

    ChildLimits limits() const {
        ChildLimits limits;
        limits.seconds = std::max(request_.options.child_seconds, 1u);
        limits.output_bytes = request_.options.child_output_bytes;
        return limits;
    }

    Result<PdfObjects> list_objects(const std::string& qpdf) {
        S3ATTN_TRY(const std::shared_ptr<SourceFile> list,
                   SourceFile::temporary(request_.header.path));
        const std::vector<std::string> arguments = {qpdf,
                                                    "--json=2",
                                                    "--json-key=pages",
                                                    "--json-key=acroform",
                                                    "--json-key=qpdf",
                                                    "/proc/self/fd/0"};
        S3ATTN_TRY(const ChildOutcome outcome,
                   run_child(arguments, request_.source->fd(), list->fd(), limits()));
        constexpr int kWarnings = 3;  // it repaired what it found
        PdfObjects none;
        none.files = true;  // not known
        if (outcome.exit_code == 0 || outcome.exit_code == kWarnings) {
            Result<PdfObjects> objects = read_pdf_objects(*list, request_.options.max_parse_bytes);
            if (objects.ok()) return objects;
        }
        note(ReadNote::Kind::kUnread, {}, 1,
             "comments and hidden form fields could not be looked for: qpdf cannot read the file; "
             "repair it (qpdf IN OUT)");
        return none;
    }

    // What is typed into a form stands on its pages, unless a field is hidden or was never drawn.
    Status add_fields(const std::vector<PdfObjects::Field>& fields) {
        if (fields.empty()) return {};
        std::string shown;
        if (text_.bytes > 0) {
            S3ATTN_TRY(const std::string all,
                       text_.text->read_all(request_.options.child_output_bytes));
            append_collapsed(shown, all);
        }
        for (const PdfObjects::Field& field : fields) {
            std::string value;
            append_collapsed(value, field.value);
            if (field.is_text && shown.find(value) != std::string::npos) continue;
            S3ATTN_CHECK(add(field.page, "Form field " + field.name + ": " + value));
        }
        return {};
    }

    Status add_files() {
        const std::string program = find_program("pdfdetach");
        if (program.empty()) return {};
        S3ATTN_TRY(const std::shared_ptr<SourceFile> list,
                   SourceFile::temporary(request_.header.path));
        const std::vector<std::string> arguments = {program, "-list", "-enc", "UTF-8",
                                                    "/proc/self/fd/0"};
        S3ATTN_TRY(const ChildOutcome listed,
                   run_child(arguments, request_.source->fd(), list->fd(), limits()));
        if (listed.exit_code != 0) return {};
        S3ATTN_TRY(const std::string names, list->read_all(request_.options.max_parse_bytes));
        std::istringstream lines(names);
        for (std::string line; std::getline(lines, line);) {
            const size_t colon = line.find(": ");
            if (colon == line.npos || line.find_first_not_of("0123456789") != colon) continue;
            S3ATTN_CHECK(add_file(program, line.substr(0, colon), line.substr(colon + 2)));
        }
        if (pictures_ > 0) {
            note(ReadNote::Kind::kLeftOut, {}, pictures_,
                 "attached pictures, recordings and programs: " + std::to_string(pictures_));
        }
        return {};
    }

    Status add_file(const std::string& program, const std::string& number,
                    const std::string& name) {
        if (request_.depth >= kDeepestAttachment) {
            note(ReadNote::Kind::kUnread, "attachment " + name, 1,
                 "a document inside documents inside others; save it as a file of its own");
            return {};
        }
        Result<std::shared_ptr<SourceFile>> file = SourceFile::temporary(name);
        if (file.ok()) {
            const auto outcome =
                run_child({program, "-save", number, "-o", "/proc/self/fd/1", "/proc/self/fd/0"},
                          request_.source->fd(), (*file)->fd(), limits());
            if (!outcome.ok() || outcome->exit_code != 0) {
                file = make_error(ErrorCode::kUnsupported, "cannot be taken out of the PDF");
            }
        }
        if (file.ok() && kind_of(**file).role == FileRole::kOther) {
            ++pictures_;
            return {};
        }
        const auto add_piece = [this](std::string_view piece, bool) { return add(1, piece); };
        return read_attached(request_, file, name, "Attachment: " + name, add_piece, text_.notes);
    }

    const OpenRequest& request_;
    PdfText& text_;
    const uint64_t before_;
    uint32_t last_page_ = 0;  // that something was added under
    uint64_t pictures_ = 0;
};

}  // namespace

Result<uint64_t> add_beside_pages(const OpenRequest& request, PdfText& text) {
    return BesideWriter(request, text).run();
}

}  // namespace s3attn::text

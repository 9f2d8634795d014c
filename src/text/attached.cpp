#include "text/attached.h"

namespace s3attn::text {

Status read_attached(const OpenRequest& outer, const Result<std::shared_ptr<SourceFile>>& file,
                     const std::string& name, const std::string& heading, const AddAttached& add,
                     std::vector<ReadNote>& notes) {
    const auto unread = [&](const std::string& message) {
        add_note(notes, {ReadNote::Kind::kUnread, "attachment " + name, 1, message});
    };
    auto opened = file.ok() ? open_source(*file, outer.options, outer.window_bytes, outer.depth + 1)
                            : OpenResult(file.error());
    if (!opened.ok()) {
        unread(opened.error().message);
        return {};
    }
    if (!heading.empty()) S3ATTN_CHECK(add(heading, true));
    Unit unit;
    for (;;) {
        const Result<bool> more = (*opened)->next(unit);
        if (!more.ok()) {
            unread(more.error().message);
            break;
        }
        if (!*more) break;
        S3ATTN_CHECK(add(unit.text, false));
    }
    for (ReadNote note : (*opened)->header().notes) {
        if (note.kind == ReadNote::Kind::kConverted) continue;
        note.place = name + (note.place.empty() ? "" : ", " + note.place);
        add_note(notes, std::move(note));
    }
    return {};
}

}  // namespace s3attn::text

// Jupyter notebooks: text, code and what it wrote, cell by cell.
#include <nlohmann/json.hpp>

#include "text/extracted_text.h"
#include "text/formats.h"
#include "text/source_blocks.h"

namespace s3attn::text {
namespace {

using Json = nlohmann::json;

// A string, or a list of the lines of one.
std::string text_in(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    std::string text;
    if (!value.is_array()) return text;
    for (const Json& line : value) {
        if (line.is_string()) text += line.get_ref<const std::string&>();
    }
    return text;
}
std::string text_of(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? std::string() : text_in(*found);
}

class NotebookReader {
  public:
    NotebookReader(ExtractedText& out, std::vector<ReadNote>& notes) : out_(out), notes_(notes) {}

    void read(const Json& cells) {
        for (const Json& cell : cells) {
            if (!cell.is_object()) continue;
            const std::string type = text_of(cell, "cell_type");
            std::string source = text_of(cell, "source");
            if (source.empty()) source = text_of(cell, "input");  // notebooks before version 4
            if (type == "code") {
                out_.add(source, {false, true});
                const auto outputs = cell.find("outputs");
                if (outputs == cell.end() || !outputs->is_array()) continue;
                for (const Json& output : *outputs) read_output(output);
            } else {
                add_markdown(source);
            }
        }
        if (pictures_ > 0) {
            add_note(notes_, {ReadNote::Kind::kLeftOut,
                              {},
                              pictures_,
                              "pictures that code drew: " + std::to_string(pictures_)});
        }
    }

  private:
    void add_markdown(const std::string& source) {
        const std::vector<SourceLine> lines = source_lines(source);
        std::string block;
        bool fenced = false;
        const auto end = [&] {
            out_.add(block, {false, fenced});
            block.clear();
        };
        for (const SourceLine& line : lines) {
            const std::string_view text = trim(line.text);
            const size_t marks = text.find_first_not_of('#');
            if (text.starts_with("```")) fenced = !fenced;
            if (!fenced && marks != text.npos && marks > 0 && marks < 7 && text[marks] == ' ') {
                end();
                ExtractedText::Kind heading;
                heading.heading = true;
                heading.level = static_cast<uint8_t>(marks);
                out_.add(text, heading);
            } else if (!fenced && line.blank) {
                end();
            } else {
                block += std::string(line.text) + "\n";
            }
        }
        end();
    }

    void read_output(const Json& output) {
        if (!output.is_object()) return;
        std::string text = text_of(output, "text");
        const auto found = output.find("data");
        const Json& data = found != output.end() && found->is_object() ? *found : output;
        for (const char* kind : {"text/plain", "text/markdown", "text/latex"}) {
            if (text.empty()) text = text_of(data, kind);
        }
        for (const char* kind : {"image/png", "image/jpeg", "image/svg+xml", "png", "jpeg"}) {
            if (data.contains(kind)) ++pictures_;
        }
        const std::string error = text_of(output, "ename");
        if (!error.empty()) text += error + ": " + text_of(output, "evalue");
        out_.add(without_colours(text), {false, true});
    }

    // Terminals' signs of colour, "\x1B[0;31m".
    static std::string without_colours(std::string_view text) {
        std::string plain;
        while (!text.empty()) {
            const size_t at = std::min(text.find('\x1B'), text.size());
            plain += text.substr(0, at);
            text.remove_prefix(at);
            if (text.empty()) break;
            const size_t end = text.find_first_not_of("[0123456789;", 1);
            text.remove_prefix(end == text.npos ? text.size() : end + 1);
        }
        return plain;
    }

    ExtractedText& out_;
    std::vector<ReadNote>& notes_;
    uint64_t pictures_ = 0;
};

}  // namespace

OpenResult open_notebook(OpenRequest request) {
    S3ATTN_TRY(const std::string bytes, request.source->read_all(request.options.max_parse_bytes));
    const Json notebook = Json::parse(bytes, nullptr, false);
    const Json* cells = nullptr;
    if (notebook.is_object()) {
        if (const auto own = notebook.find("cells"); own != notebook.end()) cells = &*own;
        const auto sheets = notebook.find("worksheets");
        if (cells == nullptr && sheets != notebook.end() && sheets->is_array() &&
            !sheets->empty() && sheets->front().contains("cells")) {
            cells = &sheets->front()["cells"];
        }
    }
    if (cells == nullptr || !cells->is_array()) {
        return make_error(
            ErrorCode::kCorrupt,
            request.header.path +
                " is no Jupyter notebook: it is no JSON with cells; copy it again, or "
                "rename it to .txt to read it as it stands");
    }
    request.header.encoding = "UTF-8";
    ExtractedText text;
    NotebookReader(text, request.header.notes).read(*cells);
    return text.finish(std::move(request), Place::kCountLines);
}

}  // namespace s3attn::text

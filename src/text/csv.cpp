// CSV and TSV: a row is a paragraph, however many lines it has; the text is the source. The names
// of the columns go with every unit.
#include <algorithm>

#include "text/detect.h"
#include "text/encoding.h"
#include "text/formats.h"
#include "text/plain_text.h"
#include "text/table_text.h"

namespace s3attn::text {
namespace {

constexpr size_t kSample = 64 << 10;

// The separator that stands most often in the first line.
char separator_of(std::string_view sample, bool tabs) {
    if (tabs) return '\t';
    const std::string_view line = sample.substr(0, sample.find_first_of("\r\n"));
    char best = ',';
    for (const char separator : {';', '\t', '|'}) {
        if (std::count(line.begin(), line.end(), separator) >
            std::count(line.begin(), line.end(), best)) {
            best = separator;
        }
    }
    return best;
}

std::vector<std::string> first_row(std::string_view sample, char separator) {
    std::vector<std::string> cells(1);
    bool quoted = false, begins = true;
    for (size_t i = 0; i < sample.size(); ++i) {
        const char c = sample[i];
        const bool mark = c == '"' && (quoted || begins);
        begins = false;
        if (mark && quoted && i + 1 < sample.size() && sample[i + 1] == '"') {
            cells.back() += sample[++i];
        } else if (mark) {
            quoted = !quoted;
        } else if (!quoted && c == separator) {
            cells.emplace_back();
            begins = true;
        } else if (!quoted && (c == '\n' || c == '\r')) {
            break;
        } else {
            cells.back() += c;
        }
    }
    return cells;
}

}  // namespace

OpenResult open_csv(OpenRequest request) {
    S3ATTN_TRY(const TextEncoding encoding, find_encoding(*request.source));
    S3ATTN_TRY(const std::unique_ptr<Decoder> decoder, make_decoder(encoding));
    std::string bytes(kSample, '\0'), sample;
    S3ATTN_TRY(const size_t got,
               request.source->read_at(encoding.bom_bytes, bytes.data(), bytes.size()));
    decoder->decode(std::string_view(bytes).substr(0, got), true, sample, nullptr);
    const std::string_view begin = trim(sample);
    PlainTextOptions plain;
    plain.lines_are_paragraphs = true;
    plain.separator = separator_of(begin, extension_of(request.header.path) == "tsv");
    const std::vector<std::string> row = first_row(begin, plain.separator);
    std::vector<std::string_view> cells;
    for (const std::string& cell : row) cells.push_back(trim(cell));
    if (reads_like_header(cells)) {
        plain.columns = std::make_shared<const std::string>(columns_of(cells));
    }
    return open_plain(std::move(request), plain);
}

}  // namespace s3attn::text

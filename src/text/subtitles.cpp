// Subtitles (SRT, WebVTT): what is spoken, in paragraphs, with the times at which it is.
#include <algorithm>
#include <charconv>
#include <optional>

#include "text/extracted_text.h"
#include "text/formats.h"
#include "text/html.h"
#include "text/source_blocks.h"

namespace s3attn::text {
namespace {

struct Times {
    uint64_t begin_ms = 0, end_ms = 0;
};

// "01:02:03,004", "02:03.004".
std::optional<uint64_t> time_of(std::string_view text) {
    uint64_t seconds = 0, part = 0;
    int parts = 0;
    while (true) {
        const auto read = std::from_chars(text.data(), text.data() + text.size(), part);
        if (read.ec != std::errc{} || part > 100000000) return std::nullopt;
        const std::string_view digits = text.substr(0, static_cast<size_t>(read.ptr - text.data()));
        text.remove_prefix(digits.size());
        seconds = seconds * 60 + part;
        ++parts;
        if (text.starts_with(':') && parts < 3) {
            text.remove_prefix(1);
            continue;
        }
        break;
    }
    if (parts < 2) return std::nullopt;
    uint64_t milliseconds = 0;
    if (text.starts_with(',') || text.starts_with('.')) {
        uint64_t scale = 100;
        for (const char c : text.substr(1)) {
            if (c < '0' || c > '9' || scale == 0) break;
            milliseconds += static_cast<uint64_t>(c - '0') * scale;
            scale /= 10;
        }
    }
    return seconds * 1000 + milliseconds;
}

std::optional<Times> times_of(std::string_view line) {
    const size_t arrow = line.find("-->");
    if (arrow == line.npos) return std::nullopt;
    const auto begin = time_of(trim(line.substr(0, arrow)));
    const auto end = time_of(trim(line.substr(arrow + 3)));
    if (!begin || !end) return std::nullopt;
    return Times{*begin, std::max(*begin, *end)};
}

// Without tags and signs of place; who speaks (WebVTT's <v>) stands in front.
std::string plain(std::string_view line) {
    std::string text;
    while (!line.empty()) {
        const size_t at = std::min(line.find_first_of("<{&"), line.size());
        text += line.substr(0, at);
        line.remove_prefix(at);
        if (line.empty()) break;
        const char close = line.front() == '<' ? '>' : line.front() == '{' ? '}' : ';';
        const size_t end = line.find(close);
        const bool place = line.front() == '{' && !line.starts_with("{\\");
        const bool entity = line.front() == '&' && end != line.npos && end < 8;
        if (end == line.npos || place || (line.front() == '&' && !entity)) {
            text += line.front();
            line.remove_prefix(1);
            continue;
        }
        const std::string_view tag = line.substr(0, end + 1);
        if (tag.starts_with("<v ") || tag.starts_with("<v.")) {
            const size_t name = std::min(tag.find(' '), tag.size() - 1);
            text += std::string(trim(tag.substr(name, end - name))) + ": ";
        } else if (entity) {
            text += tag == "&amp;"                     ? "&"
                    : tag == "&lt;"                    ? "<"
                    : tag == "&gt;"                    ? ">"
                    : tag == "&nbsp;"                  ? " "
                    : tag == "&lrm;" || tag == "&rlm;" ? ""
                                                       : std::string(tag);
        } else if (line.front() == '<' && end > 1 && tag.find(' ') < 2) {
            text += tag;  // "a < b > c"
        }
        line.remove_prefix(end + 1);
    }
    return text;
}

}  // namespace

OpenResult open_subtitles(OpenRequest request) {
    S3ATTN_TRY(const std::string source,
               decode_whole(*request.source, {}, request.options.max_parse_bytes, request.header));
    const std::vector<SourceLine> lines = source_lines(source);
    ExtractedText text;
    uint64_t left_out = 0;
    std::optional<Times> times;
    const bool web = !lines.empty() && lines[0].text.starts_with("WEBVTT");
    bool skipping = web;  // the file's own header
    for (size_t i = 0; i < lines.size(); ++i) {
        const std::string_view line = trim(lines[i].text);
        if (lines[i].blank) {
            times.reset();
            skipping = false;
            continue;
        }
        if (const auto own = times_of(line)) {
            times = own;
            continue;
        }
        const bool next_is_time = i + 1 < lines.size() && times_of(trim(lines[i + 1].text));
        const bool number = line.find_first_not_of("0123456789") == line.npos;
        if (next_is_time && (!times || number)) continue;  // the cue's name
        if (web && !times &&
            (line.starts_with("NOTE") || line.starts_with("STYLE") || line.starts_with("REGION"))) {
            skipping = true;
            ++left_out;
        }
        if (skipping) continue;
        const auto number_of_line = static_cast<uint32_t>(i + 1);
        if (times) {
            text.add_spoken(plain(line), number_of_line, times->begin_ms, times->end_ms);
        } else {
            text.add(plain(line), {}, {{0, number_of_line}});
        }
    }
    if (left_out > 0) {
        add_note(request.header.notes, {ReadNote::Kind::kLeftOut,
                                        {},
                                        left_out,
                                        "notes, styles and regions: " + std::to_string(left_out)});
    }
    return text.finish(std::move(request), Place::kMapLines);
}

}  // namespace s3attn::text

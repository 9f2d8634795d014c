#include "text/pdf_layout.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "text/whitespace.h"

namespace s3attn::text {
namespace {

constexpr size_t kStep = 1 << 16;

// The number of an attribute such as ` xMin="72.5"`; 0 where there is none.
float attribute(std::string_view tag, std::string_view name) {
    const std::string key = " " + std::string(name) + "=\"";
    const size_t at = tag.find(key);
    if (at == tag.npos) return 0;
    const std::string digits(tag.substr(at + key.size(), 24));
    return std::strtof(digits.c_str(), nullptr);
}

PdfBox box_of(std::string_view tag) {
    return {attribute(tag, "xMin"), attribute(tag, "yMin"), attribute(tag, "xMax"),
            attribute(tag, "yMax")};
}

// pdftotext escapes these and no others.
std::string unescaped(std::string_view text) {
    static constexpr std::pair<std::string_view, char> kEntities[] = {
        {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    std::string plain;
    while (!text.empty()) {
        const auto* const entity =
            std::find_if(std::begin(kEntities), std::end(kEntities),
                         [&](const auto& candidate) { return text.starts_with(candidate.first); });
        const bool found = entity != std::end(kEntities);
        plain += found ? entity->second : text.front();
        text.remove_prefix(found ? entity->first.size() : 1);
    }
    return plain;
}

std::string without_space(std::string_view text) {
    std::string kept;
    while (!text.empty()) {
        const size_t space = whitespace_length(text);
        if (space == 0) kept += text.front();
        text.remove_prefix(std::max<size_t>(space, 1));
    }
    return kept;
}

}  // namespace

Result<bool> PdfLayout::next_line(std::string& line) {
    for (;;) {
        const size_t end = buffer_.find('\n', position_);
        if (end != buffer_.npos) {
            line.assign(buffer_, position_, end - position_);
            position_ = end + 1;
            return true;
        }
        buffer_.erase(0, position_);
        position_ = 0;
        if (buffer_.size() > most_bytes_) {
            return make_error(ErrorCode::kUnsupported, layout_->path() + ": a word of more than " +
                                                           std::to_string(most_bytes_) +
                                                           " bytes; convert it by hand");
        }
        const size_t have = buffer_.size();
        buffer_.resize(have + kStep);
        S3ATTN_TRY(const size_t got, layout_->read_at(offset_, buffer_.data() + have, kStep));
        buffer_.resize(have + got);
        offset_ += got;
        if (got == 0) return false;  // what pdftotext writes ends with a line end
    }
}

Status PdfLayout::add_word(std::string line, PdfPage& page) {
    constexpr std::string_view kEnd = "</word>";
    // A font that maps a letter to a line end breaks the word's line.
    while (line.find(kEnd) == line.npos && line.size() < most_bytes_) {
        std::string more;
        S3ATTN_TRY(const bool any, next_line(more));
        if (!any) break;
        line += more;
    }
    const size_t begin = std::min(line.find('>'), line.size() - 1) + 1;
    const size_t end = std::max(begin, std::min(line.rfind(kEnd), line.size()));
    PdfWord word;
    word.box = box_of(std::string_view(line).substr(0, begin));
    word.text = without_space(unescaped(std::string_view(line).substr(begin, end - begin)));
    if (word.text.empty() || page.lines.empty()) return {};
    page_bytes_ += sizeof(PdfWord) + word.text.size();
    if (page_bytes_ > most_bytes_) {
        return make_error(ErrorCode::kUnsupported,
                          layout_->path() + " has a page of more than " +
                              std::to_string(most_bytes_) +
                              " bytes of text, the limit of what is parsed whole; split it");
    }
    page.lines.back().words.push_back(std::move(word));
    return {};
}

// "<title>Dues</title>", "<meta name="Author" content="Ada"/>".
void PdfLayout::add_info(std::string_view tag) {
    const auto between = [&](std::string_view before, std::string_view behind) -> std::string {
        const size_t at = tag.find(before);
        if (at == tag.npos) return {};
        const std::string_view rest = tag.substr(at + before.size());
        return unescaped(rest.substr(0, std::min(rest.find(behind), rest.size())));
    };
    if (tag.starts_with("<title>")) {
        info_.emplace_back("title", between("<title>", "</title>"));
    } else if (tag.starts_with("<meta name=")) {
        info_.emplace_back(between("name=\"", "\""), between("content=\"", "\""));
    }
}

Result<bool> PdfLayout::next(PdfPage& page) {
    page = PdfPage{};
    page_bytes_ = 0;
    std::string line;
    bool in_page = false;
    for (;;) {
        S3ATTN_TRY(const bool any, next_line(line));
        if (!any) return in_page;
        const std::string_view tag = trim(line);
        if (tag.starts_with("<page ")) {
            page.width = attribute(tag, "width");
            page.height = attribute(tag, "height");
            in_page = true;
        } else if (!in_page) {
            add_info(tag);
        } else if (tag.starts_with("</page>")) {
            std::erase_if(page.lines, [](const PdfLine& empty) { return empty.words.empty(); });
            return true;
        } else if (tag.starts_with("<flow")) {
            in_flow_ = in_block_ = false;
        } else if (tag.starts_with("<block ")) {
            in_block_ = false;
        } else if (tag.starts_with("<line ")) {
            PdfLine begun;
            begun.box = box_of(tag);
            begun.begins_flow = !in_flow_;
            begun.begins_block = !in_block_;
            in_flow_ = in_block_ = true;
            page_bytes_ += sizeof(PdfLine);
            page.lines.push_back(std::move(begun));
        } else if (tag.starts_with("<word ")) {
            S3ATTN_CHECK(add_word(std::string(tag), page));
        }
    }
}

}  // namespace s3attn::text

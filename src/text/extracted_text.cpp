#include "text/extracted_text.h"

#include <unicode/utf8.h>

namespace s3attn::text {

namespace {

bool is_utf8(std::string_view text) {
    const auto length = static_cast<int32_t>(text.size());
    UChar32 c = 0;
    for (int32_t at = 0; at < length && c >= 0;) U8_NEXT(text.data(), at, length, c);
    return c >= 0;
}

}  // namespace

void ExtractedText::add(std::string_view text, const Kind& kind, const LineMap& lines) {
    // XML parsers let bytes and references through that are no characters.
    std::string repaired;
    if (!is_utf8(text)) {
        make_utf8_decoder()->decode(text, true, repaired, nullptr);
        text = repaired;
    }
    const std::string_view trimmed = trim(text);
    if (trimmed.empty()) return;
    if (!text_.empty()) text_ += kind.tight ? "\n" : "\n\n";
    Block block;
    block.begin = text_.size();
    block.end = block.begin + trimmed.size();
    block.heading = kind.heading;
    block.lines = kind.lines;
    block.part = kind.part;
    block.level = kind.level;
    block.barrier = chapter_;
    chapter_ = false;
    const auto lead = static_cast<uint64_t>(trimmed.data() - text.data());
    for (const auto& [place, line] : lines) {
        // Places in the trimmed whitespace speak for the first character.
        const uint64_t at = block.begin + (place > lead ? place - lead : 0);
        if (!lines_.empty() && lines_.back().first == at) lines_.pop_back();
        if (lines_.empty() || lines_.back().second != line) lines_.emplace_back(at, line);
    }
    text_ += trimmed;
    blocks_.push_back(block);
}

void ExtractedText::add_spoken(std::string_view text, uint32_t line, uint64_t begin_ms,
                               uint64_t end_ms) {
    constexpr uint64_t kPause = 3000;   // between what is said in one go
    constexpr size_t kParagraph = 400;  // bytes
    std::string spoken;
    append_collapsed(spoken, text);
    const std::string_view trimmed = trim(spoken);
    if (trimmed.empty()) return;
    const bool follows = !times_.empty() && !blocks_.empty() &&
                         blocks_.back().end == text_.size() &&
                         begin_ms < times_.back().end_ms + kPause;
    const size_t length = follows ? blocks_.back().end - blocks_.back().begin : 0;
    const bool sentence =
        follows && std::string_view(".?!\"").find(text_.back()) != std::string_view::npos;
    if (!follows || length >= 2 * kParagraph || (sentence && length >= kParagraph)) {
        add(trimmed, {}, {{0, line}});
        times_.push_back({blocks_.back().begin, begin_ms, end_ms});
        return;
    }
    text_ += ' ';
    times_.push_back({text_.size(), begin_ms, end_ms});
    if (lines_.empty() || lines_.back().second != line) lines_.emplace_back(text_.size(), line);
    text_ += trimmed;
    blocks_.back().end = text_.size();
}

std::unique_ptr<DocumentReader> ExtractedText::finish(OpenRequest request, Place place) {
    request.header.offsets = OffsetSpace::kExtracted;
    if (request.header.title.empty()) append_collapsed(request.header.title, title_);
    const UnitLimits limits = unit_limits(request.options);
    auto window = std::make_unique<TextWindow>(std::move(text_));
    auto pieces =
        std::make_unique<BlockSource>(*window, limits, std::move(blocks_), request.header.path);
    auto reader = std::make_unique<UnitReader>(std::move(request.header), std::move(window),
                                               std::move(pieces), limits, place, std::move(lines_));
    reader->set_times(std::move(times_));
    return reader;
}

void append_collapsed(std::string& text, std::string_view added) {
    while (!added.empty()) {
        const SpaceRun run = space_run(added);
        if (run.length > 0) {
            if (!text.empty() && text.back() != ' ' && text.back() != '\n') text += ' ';
            added.remove_prefix(run.length);
            continue;
        }
        size_t n = 1;
        while (n < added.size() && !may_be_whitespace(static_cast<unsigned char>(added[n]))) ++n;
        text += added.substr(0, n);
        added.remove_prefix(n);
    }
}

}  // namespace s3attn::text

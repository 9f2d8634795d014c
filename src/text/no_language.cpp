#include "text/no_language.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace s3attn::text {
namespace {

constexpr size_t kChunk = 40;      // letters of base64 in a row before anything is suspected
constexpr size_t kLeast = 256;     // of them in a run, lines joined
constexpr size_t kLeastUri = 128;  // of a data URI
constexpr size_t kSeparator = 16;  // bytes between two lines of one run: quotes, indentation
constexpr size_t kDumpLines = 6;   // of a hex dump
constexpr size_t kProgram = 800;   // bytes of minified code without a line end
constexpr size_t kAhead = 2048;    // how far a decision looks
// Where a run is longer, a piece of it is scanned for each so many bytes: what lies between two
// pieces must fit into memory.
constexpr uint64_t kMostBetween = 1 << 20;

bool is_base64(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/' || c == '=' || c == '-' || c == '_';
}

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

int class_of(char c) {
    if (c >= 'a' && c <= 'z') return 0;
    if (c >= 'A' && c <= 'Z') return 1;
    return c >= '0' && c <= '9' ? 2 : 3;
}

// What the letters of a run look like.
struct Letters {
    std::array<size_t, 4> classes{};
    size_t changes = 0, all = 0, hex = 0;

    void add(std::string_view chunk) {
        for (size_t i = 0; i < chunk.size(); ++i) {
            ++classes[static_cast<size_t>(class_of(chunk[i]))];
            hex += is_hex(chunk[i]) ? 1 : 0;
            if (i > 0 && class_of(chunk[i]) != class_of(chunk[i - 1])) ++changes;
        }
        all += chunk.size();
    }
    // Small letters, capitals and digits in turn, as no identifier has them.
    bool is_random() const {
        return classes[0] * 6 >= all && classes[1] * 6 >= all && classes[2] * 25 >= all &&
               classes[3] * 8 <= all && changes * 5 >= all * 2;
    }
    bool is_hex_data() const {
        const size_t letters = classes[0] + classes[1];
        return hex == all && classes[2] * 4 >= all && letters * 8 >= all;
    }
};

size_t chunk_end(std::string_view text, size_t begin) {
    while (begin < text.size() && is_base64(text[begin])) ++begin;
    return begin;
}

// Where the next chunk of the run would begin behind `end`, npos where the run ends.
size_t next_chunk(std::string_view text, size_t end) {
    constexpr std::string_view kBetween = " \t\r\n\"',\\>#*|";
    size_t i = end;
    while (i < text.size() && i - end < kSeparator && kBetween.find(text[i]) != kBetween.npos) {
        // An escaped line end inside a string: its letter belongs to the separator.
        if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 'n' || text[i + 1] == 'r')) {
            ++i;
        }
        ++i;
    }
    return i > end && i < text.size() && is_base64(text[i]) ? i : text.npos;
}

bool is_digest_length(size_t length) {
    return length == 40 || length == 56 || length == 64 || length == 96 || length == 128;
}

// A run of base64 or hex digits from `begin`, lines of it joined.
size_t base64_end(std::string_view text, size_t begin, size_t least, bool goes_on) {
    Letters letters;
    size_t at = begin, end = begin, chunks = 0, digests = 0;
    while (at != text.npos) {
        const size_t stop = chunk_end(text, at);
        const std::string_view chunk = text.substr(at, stop - at);
        const bool padded = chunk.ends_with('=');
        if (chunk.size() < kChunk && !(goes_on && at == begin)) {
            // The last line of a run is shorter.
            if (padded && end > begin) end = stop;
            break;
        }
        letters.add(chunk);
        ++chunks;
        digests += is_digest_length(chunk.size()) ? 1 : 0;
        end = stop;
        if (padded) break;
        at = next_chunk(text, stop);
    }
    if (goes_on) return end;
    if (letters.all < least) return begin;
    const bool list = chunks > 1 && digests + 1 >= chunks;  // checksums, one a line
    if (letters.is_random() || (letters.is_hex_data() && !list)) return end;
    return begin;
}

constexpr std::string_view kUriEnds = " \t\r\n\"'()<>]}";

// "data:image/png;base64,...", "data:image/svg+xml,%3Csvg...": up to what cannot be in it.
size_t data_uri_end(std::string_view text) {
    const size_t comma = text.substr(0, 100).find(',');
    if (!text.starts_with("data:") || comma == text.npos) return 0;
    const std::string_view head = text.substr(0, comma);
    if (head.find('/') == head.npos || head.find_first_of(kUriEnds) != head.npos) return 0;
    const size_t end = std::min(text.find_first_of(kUriEnds, comma), text.size());
    return end - comma >= kLeastUri ? end : 0;
}

// "00000010: 4865 6c6c 6f20 776f  Hello wo", "0x7f, 0x45, 0x4c,", "00:9c:af:" with more to come:
// sixteen hex digits at least, in groups, with letters.
bool is_dump_line(std::string_view line) {
    size_t digits = 0, letters = 0, groups = 0, i = 0;
    const bool goes_on = trim_end(line).ends_with(':');  // a checksum with colons is one line
    while (i < line.size()) {
        while (i < line.size() && (line[i] == ' ' || line[i] == '\t')) ++i;
        const bool prefixed = line.substr(i).starts_with("0x") || line.substr(i).starts_with("0X");
        if (prefixed) i += 2;
        size_t end = i;
        while (end < line.size() && is_hex(line[end])) ++end;
        const size_t length = end - i;
        const char next = end < line.size() ? line[end] : ' ';
        const bool separated = (groups == 0 && next == ':') || (prefixed && next == ',') ||
                               (length == 2 && next == ':' && goes_on);
        const bool group =
            (length == 2 || length == 4 || length == 8) && (next == ' ' || separated);
        if (!group) break;
        ++groups;
        digits += length;
        letters += static_cast<size_t>(std::count_if(line.begin() + static_cast<ptrdiff_t>(i),
                                                     line.begin() + static_cast<ptrdiff_t>(end),
                                                     [](char c) { return c > '9'; }));
        i = end + (separated ? 1 : 0);
    }
    return groups >= 5 && digits >= 16 && letters * 12 >= digits;
}

// A whole line of uuencode: "M", then sixty characters without a small letter.
bool is_uuencoded(std::string_view line) {
    return line.size() == 61 && line.front() == 'M' &&
           std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '`'; });
}

size_t dump_end(std::string_view text, bool goes_on) {
    size_t lines = 0, end = 0;
    size_t at = goes_on ? std::min(text.find_first_not_of("\r\n"), text.size()) : 0;
    while (at < text.size()) {
        const size_t stop = std::min(text.find_first_of("\r\n", at), text.size());
        const std::string_view line = text.substr(at, stop - at);
        // The view may cut its last line: that one is for the next look.
        const bool dumped = is_dump_line(line) || is_uuencoded(line);
        if (!dumped || (stop == text.size() && lines > 0)) break;
        ++lines;
        end = stop;
        at = std::min(text.find_first_not_of("\r\n", stop), text.size());
    }
    return goes_on || lines >= kDumpLines ? end : 0;
}

// A program without spaces and line ends, of `least` bytes.
bool is_minified(std::string_view piece, size_t least) {
    if (piece.size() < least || piece.find_first_of("\r\n") != piece.npos) return false;
    const auto spaces = static_cast<size_t>(std::count(piece.begin(), piece.end(), ' '));
    if (spaces * 14 > piece.size()) return false;
    static constexpr std::string_view kMarks[] = {"function(", "=>", "&&", "||",        "return ",
                                                  "===",       ");", "})", "void 0",    "!0",
                                                  "px;",       ";}", "){", "!important"};
    size_t marks = 0;
    for (const std::string_view mark : kMarks) {
        for (size_t at = piece.find(mark); at != piece.npos; at = piece.find(mark, at + 1)) ++marks;
    }
    return marks * 80 >= piece.size();
}

bool has_words(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) != 0 || static_cast<signed char>(c) < 0;
    });
}

}  // namespace

NoLanguage find_no_language(std::string_view text, size_t limit, RunInFront front) {
    if (front == RunInFront::kUri) {
        const size_t end = std::min(text.find_first_of(kUriEnds), text.size());
        if (end > 0) return {0, end, end == text.size()};
    }
    if (front != RunInFront::kNone) {
        const bool same = front != RunInFront::kAbove;
        size_t end = base64_end(text, 0, kChunk, same);
        if (!same && end == 0 && chunk_end(text, 0) > 0 && text[chunk_end(text, 0) - 1] == '=') {
            end = chunk_end(text, 0);  // the last line
        }
        if (end == 0) end = dump_end(text, true);
        if (end > 0) return {0, end};
    }
    bool line_begins = true;
    for (size_t i = 0; i < limit && i < text.size();) {
        if (line_begins) {
            if (const size_t end = dump_end(text.substr(i), false); end > 0) return {i, i + end};
        }
        line_begins = text[i] == '\n' || text[i] == '\r';
        if (text[i] == 'd') {
            const size_t end = i + data_uri_end(text.substr(i));
            if (end > i) return {i, end, end == text.size()};
        }
        if (!is_base64(text[i])) {
            ++i;
            continue;
        }
        const size_t stop = chunk_end(text, i);
        if (stop - i >= kChunk) {
            if (const size_t end = base64_end(text, i, kLeast, false); end > i) return {i, end};
        }
        i = stop;
    }
    return {};
}

Status NoLanguageFilter::split(TextWindow& window, const Piece& piece, std::deque<Piece>& pieces) {
    S3ATTN_CHECK(window.ensure(piece.end + kAhead));
    uint64_t at = piece.begin;
    while (at < piece.end) {
        if (at < until_) {  // inside a run
            const uint64_t end = std::min(until_, piece.end);
            bytes_ += end - at;
            dropped_ += end - at;
            at = end;
            continue;
        }
        const NoLanguage run = find_in(window, at, piece);
        if (run.begin > 0 || run.empty()) {
            front_ = RunInFront::kNone;
            keep(window, piece, at, run.empty() ? piece.end : at + run.begin, pieces);
        }
        if (run.empty()) return {};
        at += run.begin;
        until_ = at + (run.end - run.begin);
        if (front_ == RunInFront::kNone && runs_++ == 0) first_ = at;
        front_ = run.open_uri ? RunInFront::kUri : RunInFront::kDirectly;
        if (dropped_ > kMostBetween) {
            keep(window, piece, at, piece.end, pieces);
            until_ = piece.end;
            return {};
        }
    }
    return {};
}

NoLanguage NoLanguageFilter::find_in(TextWindow& window, uint64_t at, const Piece& piece) const {
    const size_t least = front_ == RunInFront::kNone ? kProgram : kChunk;
    if (at == piece.begin && is_minified(window.view(at, piece.end), least)) {
        return {0, static_cast<size_t>(piece.end - at)};
    }
    const bool gap = front_ != RunInFront::kNone && at > until_;
    return find_no_language(window.view(at, piece.end + kAhead),
                            static_cast<size_t>(piece.end - at), gap ? RunInFront::kAbove : front_);
}

void NoLanguageFilter::keep(TextWindow& window, const Piece& piece, uint64_t begin, uint64_t end,
                            std::deque<Piece>& pieces) {
    const std::string_view text = window.view(begin, end);
    const std::string_view trimmed = trim(text);
    Piece kept = piece;
    kept.begin = begin + static_cast<uint64_t>(trimmed.data() - text.data());
    kept.end = kept.begin + trimmed.size();
    const bool whole = kept.begin == piece.begin && kept.end == piece.end;
    // The brackets around a run go with it.
    if (trimmed.empty() || (!whole && !has_words(trimmed))) return;
    kept.heading = piece.heading && whole;
    kept.barrier = piece.barrier || dropped_ > 0;
    pieces.push_back(kept);
    dropped_ = 0;
}

}  // namespace s3attn::text

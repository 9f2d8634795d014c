#include "text/encoding.h"

#include <uchardet/uchardet.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <optional>

#include "text/western.h"

namespace s3attn::text {
namespace {

constexpr size_t kBlock = 1 << 18;
constexpr size_t kSampleBytes = 1 << 20;  // what uchardet sees
constexpr size_t kHeadBytes = 1 << 16;    // what byte order heuristics see
constexpr uint64_t kHole = 16;            // NULs in a row: a hole in a file, white space

// One pass over the bytes, as if they were UTF-8.
struct Profile {
    uint64_t bytes = 0;
    uint64_t nul = 0, first_nul = 0;
    uint64_t nul_run = 0;                     // NULs directly in front
    uint64_t holes = 0;                       // NULs in runs of kHole or more
    uint64_t controls = 0;                    // C0 controls that text does not use, without NUL
    uint64_t multibyte = 0;                   // valid UTF-8 characters beyond ASCII
    uint64_t invalid = 0, first_invalid = 0;  // bytes that belong to no valid character
    std::string head, sample;                 // the beginning; blocks with invalid bytes

    uint64_t scattered() const { return nul - holes; }
    uint64_t solid() const { return bytes - holes; }
};

bool is_odd_control(uint8_t byte) {
    return byte < 0x20 && !(byte >= '\b' && byte <= '\r') && byte != 0x1B && byte != 0x1A;
}

// `bytes` from file offset `offset`; returns how many were used (all, when `last`).
size_t profile_block(std::string_view bytes, uint64_t offset, bool last, Profile& profile) {
    const auto* s = reinterpret_cast<const uint8_t*>(bytes.data());
    const size_t stop = last ? bytes.size() : bytes.size() - std::min<size_t>(bytes.size(), 3);
    const uint64_t invalid_before = profile.invalid;
    size_t i = 0;
    while (i < stop) {
        if (s[i] < 0x80) {
            if (s[i] == 0) {
                if (profile.nul++ == 0) profile.first_nul = offset + i;
                ++profile.nul_run;
                if (profile.nul_run == kHole) profile.holes += kHole;
                if (profile.nul_run > kHole) ++profile.holes;
            } else {
                profile.nul_run = 0;
                profile.controls += is_odd_control(s[i]) ? 1 : 0;
            }
            ++i;
            continue;
        }
        profile.nul_run = 0;
        size_t next = i;
        UChar32 c;
        U8_NEXT(s, next, bytes.size(), c);
        if (c < 0) {
            if (profile.invalid++ == 0) profile.first_invalid = offset + i;
            ++i;
        } else {
            ++profile.multibyte;
            i = next;
        }
    }
    profile.bytes += i;
    if (profile.invalid > invalid_before && profile.sample.size() < kSampleBytes) {
        profile.sample.append(bytes.substr(0, i));
    }
    return i;
}

Result<Profile> profile_text(const SourceFile& source) {
    Profile profile;
    std::string raw;
    uint64_t offset = 0;  // of the next byte to read
    for (bool last = false; !last;) {
        const size_t have = raw.size();
        raw.resize(have + kBlock);
        S3ATTN_TRY(const size_t got, source.read_at(offset, raw.data() + have, kBlock));
        raw.resize(have + got);
        if (offset == 0) profile.head = raw.substr(0, kHeadBytes);
        offset += got;
        last = got < kBlock;
        raw.erase(0, profile_block(raw, offset - raw.size(), last, profile));
    }
    return profile;
}

struct Bom {
    std::string_view bytes, name;
};
using namespace std::string_view_literals;
constexpr std::array<Bom, 5> kBoms = {{{"\xEF\xBB\xBF"sv, "UTF-8"sv},
                                       {"\xFF\xFE\0\0"sv, "UTF-32LE"sv},
                                       {"\0\0\xFE\xFF"sv, "UTF-32BE"sv},
                                       {"\xFF\xFE"sv, "UTF-16LE"sv},
                                       {"\xFE\xFF"sv, "UTF-16BE"sv}}};

// UTF-16 without a byte order mark: ASCII characters leave NUL bytes on one side of each pair.
std::string guess_utf16(std::string_view head) {
    const size_t pairs = head.size() / 2;
    if (pairs < 2) return {};
    size_t even = 0, odd = 0;
    for (size_t i = 0; i < pairs; ++i) {
        even += head[2 * i] == '\0' ? 1 : 0;
        odd += head[2 * i + 1] == '\0' ? 1 : 0;
    }
    if (odd * 10 >= pairs * 4 && even * 8 <= odd) return "UTF-16LE";
    if (even * 10 >= pairs * 4 && odd * 8 <= even) return "UTF-16BE";
    return {};
}

// UTF-16 without a byte order mark in a script whose characters fill both bytes: read in the right
// order it is one script with spaces or full stops, in the wrong one it is anything.
std::string guess_wide_script(std::string_view head) {
    const size_t pairs = std::min<size_t>(head.size() / 2, 1 << 13);
    if (pairs < 16) return {};
    for (const size_t low : {size_t{0}, size_t{1}}) {
        size_t known = 0, marks = 0, high_bytes = 0;
        for (size_t i = 0; i < pairs; ++i) {
            const auto a = static_cast<uint8_t>(head[2 * i + low]);
            const auto b = static_cast<uint8_t>(head[2 * i + 1 - low]);
            const unsigned c = a | (unsigned{b} << 8);
            const bool ascii = (c >= 0x20 && c < 0x7F) || c == '\n' || c == '\r' || c == '\t';
            known += ascii || (c >= 0xA0 && c < 0x700) || (c >= 0x2010 && c < 0x2040) ||
                     (c >= 0x3000 && c < 0x3100) || (c >= 0x4E00 && c < 0xA000) ||
                     (c >= 0xAC00 && c < 0xD7A4) || (c >= 0xFF00 && c < 0xFFF0);
            marks += c == ' ' || c == '\n' || c == 0x3002 || c == 0xFF0C || c == 0x3001;
            high_bytes += (a >= 0x80) + (b >= 0x80);
        }
        const bool script = known * 100 >= pairs * 99 && marks * 200 >= pairs;
        if (script && high_bytes * 10 >= pairs) return low == 0 ? "UTF-16LE" : "UTF-16BE";
    }
    return {};
}

// The share of what `converter` makes of `sample` that no text contains, in [0, 1].
Result<double> nonsense_share(std::string_view sample, const std::string& converter) {
    S3ATTN_TRY(std::unique_ptr<Decoder> decoder, make_converter(converter));
    std::string decoded;
    decoder->decode(sample, true, decoded, nullptr);
    size_t bad = 0, all = 0, i = 0;
    while (i < decoded.size()) {
        UChar32 c;
        U8_NEXT(decoded.data(), i, decoded.size(), c);
        ++all;
        const bool control = (c < 0x20 && is_odd_control(static_cast<uint8_t>(c))) ||
                             (c >= 0x80 && c < 0xA0 && c != 0x85);
        if (control || c == 0xFFFD || u_charType(c) == U_UNASSIGNED) ++bad;
    }
    return all == 0 ? 0.0 : static_cast<double>(bad) / static_cast<double>(all);
}

std::string ask_uchardet(std::string_view sample) {
    uchardet_t detector = uchardet_new();
    uchardet_handle_data(detector, sample.data(), sample.size());
    uchardet_data_end(detector);
    std::string name = uchardet_get_charset(detector);
    uchardet_delete(detector);
    if (name == "ASCII" || name == "UTF-8") return {};
    if (name == "MAC-CYRILLIC") return "x-mac-cyrillic";
    if (name == "HZ-GB-2312") return "HZ";
    if (name == "UHC") return "windows-949";
    return name;
}

// Windows text is labelled, and guessed to be, ISO-8859-1, whose 0x80 to 0x9F no text uses.
std::string widen_latin1(const std::string& name, std::string_view sample) {
    UErrorCode status = U_ZERO_ERROR;
    const char* standard = ucnv_getStandardName(name.c_str(), "IANA", &status);
    const std::string known = U_SUCCESS(status) && standard != nullptr ? standard : name;
    if (known != "ISO-8859-1" && known != "ISO_8859-1:1987" && known != "US-ASCII") return name;
    const bool windows = std::any_of(sample.begin(), sample.end(), [](char c) {
        return static_cast<uint8_t>(c) >= 0x80 && static_cast<uint8_t>(c) < 0xA0;
    });
    return windows ? "windows-1252" : "ISO-8859-1";
}

std::string at_offset(uint64_t offset) { return " at offset " + std::to_string(offset); }

Error no_text(const SourceFile& source, const std::string& what) {
    return make_error(ErrorCode::kUnsupported, source.path() + " looks like binary data: " + what +
                                                   "; convert it to plain text, PDF or DOCX first");
}

TextEncoding converted(std::string name, uint64_t bom_bytes, uint64_t source_bytes) {
    TextEncoding encoding;
    encoding.notes.push_back({ReadNote::Kind::kConverted, {}, 0, "converted from " + name});
    encoding.name = encoding.converter = std::move(name);
    encoding.bom_bytes = bom_bytes;
    encoding.source_bytes = source_bytes;
    return encoding;
}

void note_nul(const Profile& profile, TextEncoding& encoding) {
    if (profile.nul == 0) return;
    encoding.notes.push_back({ReadNote::Kind::kConverted,
                              {},
                              profile.nul,
                              std::to_string(profile.nul) +
                                  " NUL bytes read as white space, the first" +
                                  at_offset(profile.first_nul)});
}

TextEncoding utf8(const Profile& profile, uint64_t bom_bytes) {
    TextEncoding encoding;
    encoding.bom_bytes = bom_bytes;
    encoding.source_bytes = profile.bytes;
    note_nul(profile, encoding);
    if (profile.invalid > 0) {
        encoding.notes.push_back({ReadNote::Kind::kConverted,
                                  {},
                                  profile.invalid,
                                  std::to_string(profile.invalid) +
                                      " bytes are not valid UTF-8 and read as '?', the first" +
                                      at_offset(profile.first_invalid)});
    }
    return encoding;
}

// What makes it no text, or "".
std::string binary_signs(const Profile& profile) {
    const uint64_t solid = profile.solid();
    if (profile.scattered() > 4 && profile.scattered() * 100 > solid) {
        return std::to_string(profile.scattered()) + " NUL bytes among the others, the first" +
               at_offset(profile.first_nul);
    }
    const uint64_t controls = profile.controls + profile.scattered();
    if (profile.holes > 0 && solid < kHole) {
        return std::to_string(profile.nul) + " NUL bytes and little else";
    }
    // A program has holes too, and control characters between them; a log has none.
    const uint64_t most = profile.holes * 100 > profile.bytes ? 200 : 10;
    if (controls > 4 && controls * most > solid) {
        return std::to_string(controls) + " control characters in " + std::to_string(solid) +
               " bytes";
    }
    return {};
}

// Wide encodings: by byte order mark, else by the pattern of NUL bytes.
Result<std::optional<TextEncoding>> find_wide(const SourceFile& source, const Profile& profile,
                                              std::string_view bom_name, uint64_t bom_bytes) {
    std::string name(bom_name);
    if (name.empty() && profile.scattered() > 4 && profile.scattered() * 100 > profile.solid()) {
        name = guess_utf16(profile.head);
    }
    if (name.empty() && profile.invalid > 0) name = guess_wide_script(profile.head);
    if (name.empty() || name == "UTF-8") return std::optional<TextEncoding>();
    std::string_view sample = std::string_view(profile.head).substr(bom_bytes);
    const size_t unit = name.starts_with("UTF-32") ? 4 : 2;
    if (profile.bytes > kHeadBytes) sample = sample.substr(0, sample.size() / unit * unit - unit);
    S3ATTN_TRY(const double nonsense, nonsense_share(sample, name));
    if (nonsense > 0.05 && sample.size() > 16) {
        if (bom_name.empty()) return std::optional<TextEncoding>();
        return no_text(source, "it begins like " + name + ", and most of it is none");
    }
    return std::optional<TextEncoding>(converted(name, bom_bytes, profile.bytes));
}

// Encodings that hide in seven bits behind shift sequences ("ESC $ B", "~{").
std::string find_escaped(std::string_view head) {
    if (head.find("\x1B$") == head.npos && head.find("~{") == head.npos) return {};
    const std::string name = ask_uchardet(head);
    return name.starts_with("ISO-2022") || name == "HZ" ? name : std::string();
}

// No byte order mark and not valid UTF-8: a legacy encoding, or damaged UTF-8?
Result<TextEncoding> find_legacy(const SourceFile& source, const Profile& profile) {
    // Text in a legacy encoding almost never forms valid multibyte UTF-8 by chance.
    if (profile.multibyte >= profile.invalid * 4) return utf8(profile, 0);
    std::string name = correct_guess(profile.sample, ask_uchardet(profile.sample));
    if (!name.empty()) {
        name = widen_latin1(name, profile.sample);
        const Result<double> nonsense = nonsense_share(profile.sample, name);
        if (nonsense.ok() && *nonsense <= 0.01) {
            TextEncoding encoding = converted(name, 0, profile.bytes);
            note_nul(profile, encoding);
            return encoding;
        }
    }
    if (profile.multibyte > 0 && profile.invalid * 100 <= profile.bytes) return utf8(profile, 0);
    if (profile.controls > 4 && profile.controls * 100 > profile.bytes) {
        return no_text(source, std::to_string(profile.controls) + " control characters and " +
                                   std::to_string(profile.invalid) +
                                   " bytes that are no UTF-8 in " + std::to_string(profile.bytes) +
                                   " bytes");
    }
    std::string message = source.path() + " is neither UTF-8 (first bad byte" +
                          at_offset(profile.first_invalid) + ") nor ";
    message += name.empty() ? "any encoding that can be recognised" : "valid " + name;
    return make_error(ErrorCode::kUnsupported,
                      message + "; convert it to UTF-8 (iconv -f ENCODING -t UTF-8)");
}

}  // namespace

Result<TextEncoding> find_encoding(const SourceFile& source, const std::string& declared) {
    S3ATTN_TRY(const Profile profile, profile_text(source));
    const auto bom = std::find_if(kBoms.begin(), kBoms.end(), [&](const Bom& candidate) {
        return profile.head.starts_with(candidate.bytes);
    });
    const std::string_view bom_name = bom == kBoms.end() ? ""sv : bom->name;
    const uint64_t bom_bytes = bom == kBoms.end() ? 0 : bom->bytes.size();
    S3ATTN_TRY(std::optional<TextEncoding> wide, find_wide(source, profile, bom_name, bom_bytes));
    if (wide.has_value()) return *std::move(wide);
    if (const std::string signs = binary_signs(profile); !signs.empty()) {
        return no_text(source, signs);
    }
    if (!declared.empty() && bom_bytes == 0 && profile.invalid > 0) {
        const std::string name = widen_latin1(declared, profile.sample);
        const Result<double> nonsense = nonsense_share(profile.sample, name);
        if (nonsense.ok() && *nonsense <= 0.01) return converted(name, 0, profile.bytes);
    }
    if (profile.invalid == 0 && profile.multibyte == 0) {
        if (const std::string name = find_escaped(profile.head); !name.empty()) {
            return converted(name, 0, profile.bytes);
        }
    }
    if (profile.invalid == 0 || (bom_bytes > 0 && profile.invalid * 20 <= profile.bytes)) {
        return utf8(profile, bom_bytes);
    }
    return find_legacy(source, profile);
}

bool may_be_text(std::string_view head) {
    Profile profile;
    profile_block(head, 0, false, profile);
    if (profile.bytes < 16) return true;
    for (const Bom& bom : kBoms) {
        if (head.starts_with(bom.bytes)) return true;
    }
    if (binary_signs(profile).empty()) return true;
    return !guess_utf16(head).empty() || (profile.invalid > 0 && !guess_wide_script(head).empty());
}

Result<std::unique_ptr<Decoder>> make_decoder(const TextEncoding& encoding) {
    if (encoding.converter.empty()) return make_utf8_decoder();
    return make_converter(encoding.converter);
}

}  // namespace s3attn::text

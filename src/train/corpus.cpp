#include "train/corpus.h"

#include <algorithm>
#include <filesystem>
#include <unordered_set>

#include "base/utf8.h"
#include "text/document_reader.h"
#include "text/sentences.h"
#include "text/word_cutter.h"
#include "train/rng.h"

namespace s3attn {
namespace {

constexpr uint32_t kMinWords = 45, kMaxWords = 220, kBlockWords = 110;
constexpr double kProseShare = 0.85;      // letters and spaces among the bytes of prose
constexpr size_t kOtherBlock = 4000;      // bytes of one block of other text
constexpr size_t kOtherPerFile = 400000;  // bytes of other text kept of a file

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 128;
}

// Of UTF-8 text: a letter beyond the two-byte ones, which all divide their words by spaces.
bool may_be_unspaced(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= 0xE0; });
}

uint32_t unspaced_words(std::string_view text) {
    thread_local text::WordCutter cutter;
    uint32_t words = 0;
    cutter.cut(text, [&words](const text::Word& word) {
        words += word.script == text::Script::kUnspaced && !word.again;
        return true;
    });
    return words;
}

// Whether the first sign is of a script without spaces, or a full-width mark of one.
bool unspaced_sign(std::string_view text) {
    const auto byte = [&](size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    if (byte(0) < 0xE0) return false;
    if (byte(0) >= 0xF0) return byte(0) == 0xF0 && byte(1) >= 0xA0;  // rare Chinese characters
    const uint32_t c = (byte(0) & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    return (c >= 0x0E00 && c < 0x0F00) || (c >= 0x1000 && c < 0x10A0) ||
           (c >= 0x1780 && c < 0x1800) || (c >= 0x2E80 && c < 0xA000) ||
           (c >= 0xF900 && c < 0xFB00) || (c >= 0xFF00 && c < 0xFFF0);
}

std::string collapse_spaces(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (!is_space(c)) {
            out += c;
        } else if (!out.empty() && out.back() != ' ') {
            out += ' ';
        }
    }
    if (!out.empty() && out.back() == ' ') out.pop_back();
    return out;
}

bool is_prose(std::string_view text) {
    const auto plain =
        std::count_if(text.begin(), text.end(), [](char c) { return is_letter(c) || c == ' '; });
    return static_cast<double>(plain) >= kProseShare * static_cast<double>(text.size());
}

// Headings, markup, table rows and quotes of code do not belong into a paragraph.
bool is_markup(std::string_view line) {
    if (line.empty()) return true;
    if (line[0] == '<' || line[0] == '#' || line[0] == '|' || line[0] == '`') return true;
    return line.substr(0, 3).find('=') != std::string_view::npos;
}

void add_paragraph(const std::string& text, std::vector<std::string>& out) {
    const uint32_t words = count_words(text);
    if (words < kMinWords || !is_prose(text)) return;
    if (words <= kMaxWords) {
        out.push_back(text);
        return;
    }
    std::string block;
    for (const auto& [begin, end] : split_sentences(text)) {
        const std::string_view sentence = std::string_view(text).substr(begin, end - begin);
        if (!block.empty() && !joined_without_space(block, sentence)) block += ' ';
        block += sentence;
        const uint32_t n = count_words(block);
        if (n < kBlockWords) continue;
        if (n <= kMaxWords) out.push_back(block);
        block.clear();
    }
    if (count_words(block) >= kMinWords) out.push_back(block);
}

size_t count_of(std::string_view text, std::string_view what) {
    size_t n = 0;
    for (size_t at = text.find(what); at != std::string_view::npos;
         at = text.find(what, at + what.size() - 1)) {
        ++n;
    }
    return n;
}

bool has_spaced_punctuation(std::string_view text) {
    if (text.find(" @-@ ") != std::string_view::npos ||
        text.find(" @,@ ") != std::string_view::npos) {
        return true;
    }
    const size_t spaced = count_of(text, " , ") + count_of(text, " . ");
    return spaced >= 2 && spaced * 2 > count_of(text, ", ");
}

std::string replace_all(std::string_view text, std::string_view what, std::string_view with) {
    std::string out;
    size_t at = 0;
    for (;;) {
        const size_t hit = text.find(what, at);
        out.append(text.substr(at, hit - at));
        if (hit == std::string_view::npos) return out;
        out.append(with);
        at = hit + what.size();
    }
}

bool closes(std::string_view rest) {  // punctuation that wants no space before it
    constexpr std::string_view kClosing = ",.;:!?)]'";
    return kClosing.find(rest[0]) != std::string_view::npos || rest.substr(0, 3) == "n't";
}

// Sorts what one file gives into the corpus.
class Collector {
  public:
    explicit Collector(Corpus& corpus) : corpus_(corpus) {}

    void begin_file() { block_.clear(), other_bytes_ = 0, ordinal_ = 0; }
    uint32_t add_unit(const Unit& unit) {
        uint32_t taken = 0;
        const std::string text = join_spaced_punctuation(unit.text);
        const std::vector<std::string> found = prose_paragraphs(text);
        for (const std::string& paragraph : found) {
            if (!seen_.insert(paragraph).second) continue;
            corpus_.paragraphs.push_back(paragraph);
            corpus_.places.push_back({static_cast<uint32_t>(corpus_.files.size()), ordinal_++});
            ++taken;
        }
        if (found.empty() && other_bytes_ < kOtherPerFile) {
            block_ += unit.gap.empty() ? "" : "\n\n";
            block_ += text;
            if (block_.size() >= kOtherBlock) end_file();
        }
        return taken;
    }
    void end_file() {
        if (block_.empty()) return;
        other_bytes_ += block_.size();
        corpus_.other.push_back(std::move(block_));
        block_.clear();
    }

  private:
    Corpus& corpus_;
    std::unordered_set<std::string> seen_;
    std::string block_;
    size_t other_bytes_ = 0;
    uint32_t ordinal_ = 0;
};

void shuffle_paragraphs(Corpus& corpus, Rng& rng) {
    std::vector<uint32_t> order(corpus.paragraphs.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    rng.shuffle(order);
    std::vector<std::string> paragraphs;
    std::vector<ParagraphPlace> places;
    for (uint32_t i : order) {
        paragraphs.push_back(std::move(corpus.paragraphs[i]));
        places.push_back(corpus.places[i]);
    }
    corpus.paragraphs = std::move(paragraphs);
    corpus.places = std::move(places);
}

Status read_file_into(const std::string& path, Corpus& corpus, Collector& collector,
                      const CancelToken& cancel) {
    ReaderOptions options;
    options.min_unit_bytes = 1;  // paragraphs as they are
    options.target_unit_bytes = 800;
    options.max_unit_bytes = 32768;
    S3ATTN_TRY(const std::unique_ptr<DocumentReader> reader, open_document(path, options));
    CorpusFile file;
    file.name = std::filesystem::path(path).filename().string();
    file.hash = reader->header().source_hash;
    file.bytes = reader->header().source_bytes;
    collector.begin_file();
    Unit unit;
    for (;;) {
        if (cancel.cancelled()) {
            return make_error(ErrorCode::kCancelled, "training was cancelled; nothing was saved");
        }
        S3ATTN_TRY(const bool more, reader->next(unit));
        if (!more) break;
        file.paragraphs += collector.add_unit(unit);
    }
    collector.end_file();
    corpus.files.push_back(std::move(file));
    return {};
}

}  // namespace

uint32_t count_words(std::string_view text) {
    uint32_t words = 0;
    for (size_t at = 0; at < text.size();) {
        size_t end = at;
        while (end < text.size() && !is_space(text[end])) ++end;
        const std::string_view run = text.substr(at, end - at);
        if (!run.empty()) words += may_be_unspaced(run) ? std::max(1u, unspaced_words(run)) : 1;
        at = end + 1;
    }
    return words;
}

std::string with_spaces_between_words(std::string_view text) {
    if (!may_be_unspaced(text)) return std::string(text);
    thread_local text::WordCutter cutter;
    std::string out;
    cutter.cut(text, [&](const text::Word& word) {
        if (!word.again) out.append(out.empty() ? "" : " ").append(word.form);
        return true;
    });
    return out;
}

bool joined_without_space(std::string_view before, std::string_view after) {
    if (before.empty() || after.empty()) return false;
    size_t last = before.size() - 1;
    while (last > 0 && utf8_continues(before[last])) --last;
    return unspaced_sign(before.substr(last)) && unspaced_sign(after);
}

std::string join_spaced_punctuation(std::string_view text) {
    if (!has_spaced_punctuation(text)) return std::string(text);
    std::string joined = replace_all(text, " @-@ ", "-");
    joined = replace_all(joined, " @,@ ", ",");
    joined = replace_all(joined, " @.@ ", ".");
    std::string out;
    bool quoted = false;
    for (size_t i = 0; i < joined.size(); ++i) {
        const std::string_view rest = std::string_view(joined).substr(i + 1);
        if (joined[i] == ' ' && !rest.empty()) {
            const bool opened = !out.empty() && (out.back() == '(' || out.back() == '[');
            const bool after_quote = !out.empty() && out.back() == '"' && quoted;
            const bool before_quote = rest[0] == '"' && quoted;
            if (opened || after_quote || before_quote || closes(rest)) continue;
        }
        if (joined[i] == '"') quoted = !quoted;
        if (joined[i] == '\n') quoted = false;
        out += joined[i];
    }
    return out;
}

std::vector<std::string> prose_paragraphs(std::string_view unit) {
    std::vector<std::string> out;
    std::string joined;  // short lines: a paragraph wrapped at some column
    const auto flush = [&] {
        add_paragraph(joined, out);
        joined.clear();
    };
    for (size_t at = 0; at < unit.size();) {
        const size_t end = std::min(unit.find('\n', at), unit.size());
        const std::string line = collapse_spaces(unit.substr(at, end - at));
        at = end + 1;
        if (is_markup(line)) {
            flush();
        } else if (count_words(line) >= kMinWords) {
            flush();
            add_paragraph(line, out);
        } else {
            if (!joined.empty() && !joined_without_space(joined, line)) joined += ' ';
            joined += line;
        }
    }
    flush();
    return out;
}

Result<Corpus> read_corpus(const std::vector<std::string>& paths, uint64_t seed, ProgressSink& sink,
                           const CancelToken& cancel) {
    if (paths.empty()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "no corpus: name plain text files or directories of them");
    }
    Corpus corpus;
    Collector collector(corpus);
    const std::vector<InputFile> inputs = expand_inputs(paths, true).files;
    uint64_t done = 0;
    for (const InputFile& input : inputs) {
        if (input.passed_over) {
            sink.note(input.path + " " + input.problem);
            continue;
        }
        if (!input.problem.empty()) {
            return make_error(ErrorCode::kIo, input.path + ": " + input.problem);
        }
        sink.update({"read corpus", input.path, done++, inputs.size(), "files", 0});
        S3ATTN_CHECK(read_file_into(input.path, corpus, collector, cancel));
    }
    Rng rng(seed ^ 0xc0e95u);
    shuffle_paragraphs(corpus, rng);
    rng.shuffle(corpus.other);
    return corpus;
}

std::vector<ClozePair> make_cloze_pairs(const std::vector<std::string>& paragraphs, uint32_t wanted,
                                        uint64_t seed) {
    std::vector<ClozePair> pairs;
    Rng rng(seed ^ 0xc102eu);
    for (uint32_t source = 0; source < paragraphs.size(); ++source) {
        if (pairs.size() == wanted) break;
        const std::string& paragraph = paragraphs[source];
        const auto sentences = split_sentences(paragraph);
        if (sentences.size() < 3) continue;
        std::vector<size_t> usable;
        for (size_t i = 0; i < sentences.size(); ++i) {
            const auto [begin, end] = sentences[i];
            const std::string_view text = std::string_view(paragraph).substr(begin, end - begin);
            const uint32_t words = count_words(text);
            // A sentence about unknown words asks nothing.
            if (words >= 7 && words <= 30 && text.find("<unk>") == text.npos) usable.push_back(i);
        }
        if (usable.empty()) continue;
        const size_t chosen = usable[rng.below(usable.size())];
        ClozePair pair;
        pair.source = source;
        for (size_t i = 0; i < sentences.size(); ++i) {
            const auto [begin, end] = sentences[i];
            if (i == chosen) {
                pair.question = paragraph.substr(begin, end - begin);
                continue;
            }
            const std::string_view sentence =
                std::string_view(paragraph).substr(begin, end - begin);
            if (!pair.paragraph.empty() && !joined_without_space(pair.paragraph, sentence)) {
                pair.paragraph += ' ';
            }
            pair.paragraph += sentence;
        }
        pairs.push_back(std::move(pair));
    }
    return pairs;
}

}  // namespace s3attn

#include "text/ocr.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <sstream>

#include "base/files.h"
#include "text/child_process.h"
#include "text/whitespace.h"

namespace s3attn::text {
namespace {

constexpr uint32_t kPageSeconds = 120;
constexpr uint64_t kPageMemory = 3ull << 30, kMostTsv = 64ull << 20;
constexpr double kPageHeight = 842;   // points, as of A4
constexpr size_t kMostLanguages = 4;  // that are tried when nobody names one: each takes its time
constexpr double kSureEnough = 60;
constexpr const char* kKept = "s3attn-ocr-1";

OcrSettings& settings() {
    static OcrSettings one;
    return one;
}

std::string installed(const char* package) { return std::string("apt-get install ") + package; }

// Names of language packs, those for other purposes left out; none where tesseract is not there.
std::vector<std::string> installed_languages() {
    const std::string program = find_program("tesseract");
    const auto out = SourceFile::temporary("languages");
    if (program.empty() || !out.ok()) return {};
    ChildLimits limits;
    limits.seconds = 20;
    const auto outcome = run_child({program, "--list-langs"}, (*out)->fd(), (*out)->fd(), limits);
    const auto text = (*out)->read_all(1 << 20);
    if (!outcome.ok() || outcome->exit_code != 0 || !text.ok()) return {};
    std::vector<std::string> names;
    std::istringstream lines(*text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with("List of") || line == "osd" || line == "equ" || line.empty()) continue;
        names.push_back(line);
    }
    // English first: tesseract takes the first for the main one.
    std::stable_partition(names.begin(), names.end(),
                          [](const std::string& name) { return name == "eng"; });
    return names;
}

std::string joined(const std::vector<std::string>& names, size_t most) {
    std::string all;
    for (size_t i = 0; i < std::min(most, names.size()); ++i) all += (i > 0 ? "+" : "") + names[i];
    return all;
}

const std::string& languages() {
    static const std::string all = joined(installed_languages(), kMostLanguages);
    return settings().languages.empty() ? all : settings().languages;
}

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else
            out += c;
    }
    return out;
}

// A row of tesseract's table: level, page, block, paragraph, line, word, left, top, width, height,
// confidence, text.
struct Row {
    std::array<double, 11> number{};
    std::string_view text;
    int level() const { return static_cast<int>(number[0]); }
};

bool parse_row(std::string_view line, Row& row) {
    for (double& number : row.number) {
        const size_t tab = line.find('\t');
        const char* end = line.data() + std::min(tab, line.size());
        const auto read = std::from_chars(line.data(), end, number);
        if (tab == line.npos || read.ec != std::errc{}) return false;
        line.remove_prefix(tab + 1);
    }
    row.text = trim(line);
    return true;
}

class LayoutWriter {
  public:
    void add(const Row& row) {
        const auto& n = row.number;
        if (row.level() == 1) {
            scale_ = n[9] > 0 ? kPageHeight / n[9] : 1;
            out_ << "<page width=\"" << n[8] * scale_ << "\" height=\"" << kPageHeight << "\">\n";
            begun_ = true;
        } else if (row.level() == 2) {
            out_ << "<flow>\n";
        } else if (row.level() == 3) {
            out_ << "<block >\n";
        } else if (row.level() == 4) {
            top_ = n[7] * scale_;
            bottom_ = (n[7] + n[9]) * scale_;
            out_ << "<line" << box(n[6], n[8]) << ">\n";
        } else if (row.level() == 5 && !row.text.empty()) {
            // As high as its line: letters are of different heights, and none is raised for that.
            out_ << "<word" << box(n[6], n[8]) << ">" << escaped(row.text) << "</word>\n";
            ++words_;
            sure_ += std::max(0.0, n[10]);
        }
    }
    OcrPage finish() {
        if (begun_) out_ << "</page>\n";
        return {out_.str(), words_, words_ > 0 ? sure_ / static_cast<double>(words_) : 0};
    }

  private:
    std::string box(double left, double width) const {
        std::ostringstream text;
        text << " xMin=\"" << left * scale_ << "\" yMin=\"" << top_ << "\" xMax=\""
             << (left + width) * scale_ << "\" yMax=\"" << bottom_ << "\"";
        return text.str();
    }

    std::ostringstream out_;
    double scale_ = 1, top_ = 0, bottom_ = 0, sure_ = 0;
    uint64_t words_ = 0;
    bool begun_ = false;
};

OcrPage page_of(const std::string& table) {
    LayoutWriter writer;
    std::istringstream lines(table);
    Row row;
    for (std::string line; std::getline(lines, line);) {
        if (parse_row(line, row)) writer.add(row);
    }
    return writer.finish();
}

Result<OcrPage> run_tesseract(const SourceFile& picture, int tiff_page) {
    S3ATTN_TRY(const std::shared_ptr<SourceFile> table, SourceFile::temporary(picture.path()));
    // One thread: pages of several documents may be read at a time, and its threads wait spinning.
    std::vector<std::string> command = {
        find_program("env"), "OMP_THREAD_LIMIT=1", find_program("tesseract"), "-", "-", "-l",
        languages()};
    if (tiff_page >= 0) {
        command.insert(command.end(), {"-c", "tessedit_page_number=" + std::to_string(tiff_page)});
    }
    command.insert(command.end(), {"-c", "tessedit_create_tsv=1"});
    ChildLimits limits;
    limits.seconds = kPageSeconds;
    limits.memory_bytes = kPageMemory;
    limits.output_bytes = kMostTsv;
    ::lseek(picture.fd(), 0, SEEK_SET);
    S3ATTN_TRY(const ChildOutcome outcome, run_child(command, picture.fd(), table->fd(), limits));
    if (outcome.timed_out || outcome.signal == SIGXCPU) {
        return make_error(ErrorCode::kUnsupported, "tesseract did not finish a page in " +
                                                       std::to_string(kPageSeconds) +
                                                       " s and was stopped");
    }
    if (outcome.exit_code != 0 || outcome.output_limit) {
        const std::string_view said = trim(outcome.messages);
        return make_error(ErrorCode::kUnsupported,
                          "tesseract failed: " +
                              (said.empty() ? "signal or code " + std::to_string(outcome.signal)
                                            : std::string(said)));
    }
    S3ATTN_TRY(const std::string text, table->read_all(kMostTsv));
    return page_of(text);
}

std::string kept_file(const std::string& hash, uint32_t page) {
    if (settings().cache_dir.empty()) return {};
    const std::string key =
        hash_bytes(hash + "\n" + std::to_string(page) + "\n" + languages() + "\n" + kKept);
    return settings().cache_dir + "/ocr/" + key + ".page";
}

bool load_page(const std::string& file, OcrPage& page) {
    if (file.empty()) return false;
    const auto bytes = read_file(file, kMostTsv * 4);
    if (!bytes.ok()) return false;
    std::istringstream head(bytes->substr(0, bytes->find('\n')));
    std::string mark;
    if (!(head >> mark >> page.words >> page.confidence) || mark != kKept) return false;
    page.layout = bytes->substr(std::min(bytes->find('\n') + 1, bytes->size()));
    return true;
}

// A page that cannot be kept is read again: no harm else.
void keep_page(const std::string& file, const OcrPage& page) {
    if (file.empty()) return;
    std::error_code error;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path(), error);
    std::ostringstream out;
    out << kKept << ' ' << page.words << ' ' << page.confidence << '\n' << page.layout;
    [[maybe_unused]] const Status ignored = write_file_atomic(file, out.str());
}

}  // namespace

const OcrSettings& ocr_settings() { return settings(); }

bool has_ocr() {
    return settings().on && !find_program("tesseract").empty() && !languages().empty();
}

std::string ocr_advice(const std::string& by_hand) {
    if (!settings().on || has_ocr()) return by_hand;
    return by_hand + ", or install what reads it here: " + installed("tesseract-ocr");
}

Result<OcrPage> read_picture(const std::string& hash, uint32_t page, int tiff_page,
                             const MakePicture& make) {
    if (settings().stop && settings().stop()) {
        return make_error(ErrorCode::kCancelled, "interrupted");
    }
    const std::string file = kept_file(hash, page);
    OcrPage known;
    if (load_page(file, known)) return known;
    S3ATTN_TRY(const std::shared_ptr<SourceFile> picture, make());
    S3ATTN_TRY(OcrPage read, run_tesseract(*picture, tiff_page));
    keep_page(file, read);
    return read;
}

void note_ocr(const std::vector<std::pair<uint32_t, OcrPage>>& pages, uint32_t of,
              std::vector<ReadNote>& notes) {
    std::vector<uint32_t> read, blank;
    for (const auto& [number, page] : pages) (page.words > 0 ? read : blank).push_back(number);
    const std::string of_all = " of " + std::to_string(of) + (of == 1 ? " page" : " pages");
    if (!read.empty()) {
        add_note(notes, {ReadNote::Kind::kConverted, page_list(read), read.size(),
                         std::to_string(read.size()) + of_all + " read by OCR (tesseract, " +
                             languages() + ")"});
    }
    if (!blank.empty()) {
        add_note(notes, {ReadNote::Kind::kLeftOut, page_list(blank), blank.size(),
                         std::to_string(blank.size()) + of_all + ": OCR finds no text in it"});
    }
    for (const auto& [number, page] : pages) {
        if (page.words == 0 || page.confidence >= kSureEnough) continue;
        add_note(notes, {ReadNote::Kind::kConverted, page_list({number}), 1,
                         "read by OCR with a confidence of " +
                             std::to_string(std::lround(page.confidence)) +
                             " of 100 only: expect wrong words"});
    }
}

}  // namespace s3attn::text

namespace s3attn {

void set_ocr(OcrSettings settings) { text::settings() = std::move(settings); }

Status check_ocr(const std::string& languages) {
    const std::vector<std::string> there = text::installed_languages();
    if (text::find_program("tesseract").empty()) {
        return make_error(ErrorCode::kNotFound, "OCR needs tesseract, which is not installed: " +
                                                    text::installed("tesseract-ocr"));
    }
    std::istringstream names(languages);
    for (std::string name; std::getline(names, name, '+');) {
        if (std::find(there.begin(), there.end(), name) != there.end()) continue;
        std::string package = "tesseract-ocr-" + name;
        std::replace(package.begin(), package.end(), '_', '-');
        return make_error(ErrorCode::kNotFound, "tesseract has no language '" + name + "', only " +
                                                    text::joined(there, there.size()) + ": " +
                                                    text::installed(package.c_str()));
    }
    return {};
}

}  // namespace s3attn

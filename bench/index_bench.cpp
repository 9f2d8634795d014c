// The feature index at scale, on codes recorded once from real text (index_record) and replayed
// until there are enough, each time from another unit on. bench/index.py drives it.
//   index_bench build STORE RECORDING TOKENS     the store; time, memory, bytes and entropy
//   index_bench open STORE
//   index_bench search STORE RECORDING THREADS FEATURES ROUNDS
//   index_bench words STORE RECORDING            FTS5's BM25 on the same text
// Prints lines `name value unit`.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "base/timing.h"
#include "recording.h"
#include "retrieve/feature_choice.h"
#include "retrieve/score.h"
#include "store/store.h"

namespace {

using namespace s3attn;

constexpr uint64_t kCommitTokens = 1 << 19;
constexpr size_t kNextFirstUnit = 389;  // prime: every repetition begins elsewhere

void print(const char* name, double value, const char* unit) {
    std::printf("%s %.6g %s\n", name, value, unit);
}

double peak_mib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

double quantile(std::vector<double> values, double q) {
    std::sort(values.begin(), values.end());
    const double at = q * static_cast<double>(values.size() - 1);
    return values[static_cast<size_t>(std::ceil(at - 1e-9))];
}

Result<bench::Recording> load(const std::string& directory) {
    bench::Recording recording;
    S3ATTN_CHECK(bench::read_codes(directory + "/codes.bin", recording));
    std::ifstream units(directory + "/units.txt");
    for (std::string line; std::getline(units, line);) recording.unit_texts.push_back(line);
    if (recording.unit_texts.size() != recording.unit_tokens.size()) {
        return bench::unreadable(directory + "/units.txt");
    }
    return recording;
}

// Units of the recording as a document of the store, from unit `first` on, around once.
class Replay {
  public:
    explicit Replay(const bench::Recording& recording) : recording_(recording) {
        uint64_t token = 0;
        for (const uint32_t n : recording.unit_tokens) {
            begin_.push_back(token);
            token += n;
        }
    }

    Status add_document(StoreWriter& writer, size_t number, uint64_t limit, uint64_t& tokens) {
        DocumentHeader header;
        header.path = "replay-" + std::to_string(number) + ".txt";
        header.format = "text";
        header.encoding = "UTF-8";
        header.source_hash = header.path;
        S3ATTN_TRY([[maybe_unused]] const auto begun, writer.begin_document(header));
        uint64_t byte = 0;
        const size_t n_units = begin_.size(), first = number * kNextFirstUnit % n_units;
        for (size_t i = 0; i < n_units && tokens < limit; ++i) {
            const size_t u = (first + i) % n_units;
            Unit unit;
            unit.text = recording_.unit_texts[u];
            unit.gap = byte == 0 ? "" : "\n";
            unit.byte_begin = byte + unit.gap.size();
            byte = unit.byte_end = unit.byte_begin + unit.text.size();
            unit.line_begin = unit.line_end = static_cast<uint32_t>(i + 1);
            S3ATTN_CHECK(writer.add_unit(unit, recording_.unit_tokens[u]));
            S3ATTN_CHECK(add_codes(writer, begin_[u], recording_.unit_tokens[u]));
            tokens += recording_.unit_tokens[u];
            if (writer.pending_tokens() >= kCommitTokens) S3ATTN_CHECK(writer.commit());
        }
        return writer.end_document();
    }

    double codes_seconds() const { return codes_seconds_; }

  private:
    Status add_codes(StoreWriter& writer, uint64_t begin, uint32_t n_tokens) {
        const size_t width = size_t{recording_.shape.n_slots} * recording_.shape.k;
        const auto from = static_cast<std::ptrdiff_t>(begin * width);
        const auto to = from + static_cast<std::ptrdiff_t>(n_tokens * width);
        batch_.n_tokens = n_tokens;
        batch_.n_slots = recording_.shape.n_slots;
        batch_.k = recording_.shape.k;
        const auto& codes = recording_.codes;
        batch_.feature.assign(codes.feature.begin() + from, codes.feature.begin() + to);
        batch_.activation.assign(codes.activation.begin() + from, codes.activation.begin() + to);
        const Stopwatch watch;
        const Status status = writer.add_codes(batch_);
        codes_seconds_ += watch.seconds();
        return status;
    }

    const bench::Recording& recording_;
    std::vector<uint64_t> begin_;  // first token of each unit
    CodeBatch batch_;
    double codes_seconds_ = 0;
};

// Bits of a list's positions if they were drawn at random: what no codec that knows only the
// lists' lengths can beat, summed over the lists of whole segments.
double entropy_bits(double n, double tokens) {
    if (n <= 0 || n >= tokens) return 0;
    const double p = n / tokens;
    return tokens * (-p * std::log2(p) - (1 - p) * std::log2(1 - p));
}

Status print_sizes(const StoreReader& store) {
    double bytes = 0, postings = 0, positions = 0, activations = 0;
    for (const auto& segment : store.segments()) {
        bytes += static_cast<double>(segment->bytes());
        postings += static_cast<double>(segment->n_postings());
    }
    const Segment& segment = *store.segments().front();
    double counted = 0;
    for (uint32_t slot = 0; slot < segment.n_slots(); ++slot) {
        std::vector<std::vector<double>> histogram(segment.latents(), std::vector<double>(256));
        BlockScratch scratch;
        for (uint32_t b = 0; b < segment.n_blocks(); ++b) {
            S3ATTN_TRY(const BlockView view, segment.read_block(slot, b, scratch));
            for (size_t f = 0; f < histogram.size(); ++f) {
                for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                    ++histogram[f][view.activation[i]];
                }
            }
        }
        for (const auto& counts : histogram) {
            double n = 0;
            for (const double c : counts) n += c;
            for (const double c : counts) activations -= c > 0 ? c * std::log2(c / n) : 0;
            positions += entropy_bits(n, static_cast<double>(segment.n_tokens()));
            counted += n;
        }
    }
    print("index_bytes_per_posting", bytes / postings, "bytes");
    print("index_bits_per_posting", 8 * bytes / postings, "bits");
    print("index_entropy_positions", positions / counted, "bits");
    print("index_entropy_activations_of_a_feature", activations / counted, "bits");
    print("index_entropy", (positions + activations) / counted, "bits");
    print("index_postings", postings, "postings");
    return {};
}

Status measure_build(const std::string& directory, const std::string& from, uint64_t limit) {
    S3ATTN_TRY(const bench::Recording recording, load(from));
    const Stopwatch watch;
    Replay replay(recording);
    uint64_t tokens = 0;
    {
        S3ATTN_TRY(const auto writer,
                   StoreWriter::open(directory, {{{"replay", "1"}}}, recording.shape));
        for (size_t n = 0; tokens < limit; ++n) {
            S3ATTN_CHECK(replay.add_document(*writer, n, limit, tokens));
            if (writer->pending_tokens() >= kCommitTokens) S3ATTN_CHECK(writer->commit());
        }
        S3ATTN_CHECK(writer->commit());
    }
    const double seconds = watch.seconds();
    print("index_build_rss", peak_mib(), "MiB");
    S3ATTN_TRY(const auto store, StoreReader::open(directory, nullptr));
    double postings = 0;
    for (const auto& segment : store->segments()) {
        postings += static_cast<double>(segment->n_postings());
    }
    print("index_tokens", static_cast<double>(tokens), "tokens");
    print("index_units", static_cast<double>(store->live_units().size()), "units");
    print("index_segments", static_cast<double>(store->segments().size()), "files");
    print("index_build_s", seconds, "s");
    print("index_build_rate", postings / seconds / 1e6, "M_postings/s");
    print("index_build_rate_codes", postings / replay.codes_seconds() / 1e6, "M_postings/s");
    print("index_catalogue_bytes_per_token",
          (static_cast<double>(store->bytes_on_disk()) -
           [&] {
               double bytes = 0;
               for (const auto& segment : store->segments()) {
                   bytes += static_cast<double>(segment->bytes());
               }
               return bytes;
           }()) /
              static_cast<double>(tokens),
          "bytes");
    return print_sizes(*store);
}

Status measure_open(const std::string& directory) {
    std::vector<double> times;
    for (int round = 0; round < 7; ++round) {
        const Stopwatch watch;
        S3ATTN_TRY(const auto store, StoreReader::open(directory, nullptr));
        times.push_back(watch.milliseconds());
    }
    print("open_ms", quantile(times, 0.5), "ms");
    return {};
}

// Of all threads: what a loaded machine does not change much.
double cpu_ms() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return 1e3 * static_cast<double>(now.tv_sec) + 1e-6 * static_cast<double>(now.tv_nsec);
}

using Score = std::function<Result<S3Scores>(size_t query)>;

// Each query `rounds` times; the first of all queries has run once before, so that pages are in
// memory and checksums checked.
Status time_queries(const char* name, size_t n_queries, size_t rounds, const Score& score) {
    std::vector<double> times, cpu;
    for (size_t round = 0; round < rounds; ++round) {
        for (size_t q = 0; q < n_queries; ++q) {
            const Stopwatch watch;
            const double begin = cpu_ms();
            S3ATTN_TRY([[maybe_unused]] const S3Scores scores, score(q));
            cpu.push_back(cpu_ms() - begin);
            times.push_back(watch.milliseconds());
        }
    }
    const std::string prefix = name;
    print((prefix + "_median").c_str(), quantile(times, 0.5), "ms");
    print((prefix + "_p99").c_str(), quantile(times, 0.99), "ms");
    print((prefix + "_cpu").c_str(), quantile(cpu, 0.5), "ms");
    return {};
}

Status measure_search(const std::string& directory, const std::string& from, uint32_t threads,
                      uint32_t features, size_t rounds) {
    S3ATTN_TRY(const auto store, StoreReader::open(directory, nullptr));
    S3ATTN_TRY(const auto queries, bench::read_queries(from + "/queries.bin"));
    S3ATTN_TRY(const FeatureMeans means, feature_means(*store));
    ThreadPool pool(threads);
    std::vector<FeatureChoice> choices;
    const Stopwatch choose_watch;
    for (const QueryCodes& query : queries) {
        choices.push_back(choose_features(query, features, means, pool));
    }
    print("choose_features", choose_watch.milliseconds() / static_cast<double>(queries.size()),
          "ms");
    ScoreOptions options;
    options.threads = threads;
    const Score chosen = [&](size_t q) {
        options.choice = &choices[q];
        return score_attention(*store, queries[q], options);
    };
    const Stopwatch first_watch;
    S3ATTN_TRY(const S3Scores first, chosen(0));
    print("retrieval_first", first_watch.milliseconds(), "ms");
    double read = 0, all = 0;
    const Score counting = [&](size_t q) -> Result<S3Scores> {
        S3ATTN_TRY(S3Scores scores, chosen(q));
        read += static_cast<double>(scores.postings_read);
        all += static_cast<double>(scores.postings);
        return scores;
    };
    S3ATTN_CHECK(time_queries("retrieval", queries.size(), rounds, counting));
    print("postings_read_share", read / all, "share");
    // The exhaustive scorer: all features of every token. Its lists need not be chosen.
    ScoreOptions everything;
    everything.threads = threads;
    S3ATTN_CHECK(time_queries("exhaustive", std::min<size_t>(queries.size(), 3), 1, [&](size_t q) {
        return score_attention(*store, queries[q], everything);
    }));
    const QueryCodes kept = keep_chosen(queries[0], choices[0]);
    S3ATTN_TRY(const S3Scores dense, score_attention(*store, kept, everything));
    print("same_scores_as_exhaustive", first.mass == dense.mass ? 1 : 0, "bool");
    return {};
}

Status measure_words(const std::string& directory, const std::string& from) {
    S3ATTN_TRY(const auto store, StoreReader::open(directory, nullptr));
    std::ifstream file(from + "/questions.txt");
    std::vector<double> times;
    for (std::string question; std::getline(file, question);) {
        const Stopwatch watch;
        S3ATTN_TRY([[maybe_unused]] const auto matches, store->bm25(question, 300));
        times.push_back(watch.milliseconds());
    }
    if (times.empty()) return bench::unreadable(from + "/questions.txt");
    print("fts5_median", quantile(times, 0.5), "ms");
    print("fts5_p99", quantile(times, 0.99), "ms");
    return {};
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> a(argv + 1, argv + argc);
    Status status = make_error(ErrorCode::kInvalidArgument,
                               "usage: index_bench build STORE RECORDING TOKENS | open STORE | "
                               "search STORE RECORDING THREADS FEATURES ROUNDS | "
                               "words STORE RECORDING");
    const auto number = [&](size_t i) { return std::strtoull(a[i].c_str(), nullptr, 10); };
    if (a.size() == 4 && a[0] == "build") status = measure_build(a[1], a[2], number(3));
    if (a.size() == 2 && a[0] == "open") status = measure_open(a[1]);
    if (a.size() == 6 && a[0] == "search") {
        status = measure_search(a[1], a[2], static_cast<uint32_t>(number(3)),
                                static_cast<uint32_t>(number(4)), number(5));
    }
    if (a.size() == 3 && a[0] == "words") status = measure_words(a[1], a[2]);
    if (status.ok()) return 0;
    std::fprintf(stderr, "error: %s\n", status.error().message.c_str());
    return 1;
}

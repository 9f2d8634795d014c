#include "eval/key_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "adapter/key_codes.h"
#include "base/timing.h"
#include "eval/index_files.h"
#include "eval/run_record.h"

namespace s3attn::eval {
namespace {

constexpr uint64_t kMeanTokens = 16384;

// Hands the documents' tokens out in chunks, as the indexer cuts them.
Status each_chunk(Scanner& scanner, const std::vector<std::string>& documents,
                  const std::function<Status(std::span<const int32_t>)>& on_chunk) {
    std::vector<int32_t> waiting;
    const auto flush = [&](size_t least) -> Status {
        size_t done = 0;
        for (; waiting.size() - done >= least && done < waiting.size();) {
            const size_t n = std::min<size_t>(scanner.chunk_tokens(), waiting.size() - done);
            S3ATTN_CHECK(on_chunk({waiting.data() + done, n}));
            done += n;
        }
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<ptrdiff_t>(done));
        return {};
    };
    for (const std::string& path : documents) {
        const auto add = [&](const Unit&, const std::string& model_text) -> Status {
            S3ATTN_TRY(const Tokens tokens, scanner.tokenizer().tokenize(model_text));
            waiting.insert(waiting.end(), tokens.ids.begin(), tokens.ids.end());
            return flush(scanner.chunk_tokens());
        };
        S3ATTN_CHECK(walk_units(
            path, [](const DocumentHeader&) { return Status(); }, add));
        S3ATTN_CHECK(flush(1));
    }
    return {};
}

std::vector<uint32_t> layers_of(const std::vector<KeyFileSlot>& slots) {
    std::set<uint32_t> layers;
    for (const KeyFileSlot& slot : slots) layers.insert(slot.layer);
    return {layers.begin(), layers.end()};
}

class KeyWriter {
  public:
    KeyWriter(const std::vector<KeyFileSlot>& slots, std::FILE* file)
        : slots_(slots), file_(file) {}

    Status chunk(Scanner& scanner, const std::vector<uint32_t>& layers,
                 std::span<const int32_t> tokens, IndexCost& cost) {
        const uint32_t d = scanner.info().d_head;
        const size_t row = key_row_bytes(d);
        rows_.assign(tokens.size() * slots_.size() * row, std::byte{0});
        const Stopwatch watch;
        double packing = 0;
        const auto take = [&](const ProjectionView& keys) -> Status {
            const Stopwatch packed;
            for (size_t s = 0; s < slots_.size(); ++s) {
                if (slots_[s].layer != keys.layer) continue;
                for (uint32_t t = 0; t < keys.n_tokens; ++t) {
                    pack_key(
                        keys.data + t * keys.token_stride + slots_[s].kv_head * keys.head_stride,
                        slots_[s].mean.data(), d, rows_.data() + (t * slots_.size() + s) * row);
                }
            }
            packing += packed.seconds();
            return {};
        };
        S3ATTN_CHECK(scanner.capture(tokens, layers, Projection::kKey, take));
        cost.stages.encode += packing;
        cost.stages.scan += watch.seconds() - packing;
        const Stopwatch writing;
        if (std::fwrite(rows_.data(), 1, rows_.size(), file_) != rows_.size()) {
            return make_error(ErrorCode::kIo, "cannot write keys: is the disk full?");
        }
        cost.stages.index_write += writing.seconds();
        cost.tokens += tokens.size();
        return {};
    }

  private:
    const std::vector<KeyFileSlot>& slots_;
    std::FILE* file_;
    std::vector<std::byte> rows_;
};

}  // namespace

void pack_key(const float* key, const float* mean, uint32_t d, std::byte* row) {
    std::vector<double> x(d, 0.0);
    float scale = 0;
    if (centre_and_normalise(key, mean, nullptr, d, x.data())) {
        double largest = 0;
        for (const double value : x) largest = std::max(largest, std::abs(value));
        scale = static_cast<float>(largest / 7);
    } else {
        std::fill(x.begin(), x.end(), 0.0);
    }
    std::memcpy(row, &scale, sizeof scale);
    for (uint32_t i = 0; i < d / 2; ++i) {
        const auto code = [&](uint32_t j) {
            const double v = scale > 0 ? std::round(x[j] / scale) : 0.0;
            return static_cast<unsigned>(std::clamp(v, -7.0, 7.0) + 8);
        };
        row[sizeof scale + i] = static_cast<std::byte>(code(2 * i) | code(2 * i + 1) << 4);
    }
}

void unpack_key(const std::byte* row, uint32_t d, float* out) {
    float scale = 0;
    std::memcpy(&scale, row, sizeof scale);
    for (uint32_t i = 0; i < d / 2; ++i) {
        const auto byte = static_cast<int>(row[sizeof scale + i]);
        out[2 * i] = scale * static_cast<float>((byte & 15) - 8);
        out[2 * i + 1] = scale * static_cast<float>((byte >> 4) - 8);
    }
}

Result<IndexCost> write_key_file(ScanModel& model, const std::vector<KeyFileSlot>& slots,
                                 const std::vector<std::string>& documents, const std::string& path,
                                 ProgressSink& sink, const CancelToken& cancel) {
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) return errno_error("cannot write", path);
    IndexCost cost;
    KeyWriter writer(slots, file);
    const std::vector<uint32_t> layers = layers_of(slots);
    const Stopwatch watch;
    Status status = model.with_scanner([&](Scanner& scanner) {
        return each_chunk(scanner, documents, [&](std::span<const int32_t> tokens) -> Status {
            if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
            S3ATTN_CHECK(writer.chunk(scanner, layers, tokens, cost));
            Progress progress;
            progress.stage = "scan keys";
            progress.done = cost.tokens;
            progress.unit = "tokens";
            progress.tokens_per_s = static_cast<double>(cost.tokens) / watch.seconds();
            sink.update(progress);
            return {};
        });
    });
    if (std::fclose(file) != 0 && status.ok()) status = errno_error("cannot write", path);
    if (!status.ok()) return status.error();
    cost.seconds = watch.seconds();
    return cost;
}

Result<LayerMeans> measure_layer0_means(ScanModel& model, const std::vector<std::string>& documents,
                                        const CancelToken& cancel) {
    std::vector<std::vector<double>> sums[2];
    uint64_t tokens = 0;
    const Error enough{ErrorCode::kCancelled, ""};
    const std::vector<uint32_t> layers{0};
    const auto chunk = [&](Scanner& scanner, std::span<const int32_t> ids) -> Status {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        for (const Projection projection : {Projection::kKey, Projection::kQuery}) {
            auto& sum = sums[projection == Projection::kKey ? 0 : 1];
            const auto take = [&](const ProjectionView& rows) -> Status {
                sum.resize(rows.n_heads, std::vector<double>(rows.d_head, 0.0));
                for (uint32_t t = 0; t < rows.n_tokens; ++t) {
                    for (uint32_t h = 0; h < rows.n_heads; ++h) {
                        const float* row = rows.data + t * rows.token_stride + h * rows.head_stride;
                        for (uint32_t i = 0; i < rows.d_head; ++i) sum[h][i] += row[i];
                    }
                }
                return {};
            };
            S3ATTN_CHECK(scanner.capture(ids, layers, projection, take));
        }
        tokens += ids.size();
        return tokens >= kMeanTokens ? Status(enough) : Status();
    };
    const Status status = model.with_scanner([&](Scanner& scanner) {
        return each_chunk(scanner, documents,
                          [&](std::span<const int32_t> ids) { return chunk(scanner, ids); });
    });
    if (!status.ok() && tokens < kMeanTokens) return status.error();
    LayerMeans means;
    for (int side = 0; side < 2; ++side) {
        auto& out = side == 0 ? means.keys : means.queries;
        for (const auto& sum : sums[side]) {
            out.emplace_back();
            for (const double value : sum) {
                out.back().push_back(
                    static_cast<float>(value / static_cast<double>(std::max<uint64_t>(tokens, 1))));
            }
        }
    }
    return means;
}

Result<std::unique_ptr<KeyFile>> KeyFile::open(const std::string& path, uint32_t n_slots,
                                               uint32_t d, uint64_t n_tokens) {
    auto file = std::make_unique<KeyFile>();
    S3ATTN_TRY(file->map_, MappedFile::open(path));
    if (file->map_->bytes().size() != n_tokens * n_slots * key_row_bytes(d)) {
        return make_error(ErrorCode::kCorrupt, path + " has another size than its " +
                                                   std::to_string(n_tokens) +
                                                   " tokens need: remove its folder");
    }
    file->bytes_ = file->map_->bytes().data();
    file->n_slots_ = n_slots;
    file->d_ = d;
    return file;
}

}  // namespace s3attn::eval

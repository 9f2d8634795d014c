// What the stages of a training run share: progress, rows of earlier runs, seconds.
#include <algorithm>

#include "base/files.h"
#include "model/finite_rows.h"
#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

constexpr const char* kCheckpointVersion = "1";  // of what the stages compute

template <class T>
std::string_view raw(const std::vector<T>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string to_bytes(const HalfRows& rows) {
    ByteWriter out;
    out.number(rows.d());
    out.numbers(rows.offset());
    out.numbers(rows.halves());
    return out.bytes();
}

std::optional<HalfRows> from_bytes(std::string_view bytes, uint64_t n_rows) {
    ByteReader in(bytes);
    const auto d = in.number<uint32_t>();
    std::vector<float> offset = in.numbers<float>();
    std::vector<uint16_t> halves = in.numbers<uint16_t>();
    if (!in.ok() || halves.size() != n_rows * d) return std::nullopt;
    return HalfRows::from_stored(d, std::move(offset), std::move(halves));
}

}  // namespace

std::string hash_of(const TokenText& text) {
    std::vector<uint32_t> ends;
    for (const TokenSpan& span : text.spans) ends.push_back(span.end);
    return hash_bytes(hash_bytes(raw(text.ids)) + hash_bytes(raw(ends)));
}

std::string name_of(const HeadKey& key) {
    return "L" + std::to_string(key.layer) + "-H" + std::to_string(key.head);
}

OnTokens TrainContext::token_progress(const std::string& stage, const std::string& item) const {
    return [this, stage, item, watch = Stopwatch()](uint64_t done, uint64_t total) {
        const double rate = static_cast<double>(done) / std::max(1e-9, watch.seconds());
        sink.update({stage, item, done, total, "tokens", rate});
    };
}

Origin TrainContext::origin() const {
    return {{"checkpoint version", kCheckpointVersion},
            {"model", scanner.info().file_hash},
            {"tokenizer", scanner.info().tokenizer_hash},
            {"chunk", std::to_string(scanner.chunk_tokens())}};
}

Status TrainContext::rows_of(const TokenText& text, const std::vector<HeadKey>& heads,
                             Projection projection, const RowsName& name, RowStore& out) {
    Origin from = origin();
    from.emplace_back("text", checkpoints.enabled() ? hash_of(text) : "");
    std::vector<HeadKey> missing;
    const auto part = [&](const HeadKey& head) { return name.part + "-" + name_of(head); };
    for (const HeadKey& head : heads) {
        if (const auto it = out.find(head); it != out.end()) {
            S3ATTN_CHECK(checkpoints.save(part(head), from, to_bytes(it->second)));
            continue;
        }
        const auto bytes = checkpoints.load(part(head), from);
        auto rows = bytes ? from_bytes(*bytes, text.ids.size()) : std::nullopt;
        if (rows && rows->finite()) {  // an older program kept them as they came
            out.emplace(head, std::move(*rows));
        } else {
            missing.push_back(head);
        }
    }
    if (missing.empty()) return {};
    for (const HeadKey& head : missing) {
        HalfRows empty(scanner.info().d_head);
        empty.reserve(text.ids.size());
        out.emplace(head, std::move(empty));
    }
    S3ATTN_CHECK(
        capture_rows(scanner, text, missing, projection, out, token_progress(name.stage), cancel));
    for (const HeadKey& head : missing) {
        if (!out.at(head).finite()) return not_finite(projection, head.layer, head.head);
        S3ATTN_CHECK(checkpoints.save(part(head), from, to_bytes(out.at(head))));
    }
    return {};
}

double TrainContext::total_seconds() const {
    double sum = 0;
    for (const StageSeconds& stage : seconds) sum += stage.seconds;
    return sum;
}

StageClock::StageClock(TrainContext& context) : context_(context) {}

void StageClock::end(const std::string& stage) {
    auto& all = context_.seconds;
    auto it = std::find_if(all.begin(), all.end(),
                           [&](const StageSeconds& s) { return s.stage == stage; });
    if (it == all.end()) it = all.insert(all.end(), StageSeconds{stage, 0});
    it->seconds += watch_.seconds();
    watch_ = Stopwatch();
    ByteWriter out;
    out.number(static_cast<uint32_t>(all.size()));
    for (const StageSeconds& s : all) {
        out.text(s.stage);
        out.number(s.seconds);
    }
    Origin origin = context_.origin();
    origin.emplace_back("command", command_line(context_.options));
    // Only what the record says about time would be lost.
    static_cast<void>(context_.checkpoints.save("seconds", origin, out.bytes()));
}

Status open_checkpoints(TrainContext& context) {
    const TrainOptions& options = context.options;
    if (options.work.empty()) return {};
    S3ATTN_TRY(context.checkpoints, Checkpoints::open(options.work, context.sink));
    Origin origin = context.origin();
    origin.emplace_back("command", command_line(options));
    const auto bytes = context.checkpoints.load("seconds", origin);
    if (!bytes) return {};
    ByteReader in(*bytes);
    for (uint32_t n = in.number<uint32_t>(); n > 0 && in.ok(); --n) {
        const std::string stage = in.text();
        context.seconds.push_back({stage, in.number<double>()});
    }
    if (!in.ok()) context.seconds.clear();
    return {};
}

}  // namespace s3attn

// TrainOptions::dump: what the held-out paragraphs and questions were ranked with.
#include <algorithm>
#include <cstring>

#include "adapter/encoder.h"
#include "train/npz.h"
#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

constexpr uint32_t kBlock = 4096;

template <class T>
NpzArray array_of(std::string name, std::string type, std::vector<uint64_t> shape,
                  std::vector<T> values) {
    auto kept = std::make_shared<std::vector<T>>(std::move(values));
    return {std::move(name), std::move(type), std::move(shape), sizeof(T),
            [kept](uint64_t begin, uint64_t n, char* out) {
                std::memcpy(out, kept->data() + begin, n * sizeof(T));
            }};
}

NpzArray spans_of(const std::string& name, const std::vector<TokenSpan>& spans) {
    std::vector<int32_t> values;
    for (const TokenSpan& span : spans) {
        values.push_back(static_cast<int32_t>(span.begin));
        values.push_back(static_cast<int32_t>(span.end));
    }
    return array_of(name, "<i4", {spans.size(), 2}, std::move(values));
}

NpzArray ids_of(const std::string& name, const TokenText& text) {
    return array_of(name, "<i4", {text.ids.size()}, text.ids);
}

// Rows as they were captured; `rows` must outlive the array.
NpzArray rows_of(const std::string& name, const HalfRows& rows) {
    return {name,
            "<f4",
            {rows.size(), rows.d()},
            sizeof(float),
            [&rows](uint64_t begin, uint64_t n, char* out) {
                // Blocks of items need not begin at a row.
                const uint32_t d = rows.d();
                const size_t first = begin / d, last = (begin + n + d - 1) / d;
                std::vector<float> values((last - first) * d);
                rows.read(first, last - first, values.data());
                std::memcpy(out, values.data() + (begin - first * d), n * sizeof(float));
            }};
}

// Codes of one slot's keys, as an index would store them.
void add_codes(const Adapter& adapter, uint32_t slot, const HalfRows& keys, uint32_t threads,
               const std::string& suffix, std::vector<NpzArray>& arrays) {
    const uint32_t d = keys.d(), k = adapter.k;
    const auto n_slots = static_cast<uint32_t>(adapter.slots.size());
    KeyEncoder encoder(adapter, threads);
    std::vector<uint16_t> features;
    std::vector<uint8_t> activations;
    std::vector<float> rows(size_t{kBlock} * d);
    for (size_t at = 0; at < keys.size(); at += kBlock) {
        const auto n = static_cast<uint32_t>(std::min<size_t>(kBlock, keys.size() - at));
        keys.read(at, n, rows.data());
        CodeBatch batch;
        batch.n_tokens = n;
        batch.n_slots = n_slots;
        batch.k = k;
        batch.feature.assign(size_t{n} * n_slots * k, 0);
        batch.activation.assign(batch.feature.size(), 0);
        encoder.encode(slot, {rows.data(), n, d, d}, batch);
        for (uint32_t t = 0; t < n; ++t) {
            const size_t from = (size_t{t} * n_slots + slot) * k;
            for (size_t i = from; i < from + k; ++i) {
                features.push_back(batch.feature[i]);
                activations.push_back(batch.activation[i]);
            }
        }
    }
    arrays.push_back(array_of("features_" + suffix, "<u2", {keys.size(), k}, std::move(features)));
    arrays.push_back(
        array_of("activations_" + suffix, "|u1", {keys.size(), k}, std::move(activations)));
}

}  // namespace

Status write_dump(const TrainContext& context, const Adapter& adapter, const HeldOut& held_out) {
    std::vector<NpzArray> arrays{ids_of("paragraph_tokens", held_out.paragraphs),
                                 spans_of("paragraph_spans", held_out.paragraphs.spans),
                                 ids_of("question_tokens", held_out.questions),
                                 spans_of("question_spans", held_out.questions.spans)};
    for (uint32_t s = 0; s < adapter.slots.size(); ++s) {
        const KeySlot& slot = adapter.slots[s];
        const HalfRows& keys = held_out.keys.at({slot.layer, slot.kv_head});
        const std::string suffix =
            "L" + std::to_string(slot.layer) + "_H" + std::to_string(slot.kv_head);
        arrays.push_back(rows_of("keys_" + suffix, keys));
        add_codes(adapter, s, keys, context.pool.size(), suffix, arrays);
    }
    for (const QueryHead& head : adapter.heads) {
        arrays.push_back(rows_of(
            "queries_L" + std::to_string(head.layer) + "_Q" + std::to_string(head.query_head),
            held_out.queries.at({head.layer, head.query_head})));
    }
    return write_npz(context.options.dump, arrays);
}

}  // namespace s3attn

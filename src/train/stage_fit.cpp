// Stages of the pipeline that fit the adapter to the chosen heads.
#include <algorithm>
#include <cmath>

#include "train/coded_keys.h"
#include "train/negatives.h"
#include "train/pipeline_parts.h"
#include "train/rng.h"

namespace s3attn {
namespace {

std::vector<float> unit_queries(const HalfRows& rows, const std::vector<float>& mean) {
    std::vector<float> out(rows.size() * rows.d());
    read_unit(rows, 0, rows.size(), mean, out.data());
    return out;
}

RetrievalSet training_set(const TrainingRows& rows) {
    RetrievalSet set;
    const TrainingText& text = rows.text;
    const auto first = static_cast<uint32_t>(text.sae.spans.size());
    const auto shift = static_cast<uint32_t>(text.sae.ids.size());
    for (uint32_t q = 0; q < text.span_of.size(); ++q) {
        const uint32_t at = text.span_of[q];
        TokenSpan span = at < first ? text.sae.spans[at] : text.more.spans[at - first];
        if (at >= first) span = {span.begin + shift, span.end + shift};
        set.units.push_back(span);
        set.gold.push_back({q});
    }
    set.questions = rows.questions.spans;
    return set;
}

void write_query_side(std::span<const QueryHeadParams> params, Adapter& adapter) {
    const std::vector<float> mixture = mixture_of(params);
    for (size_t j = 0; j < adapter.heads.size(); ++j) {
        QueryHead& head = adapter.heads[j];
        head.map = params[j].map;
        head.bias = params[j].bias;
        head.token_weight = params[j].token_weight;
        head.temperature = std::exp(params[j].log_temperature);
        head.mixture = mixture[j];
    }
}

}  // namespace

Result<TrainingRows> capture_training_rows(TrainContext& context, const Corpus& corpus,
                                           const ClozeSplit& cloze, const ChosenHeads& chosen) {
    const Tokenizer& tokenizer = context.scanner.tokenizer();
    TrainingRows rows;
    S3ATTN_TRY(rows.text, training_text(corpus, cloze, tokenizer, context.options));
    std::vector<std::string> questions;
    for (size_t i = cloze.n_held_out; i < cloze.pairs.size(); ++i) {
        questions.push_back(cloze.pairs[i].question);
    }
    S3ATTN_TRY(rows.questions, tokenize_texts(tokenizer, questions));
    S3ATTN_CHECK(context.rows_of(rows.text.sae, chosen.slots, Projection::kKey,
                                 {"scan corpus", "keys"}, rows.keys));
    if (context.options.query_steps > 0) {
        S3ATTN_CHECK(context.rows_of(rows.text.more, chosen.slots, Projection::kKey,
                                     {"scan the other pairs", "pair-keys"}, rows.more_keys));
    }
    S3ATTN_CHECK(context.rows_of(rows.questions, chosen.as_keys(), Projection::kQuery,
                                 {"scan questions", "queries"}, rows.queries));
    return rows;
}

RetrievalSet held_out_set(const Adapter& adapter, const HeldOut& held_out, uint32_t threads) {
    RetrievalSet set;
    set.d = adapter.d_head;
    set.units = held_out.paragraphs.spans;
    set.questions = held_out.questions.spans;
    for (uint32_t q = 0; q < set.questions.size(); ++q) set.gold.push_back({q});
    for (uint32_t s = 0; s < adapter.slots.size(); ++s) {
        const KeySlot& slot = adapter.slots[s];
        set.keys.push_back(
            rebuild_keys(adapter, s, held_out.keys.at({slot.layer, slot.kv_head}), threads));
    }
    for (const QueryHead& head : adapter.heads) {
        set.heads.push_back(
            {head.slot,
             unit_queries(held_out.queries.at({head.layer, head.query_head}), head.mean_query)});
    }
    return set;
}

namespace {

// What the query side is trained on: the training pairs, keys as the index will hold them.
RetrievalSet coded_training_set(TrainContext& context, TrainingRows& rows, const Adapter& adapter) {
    RetrievalSet set = training_set(rows);
    set.d = adapter.d_head;
    for (uint32_t s = 0; s < adapter.slots.size(); ++s) {
        const HeadKey key{adapter.slots[s].layer, adapter.slots[s].kv_head};
        HalfRows keys = rebuild_keys(adapter, s, rows.keys.at(key), context.pool.size());
        keys.append(rebuild_keys(adapter, s, rows.more_keys.at(key), context.pool.size()));
        set.keys.push_back(std::move(keys));
        rows.keys.erase(key);
        rows.more_keys.erase(key);
    }
    for (const QueryHead& head : adapter.heads) {
        set.heads.push_back({head.slot, unit_queries(rows.queries.at({head.layer, head.query_head}),
                                                     head.mean_query)});
    }
    return set;
}

Result<QueryTrainOptions> query_options(TrainContext& context, const Corpus& corpus,
                                        const ClozeSplit& cloze) {
    QueryTrainOptions train;
    train.steps = context.options.query_steps;
    train.seed = context.options.seed;
    if (context.options.negatives == Negatives::kRandom) return train;
    const std::span<const ClozePair> pairs(cloze.pairs);
    S3ATTN_TRY(
        train.hard,
        hard_negatives(
            corpus, pairs.subspan(cloze.n_held_out), context.options.negatives,
            [&](uint64_t done, uint64_t total) {
                context.sink.update({"find negatives", std::string(), done, total, "questions", 0});
            },
            context.cancel));
    return train;
}

}  // namespace

Result<QuerySide> fit_query_side(TrainContext& context, const Corpus& corpus, Prepared& prepared,
                                 Adapter& adapter) {
    const RetrievalSet held = held_out_set(adapter, prepared.held_out, context.pool.size());
    // The first half judges during training, the second half is reported and calibrates.
    const uint32_t n = static_cast<uint32_t>(held.questions.size());
    const uint32_t judged = std::min(n / 2, 300u);
    const std::vector<QueryHeadParams> untrained(adapter.heads.size(),
                                                 identity_params(adapter.d_head));
    QuerySide side;
    side.params = untrained;
    side.untrained = calibrate(held, untrained, judged, n, context.pool);
    side.trained = side.untrained;
    if (context.options.query_steps > 0) {
        S3ATTN_TRY(const QueryTrainOptions train, query_options(context, corpus, prepared.cloze));
        const RetrievalSet set = coded_training_set(context, prepared.rows, adapter);
        S3ATTN_TRY(side.training, train_queries(
                                      set, held, 0, judged, train, context.pool,
                                      [&](uint32_t step, uint32_t total) {
                                          context.sink.update({"train query side", std::string(),
                                                               step, total, "steps", 0});
                                      },
                                      context.cancel));
        side.params = side.training.params;
        side.trained = calibrate(held, side.params, judged, n, context.pool);
        write_query_side(side.params, adapter);
    }
    adapter.evidence_floor = side.trained.evidence_floor;
    return side;
}

}  // namespace s3attn

// Stages of the pipeline that fit the adapter to the chosen heads.
#include <algorithm>
#include <cmath>

#include "train/coded_keys.h"
#include "train/pipeline_parts.h"
#include "train/rng.h"

namespace s3attn {
namespace {

// Text for the SAEs: the trained-on cloze paragraphs, then more paragraphs and other text, until
// there are enough tokens. Other text gets at most a third.
struct MixedText {
    std::vector<std::string> texts;
    std::vector<uint32_t> at;  // cloze question -> index into texts
};

MixedText mix_text(const Corpus& corpus, const ClozeSplit& cloze, const Tokenizer& tokenizer,
                   const TrainOptions& options, Status& status) {
    std::vector<std::string> texts;
    uint64_t tokens = 0;
    const auto add = [&](const std::string& text) {
        auto n = tokenizer.count(text);
        if (!n.ok()) {
            status = n.error();
            return;
        }
        tokens += *n;
        texts.push_back(text);
    };
    const size_t n_questions = cloze.pairs.size() - cloze.n_held_out;
    for (size_t i = 0; i < n_questions; ++i) {
        add(cloze.pairs[cloze.n_held_out + i].paragraph + "\n\n");
    }
    const uint64_t wanted = options.sae_tokens;
    const uint64_t other_end = std::min<uint64_t>(wanted, tokens + wanted / 3);
    for (size_t i = 0; i < corpus.other.size() && tokens < other_end && status.ok(); ++i) {
        add(corpus.other[i] + "\n\n");
    }
    // Paragraphs are used in order, so those behind the last pair are new.
    for (size_t i = corpus.paragraphs.size(); i > cloze.pairs.size() && tokens < wanted; --i) {
        if (!status.ok()) break;
        add(corpus.paragraphs[i - 1] + "\n\n");
    }
    std::vector<uint32_t> order(texts.size());
    for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
    Rng rng(options.seed ^ 0x717u);
    rng.shuffle(order);
    MixedText mixed;
    mixed.at.resize(n_questions);
    for (uint32_t i = 0; i < order.size(); ++i) {
        mixed.texts.push_back(std::move(texts[order[i]]));
        if (order[i] < n_questions) mixed.at[order[i]] = i;
    }
    return mixed;
}

std::vector<float> unit_queries(const HalfRows& rows, const std::vector<float>& mean) {
    std::vector<float> out(rows.size() * rows.d());
    read_unit(rows, 0, rows.size(), mean, out.data());
    return out;
}

std::vector<float> joint_mean(const HalfRows& a, const HalfRows& b) {
    std::vector<float> mean_a = a.mean();
    const std::vector<float> mean_b = b.mean();
    const double share =
        static_cast<double>(b.size()) / std::max(1.0, static_cast<double>(a.size() + b.size()));
    for (size_t i = 0; i < mean_a.size(); ++i) {
        mean_a[i] = static_cast<float>((1 - share) * mean_a[i] + share * mean_b[i]);
    }
    return mean_a;
}

void describe_model(const ModelInfo& model, const TrainOptions& options, Adapter& adapter) {
    adapter.model_name = model.name;
    adapter.model_hash = model.file_hash;
    adapter.tokenizer_hash = model.tokenizer_hash;
    adapter.architecture = model.architecture;
    adapter.n_layer = model.n_layer;
    adapter.n_head = model.n_head;
    adapter.n_head_kv = model.n_head_kv;
    adapter.d_head = model.d_head;
    adapter.latents = options.latents;
    adapter.k = options.k;
}

std::string slot_name(const HeadKey& slot, size_t i, size_t n) {
    return "layer " + std::to_string(slot.layer) + ", KV head " + std::to_string(slot.head) + " (" +
           std::to_string(i + 1) + " of " + std::to_string(n) + ")";
}

RetrievalSet training_set(const TrainingRows& rows) {
    RetrievalSet set;
    for (uint32_t q = 0; q < rows.span_of.size(); ++q) {
        set.units.push_back(rows.text.spans[rows.span_of[q]]);
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
    Status status;
    MixedText mixed = mix_text(corpus, cloze, tokenizer, context.options, status);
    S3ATTN_CHECK(status);
    rows.span_of = std::move(mixed.at);
    S3ATTN_TRY(rows.text, tokenize_texts(tokenizer, mixed.texts));
    std::vector<std::string> questions;
    for (size_t i = cloze.n_held_out; i < cloze.pairs.size(); ++i) {
        questions.push_back(cloze.pairs[i].question);
    }
    S3ATTN_TRY(rows.questions, tokenize_texts(tokenizer, questions));
    for (const HeadKey& slot : chosen.slots) {
        HalfRows empty(context.scanner.info().d_head);
        empty.reserve(rows.text.ids.size());
        rows.keys.emplace(slot, std::move(empty));
    }
    S3ATTN_CHECK(capture_rows(context.scanner, rows.text, chosen.slots, Projection::kKey, rows.keys,
                              context.token_progress("scan corpus"), context.cancel));
    S3ATTN_CHECK(capture_rows(context.scanner, rows.questions, chosen.as_keys(), Projection::kQuery,
                              rows.queries, context.token_progress("scan questions"),
                              context.cancel));
    return rows;
}

Status fit_key_side(TrainContext& context, const ChosenHeads& chosen, const TrainingRows& rows,
                    const HeldOut& held_out, Adapter& adapter, TrainReport& report) {
    const TrainOptions& options = context.options;
    describe_model(context.scanner.info(), options, adapter);
    std::vector<float> activations;
    for (size_t i = 0; i < chosen.slots.size(); ++i) {
        const HeadKey key = chosen.slots[i];
        const HalfRows& keys = rows.keys.at(key);
        KeySlot slot;
        slot.layer = key.layer;
        slot.kv_head = key.head;
        slot.mean_key = keys.mean();
        SaeOptions sae;
        sae.latents = options.latents;
        sae.k = options.k;
        sae.steps = options.sae_steps;
        sae.seed = options.seed + i;
        const uint64_t before = static_cast<uint64_t>(i) * options.sae_steps;
        const uint64_t total = static_cast<uint64_t>(chosen.slots.size()) * options.sae_steps;
        const std::string name = slot_name(key, i, chosen.slots.size());
        S3ATTN_TRY(
            TrainedSae trained,
            train_sae(
                keys, slot.mean_key, sae, context.pool,
                [&](uint32_t step, uint32_t) {
                    context.sink.update({"train SAEs", name, before + step, total, "steps", 0});
                },
                context.cancel));
        slot.sae = std::move(trained.sae);
        slot.mean_activation = std::move(trained.mean_activation);
        activations.insert(activations.end(), trained.activation_sample.begin(),
                           trained.activation_sample.end());
        trained.report.layer = key.layer;
        trained.report.kv_head = key.head;
        report.saes.push_back(trained.report);
        adapter.slots.push_back(std::move(slot));
    }
    adapter.activation_scale = activation_scale_for(activations);
    round_to_stored_precision(adapter);
    for (const HeadKey& key : chosen.as_keys()) {
        QueryHead head;
        head.layer = key.layer;
        head.query_head = key.head;
        const HeadKey slot{key.layer, key.head / context.group()};
        head.slot =
            static_cast<uint32_t>(std::lower_bound(chosen.slots.begin(), chosen.slots.end(), slot) -
                                  chosen.slots.begin());
        head.mean_query = joint_mean(rows.queries.at(key), held_out.queries.at(key));
        head.mixture = 1.0f / static_cast<float>(chosen.heads.size());
        adapter.heads.push_back(std::move(head));
    }
    return {};
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

Result<QuerySide> fit_query_side(TrainContext& context, TrainingRows& rows, const HeldOut& held_out,
                                 Adapter& adapter) {
    const TrainOptions& options = context.options;
    const uint32_t threads = context.pool.size();
    const RetrievalSet held = held_out_set(adapter, held_out, threads);
    // The first half judges during training, the second half is reported and calibrates.
    const uint32_t n = static_cast<uint32_t>(held.questions.size());
    const uint32_t judged = std::min(n / 2, 300u);
    const std::vector<QueryHeadParams> untrained(adapter.heads.size(),
                                                 identity_params(adapter.d_head));
    QuerySide side;
    side.params = untrained;
    side.untrained = calibrate(held, untrained, judged, n, context.pool);
    side.trained = side.untrained;
    if (options.query_steps > 0) {
        RetrievalSet set = training_set(rows);
        set.d = adapter.d_head;
        for (uint32_t s = 0; s < adapter.slots.size(); ++s) {
            const HeadKey key{adapter.slots[s].layer, adapter.slots[s].kv_head};
            set.keys.push_back(rebuild_keys(adapter, s, rows.keys.at(key), threads));
            rows.keys.erase(key);
        }
        for (const QueryHead& head : adapter.heads) {
            set.heads.push_back(
                {head.slot,
                 unit_queries(rows.queries.at({head.layer, head.query_head}), head.mean_query)});
        }
        QueryTrainOptions train;
        train.steps = options.query_steps;
        train.seed = options.seed;
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

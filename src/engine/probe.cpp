#include "engine/probe.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "adapter/encoder.h"
#include "base/guarded.h"
#include "engine/chunk_coder.h"
#include "engine/fingerprint.h"
#include "engine/question_codes.h"
#include "engine/store_slot.h"
#include "model/finite_rows.h"
#include "retrieve/score.h"
#include "scan/open_scan.h"
#include "scan/shared_scanner.h"

namespace s3attn {
namespace {

using Heads = std::vector<std::pair<uint32_t, uint32_t>>;

Error wrong_argument(std::string subject, std::string message) {
    return make_error(ErrorCode::kInvalidArgument, to_string(ErrorCode::kInvalidArgument),
                      std::move(subject), std::move(message));
}

TokenizedText to_public(Tokens tokens) { return {std::move(tokens.ids), std::move(tokens.begin)}; }

class ProbeImpl final : public Probe {
  public:
    explicit ProbeImpl(ProbeParts parts)
        : parts_(std::move(parts)),
          fingerprint_(make_fingerprint(parts_.model, *parts_.adapter, parts_.chunk_tokens)) {
        const Adapter& adapter = *parts_.adapter;
        info_.model = parts_.model.name;
        info_.model_hash = parts_.model.file_hash;
        info_.architecture = parts_.model.architecture;
        info_.adapter = adapter.name;
        info_.n_layer = parts_.model.n_layer;
        info_.n_head = parts_.model.n_head;
        info_.n_head_kv = parts_.model.n_head_kv;
        info_.d_head = parts_.model.d_head;
        info_.chunk_tokens = parts_.chunk_tokens;
        info_.latents = adapter.latents;
        info_.k = adapter.k;
        info_.activation_scale = double{adapter.activation_scale};
        for (const KeySlot& slot : adapter.slots) info_.slots.push_back({slot.layer, slot.kv_head});
        for (const QueryHead& head : adapter.heads) {
            info_.heads.push_back({head.layer, head.query_head, head.slot, double{head.temperature},
                                   double{head.mixture}});
        }
    }

    const ProbeInfo& info() const override { return info_; }
    Result<TokenizedText> tokenize(std::string_view text, const CancelToken* cancel) override;
    Result<TextCodes> codes(std::string_view text, const CancelToken* cancel) override;
    Result<CapturedRows> keys(std::string_view text, const Heads& heads,
                              const CancelToken* cancel) override {
        return guarded([&] { return capture(text, heads, Projection::kKey, cancel); });
    }
    Result<CapturedRows> queries(std::string_view text, const Heads& heads,
                                 const CancelToken* cancel) override {
        return guarded([&] { return capture(text, heads, Projection::kQuery, cancel); });
    }
    Result<SparseCodes> encode(uint32_t slot, const std::vector<float>& rows) const override;
    Result<std::vector<float>> decode(uint32_t slot, const SparseCodes& codes) const override;
    Result<QuestionWeights> query_weights(const std::string& question,
                                          const CancelToken* cancel) override;
    Result<LaneScores> lane_scores(const Store& store, const std::string& question,
                                   const CancelToken* cancel) override;

  private:
    Result<std::shared_ptr<Scanner>> scanner(uint32_t deepest, const CancelToken* cancel);
    Status check_heads(const Heads& heads, Projection projection) const;
    Status check_slot(uint32_t slot) const;
    Result<CapturedRows> capture(std::string_view text, const Heads& heads, Projection projection,
                                 const CancelToken* cancel);

    const ProbeParts parts_;
    const Fingerprint fingerprint_;
    ProbeInfo info_;
    std::mutex mutex_;  // of what follows
    struct Opened {
        std::shared_ptr<Scanner> scanner;
        uint32_t deepest = 0;  // layer
    };
    Opened usual_, deep_;
    StoreSlot stores_;
    std::mutex coding_;  // of what follows; its tables take a while to make
    std::shared_ptr<Scanner> coder_scanner_;
    std::unique_ptr<ChunkCoder> coder_;
};

Result<std::shared_ptr<Scanner>> ProbeImpl::scanner(uint32_t deepest, const CancelToken* cancel) {
    const std::lock_guard lock(mutex_);
    const uint32_t known = parts_.adapter->deepest_layer();
    // Two, since a scanner of more layers may compute in another precision than `index` does.
    Opened& wanted = deepest <= known ? usual_ : deep_;
    deepest = std::max(deepest, known);
    if (wanted.scanner && wanted.deepest >= deepest) return wanted.scanner;
    S3ATTN_TRY(auto opened, parts_.open_scanner(deepest, cancel));
    S3ATTN_CHECK(check_adapter(opened->info(), *parts_.adapter));
    wanted = {std::make_shared<SharedScanner>(std::move(opened)), deepest};
    return wanted.scanner;
}

Status ProbeImpl::check_slot(uint32_t slot) const {
    if (slot < info_.slots.size()) return {};
    return wrong_argument("slot", "there is no slot " + std::to_string(slot) + ": adapter '" +
                                      info_.adapter + "' has " +
                                      std::to_string(info_.slots.size()));
}

Status ProbeImpl::check_heads(const Heads& heads, Projection projection) const {
    const bool keys = projection == Projection::kKey;
    const uint32_t n = keys ? info_.n_head_kv : info_.n_head;
    if (heads.empty()) return wrong_argument("heads", "no heads were named");
    for (const auto& [layer, head] : heads) {
        if (layer < info_.n_layer && head < n) continue;
        return wrong_argument(
            "heads", "'" + info_.model + "' has no " + (keys ? "KV" : "query") + " head " +
                         std::to_string(head) + " in layer " + std::to_string(layer) + ": it has " +
                         std::to_string(info_.n_layer) + " layers of " + std::to_string(n));
    }
    return {};
}

Result<TokenizedText> ProbeImpl::tokenize(std::string_view text, const CancelToken* cancel) {
    return guarded([&]() -> Result<TokenizedText> {
        S3ATTN_TRY(const auto scanner, this->scanner(0, cancel));
        S3ATTN_TRY(Tokens tokens, scanner->tokenizer().tokenize(text));
        return to_public(std::move(tokens));
    });
}

Result<TextCodes> ProbeImpl::codes(std::string_view text, const CancelToken* cancel) {
    return guarded([&]() -> Result<TextCodes> {
        S3ATTN_TRY(const auto scanner, this->scanner(0, cancel));
        S3ATTN_TRY(Tokens tokens, scanner->tokenizer().tokenize(text));
        const std::lock_guard one_at_a_time(coding_);
        if (!coder_ || coder_scanner_ != scanner) {
            coder_ = make_host_coder(*scanner, *parts_.adapter, parts_.threads);
            coder_scanner_ = scanner;
        }
        TextCodes out;
        out.codes.slots = static_cast<uint32_t>(parts_.adapter->slots.size());
        out.codes.k = parts_.adapter->k;
        const size_t chunk = scanner->chunk_tokens();
        for (size_t begin = 0; begin < tokens.ids.size(); begin += chunk) {
            S3ATTN_CHECK(check_cancelled(cancel));
            const size_t count = std::min(chunk, tokens.ids.size() - begin);
            const Status submitted = coder_->submit({tokens.ids.data() + begin, count});
            if (!submitted.ok()) coder_.reset();  // it may hold codes of what was given up
            S3ATTN_CHECK(submitted);
            S3ATTN_TRY(const CodeBatch* batch, coder_->take(true));
            out.codes.rows += batch->n_tokens;
            auto& feature = out.codes.feature;
            feature.insert(feature.end(), batch->feature.begin(), batch->feature.end());
            auto& activation = out.codes.activation;
            activation.insert(activation.end(), batch->activation.begin(), batch->activation.end());
        }
        out.text = to_public(std::move(tokens));
        return out;
    });
}

Result<CapturedRows> ProbeImpl::capture(std::string_view text, const Heads& heads,
                                        Projection projection, const CancelToken* cancel) {
    S3ATTN_CHECK(check_heads(heads, projection));
    std::map<uint32_t, std::vector<size_t>> of_layer;
    for (size_t h = 0; h < heads.size(); ++h) of_layer[heads[h].first].push_back(h);
    std::vector<uint32_t> layers;
    for (const auto& entry : of_layer) layers.push_back(entry.first);
    S3ATTN_TRY(const auto scanner, this->scanner(layers.back(), cancel));
    S3ATTN_TRY(Tokens tokens, scanner->tokenizer().tokenize(text));
    CapturedRows out;
    out.heads = heads;
    out.d_head = info_.d_head;
    const size_t n = tokens.ids.size(), d = out.d_head, chunk = scanner->chunk_tokens();
    out.rows.resize(heads.size() * n * d);
    for (size_t begin = 0; begin < n; begin += chunk) {
        const auto copy = [&](const ProjectionView& view) -> Status {
            for (const size_t h : of_layer[view.layer]) {
                S3ATTN_CHECK(check_finite(view, heads[h].second));
                for (size_t t = 0; t < view.n_tokens; ++t) {
                    const float* row = view.data + t * view.token_stride +
                                       size_t{heads[h].second} * view.head_stride;
                    std::copy(row, row + d, &out.rows[(h * n + begin + t) * d]);
                }
            }
            return {};
        };
        S3ATTN_CHECK(scanner->capture({tokens.ids.data() + begin, std::min(chunk, n - begin)},
                                      layers, projection, copy, cancel));
    }
    out.text = to_public(std::move(tokens));
    return out;
}

Result<SparseCodes> ProbeImpl::encode(uint32_t slot, const std::vector<float>& rows) const {
    return guarded([&]() -> Result<SparseCodes> {
        S3ATTN_CHECK(check_slot(slot));
        const Adapter& adapter = *parts_.adapter;
        if (rows.size() % adapter.d_head != 0) {
            return wrong_argument("rows",
                                  "keys have " + std::to_string(adapter.d_head) + " numbers each");
        }
        CodeBatch all;
        all.n_tokens = static_cast<uint32_t>(rows.size() / adapter.d_head);
        all.n_slots = static_cast<uint32_t>(adapter.slots.size());
        all.k = adapter.k;
        all.feature.assign(size_t{all.n_tokens} * all.n_slots * all.k, 0);
        all.activation.assign(all.feature.size(), 0);
        KeyEncoder encoder(adapter, parts_.threads);
        encoder.encode(slot, {rows.data(), all.n_tokens, adapter.d_head, adapter.d_head}, all);
        SparseCodes out;
        out.rows = all.n_tokens;
        out.slots = 1;
        out.k = all.k;
        for (size_t t = 0; t < all.n_tokens; ++t) {
            const size_t at = (t * all.n_slots + slot) * all.k;
            out.feature.insert(out.feature.end(), &all.feature[at], &all.feature[at] + all.k);
            out.activation.insert(out.activation.end(), &all.activation[at],
                                  &all.activation[at] + all.k);
        }
        return out;
    });
}

Result<std::vector<float>> ProbeImpl::decode(uint32_t slot, const SparseCodes& codes) const {
    return guarded([&]() -> Result<std::vector<float>> {
        S3ATTN_CHECK(check_slot(slot));
        const SparseAutoencoder& sae = parts_.adapter->slots[slot].sae;
        const size_t entries = size_t{codes.rows} * codes.k;
        if (codes.slots != 1 || codes.feature.size() != entries ||
            codes.activation.size() != entries) {
            return wrong_argument("codes", "codes of one slot are [rows][k] of both arrays");
        }
        std::vector<float> out(size_t{codes.rows} * sae.d_in);
        for (size_t i = 0; i < entries; ++i) {
            if (codes.feature[i] >= sae.latents) {
                return wrong_argument("codes", "there is no feature " +
                                                   std::to_string(codes.feature[i]) + " of " +
                                                   std::to_string(sae.latents));
            }
            const float a = codes.activation[i] * parts_.adapter->activation_scale;
            const float* decoder = &sae.w_dec[size_t{codes.feature[i]} * sae.d_in];
            float* to = &out[i / codes.k * sae.d_in];
            for (size_t d = 0; d < sae.d_in; ++d) to[d] += a * decoder[d];
        }
        return out;
    });
}

Result<QuestionWeights> ProbeImpl::query_weights(const std::string& question,
                                                 const CancelToken* cancel) {
    return guarded([&]() -> Result<QuestionWeights> {
        S3ATTN_TRY(const auto scanner, this->scanner(0, cancel));
        S3ATTN_TRY(Tokens tokens, question_tokens(scanner->tokenizer(), question));
        S3ATTN_TRY(const QuestionCodes codes, QuestionCodes::make(*scanner, *parts_.adapter, tokens,
                                                                  Scoring::kAttention, cancel));
        QuestionWeights out;
        out.heads = static_cast<uint32_t>(info_.heads.size());
        out.latents = info_.latents;
        const size_t n = tokens.ids.size();
        out.weight.resize(size_t{out.heads} * out.latents * n);
        out.share.resize(size_t{out.heads} * n);
        for (uint32_t b = 0; b < codes.n_blocks(); ++b) {
            const QueryCodes block = codes.block(b);
            const size_t first = size_t{b} * kQuestionBlock, count = block.n_tokens;
            for (size_t h = 0; h < out.heads; ++h) {
                const QueryCodes::Head& head = block.heads[h];
                std::copy(head.token_share.begin(), head.token_share.end(),
                          &out.share[h * n + first]);
                for (size_t f = 0; f < out.latents; ++f) {
                    std::copy_n(&head.weight[f * count], count,
                                &out.weight[(h * out.latents + f) * n + first]);
                }
            }
        }
        out.text = to_public(std::move(tokens));
        return out;
    });
}

// One block of the question's tokens, whose lanes are [first, first + count) of each head's.
void add_lanes(const S3Scores& scores, const std::vector<float>& lanes, size_t first, size_t count,
               LaneScores& out) {
    const size_t n = out.text.ids.size(), heads = out.heads, units = out.units.size();
    for (size_t h = 0; h < heads; ++h) {
        std::copy_n(&scores.log_total[h * count], count, &out.log_total[h * n + first]);
        for (size_t u = 0; u < units; ++u) {
            std::copy_n(&lanes[(u * heads + h) * count], count,
                        &out.score[(u * heads + h) * n + first]);
        }
    }
    for (size_t u = 0; u < units; ++u) out.mass[u] += scores.mass[u];
}

Result<LaneScores> ProbeImpl::lane_scores(const Store& store, const std::string& question,
                                          const CancelToken* cancel) {
    return guarded([&]() -> Result<LaneScores> {
        S3ATTN_TRY(const auto snapshot,
                   stores_.get(store.directory(), fingerprint_, *parts_.adapter));
        S3ATTN_TRY(const auto scanner, this->scanner(0, cancel));
        S3ATTN_TRY(Tokens tokens, question_tokens(scanner->tokenizer(), question));
        S3ATTN_TRY(const QuestionCodes codes, QuestionCodes::make(*scanner, *parts_.adapter, tokens,
                                                                  Scoring::kAttention, cancel));
        LaneScores out;
        out.heads = static_cast<uint32_t>(info_.heads.size());
        S3ATTN_TRY(const std::vector<UnitPlace> places, snapshot->store->places());
        for (const UnitPlace& place : places) {
            out.units.push_back(place.unit_id);
            out.documents.push_back(place.doc_id);
            out.begin.push_back(place.byte_begin);
            out.end.push_back(place.byte_end);
        }
        out.text = to_public(std::move(tokens));
        const size_t lanes = out.heads * out.text.ids.size();
        out.score.resize(out.units.size() * lanes);
        out.log_total.resize(lanes);
        out.mass.resize(out.units.size());
        if (out.units.empty()) return out;
        for (uint32_t b = 0; b < codes.n_blocks(); ++b) {
            const QueryCodes block = codes.block(b);
            std::vector<float> of_block;
            ScoreOptions how;
            how.threads = parts_.threads;
            how.cache = &snapshot->cache;
            how.cancel = cancel;
            how.lane_scores = &of_block;
            S3ATTN_TRY(const S3Scores scores, score_attention(*snapshot->store, block, how));
            add_lanes(scores, of_block, size_t{b} * kQuestionBlock, block.n_tokens, out);
        }
        return out;
    });
}

}  // namespace

std::unique_ptr<Probe> make_probe(ProbeParts parts) {
    return std::make_unique<ProbeImpl>(std::move(parts));
}

}  // namespace s3attn

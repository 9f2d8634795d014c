// Stages of the pipeline up to the choice of heads.
#include <algorithm>
#include <set>

#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

constexpr uint32_t kMinPairs = 100, kMaxHeldOut = 1000;
constexpr double kHeldOutShare = 0.4;
constexpr uint64_t kSelectionBytes = 800u << 20;  // rows of one group of layers
constexpr uint32_t kFirstQuestions = 150, kQuestions = 400;

std::vector<std::string> questions_of(const ClozeSplit& cloze, uint32_t n) {
    std::vector<std::string> out;
    for (uint32_t i = 0; i < n; ++i) out.push_back(cloze.pairs[i].question);
    return out;
}

std::vector<std::string> paragraphs_of(const ClozeSplit& cloze, uint32_t n) {
    std::vector<std::string> out;
    for (uint32_t i = 0; i < n; ++i) out.push_back(cloze.pairs[i].paragraph + "\n\n");
    return out;
}

TokenText first_spans(const TokenText& text, size_t n) {
    TokenText out;
    out.spans.assign(text.spans.begin(),
                     text.spans.begin() + static_cast<ptrdiff_t>(std::min(n, text.spans.size())));
    const uint32_t end = out.spans.empty() ? 0 : out.spans.back().end;
    out.ids.assign(text.ids.begin(), text.ids.begin() + end);
    return out;
}

// Query heads that may be chosen.
std::vector<HeadKey> candidates(const TrainContext& context) {
    std::set<HeadKey> heads;
    for (const HeadId& id : context.options.heads) heads.insert({id.layer, id.query_head});
    if (heads.empty()) {
        const uint32_t deepest = deepest_wanted_layer(context.options, context.scanner.info());
        for (uint32_t layer = 0; layer <= deepest; ++layer) {
            for (uint32_t h = 0; h < context.scanner.info().n_head; ++h) heads.insert({layer, h});
        }
    }
    return {heads.begin(), heads.end()};
}

std::vector<HeadKey> kv_heads_of(const std::vector<HeadKey>& heads, uint32_t group) {
    std::set<HeadKey> keys;
    for (const HeadKey& head : heads) keys.insert({head.layer, head.head / group});
    return {keys.begin(), keys.end()};
}

// Consecutive heads whose rows fit into memory together; a layer is never split.
std::vector<std::vector<HeadKey>> layer_groups(const TrainContext& context,
                                               const std::vector<HeadKey>& heads,
                                               uint64_t key_tokens, uint64_t query_tokens) {
    const ModelInfo& model = context.scanner.info();
    const uint64_t per_layer =
        2ull * model.d_head * (key_tokens * model.n_head_kv + query_tokens * model.n_head);
    const uint64_t layers =
        std::max<uint64_t>(1, kSelectionBytes / std::max<uint64_t>(1, per_layer));
    std::vector<std::vector<HeadKey>> groups;
    std::set<uint32_t> in_group;
    for (const HeadKey& head : heads) {
        const bool new_layer = !in_group.contains(head.layer);
        if (groups.empty() || (new_layer && in_group.size() == layers)) {
            groups.emplace_back();
            in_group.clear();
        }
        in_group.insert(head.layer);
        groups.back().push_back(head);
    }
    return groups;
}

void merge(Selection& all, Selection part) {
    all.paragraphs = part.paragraphs;
    all.questions = part.questions;
    all.dead.insert(all.dead.end(), part.dead.begin(), part.dead.end());
    all.ranking.insert(all.ranking.end(), part.ranking.begin(), part.ranking.end());
    std::stable_sort(all.ranking.begin(), all.ranking.end(),
                     [](const HeadReport& a, const HeadReport& b) {
                         return a.recall_at_5 + a.recall_at_10 + a.recall_at_20 >
                                b.recall_at_5 + b.recall_at_10 + b.recall_at_20;
                     });
}

Result<Selection> select_all(TrainContext& context, HeldOut& held_out, RowStore& keys,
                             RowStore& queries) {
    const TokenText questions = first_spans(held_out.questions, kQuestions);
    const std::vector<HeadKey> heads = candidates(context);
    const auto groups =
        layer_groups(context, heads, held_out.paragraphs.ids.size(), questions.ids.size());
    Selection all;
    for (size_t g = 0; g < groups.size(); ++g) {
        keys.clear();
        queries.clear();
        const std::string item = groups.size() == 1
                                     ? std::string()
                                     : "layers up to " + std::to_string(groups[g].back().layer);
        S3ATTN_CHECK(capture_rows(context.scanner, held_out.paragraphs,
                                  kv_heads_of(groups[g], context.group()), Projection::kKey, keys,
                                  context.token_progress("scan for head selection", item),
                                  context.cancel));
        S3ATTN_CHECK(capture_rows(context.scanner, questions, groups[g], Projection::kQuery,
                                  queries, context.token_progress("scan cloze questions", item),
                                  context.cancel));
        const ModelInfo& model = context.scanner.info();
        const SelectionInput input{&held_out.paragraphs, &questions,     &keys, &queries,
                                   model.n_head,         model.n_head_kv};
        const uint32_t finalists = std::max(24u, 3 * context.options.n_heads);
        S3ATTN_TRY(Selection part,
                   rank_heads(
                       input, kFirstQuestions, finalists, context.pool,
                       [&](uint64_t done, uint64_t total) {
                           context.sink.update({"rank heads", item, done, total, "heads", 0});
                       },
                       context.cancel));
        merge(all, std::move(part));
    }
    if (groups.size() > 1) keys.clear();  // the chosen heads' rows are captured again
    return all;
}

Status refuse_dead(const TrainContext& context, const Selection& selection) {
    std::string names;
    for (const HeadId& id : selection.dead) {
        names += " (" + std::to_string(id.layer) + "," + std::to_string(id.query_head) + ")";
    }
    if (names.empty()) return {};
    if (context.options.heads.empty()) {
        context.sink.note("heads with constant or non-finite keys or queries, passed over:" +
                          names);
        return {};
    }
    return make_error(ErrorCode::kUnsupported,
                      "these heads cannot retrieve, their keys or queries do not vary:" + names +
                          "; leave the heads out and they are chosen by inverse cloze");
}

}  // namespace

OnTokens TrainContext::token_progress(const std::string& stage, const std::string& item) const {
    return [this, stage, item, watch = Stopwatch()](uint64_t done, uint64_t total) {
        const double rate = static_cast<double>(done) / std::max(1e-9, watch.seconds());
        sink.update({stage, item, done, total, "tokens", rate});
    };
}

std::vector<HeadKey> ChosenHeads::as_keys() const {
    std::vector<HeadKey> keys;
    for (const HeadId& id : heads) keys.push_back({id.layer, id.query_head});
    return keys;
}

Result<ClozeSplit> split_cloze(const Corpus& corpus, const TrainOptions& options) {
    ClozeSplit cloze;
    cloze.pairs = make_cloze_pairs(corpus.paragraphs, options.cloze_pairs, options.seed);
    if (cloze.pairs.size() < kMinPairs) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the corpus is too small: " + std::to_string(corpus.files.size()) +
                              " files gave " + std::to_string(corpus.paragraphs.size()) +
                              " paragraphs of prose (45 to 220 words), " +
                              std::to_string(cloze.pairs.size()) +
                              " of them with three sentences or more; at least " +
                              std::to_string(kMinPairs) + " are needed, some thousand are good");
    }
    cloze.n_held_out =
        std::min(kMaxHeldOut,
                 static_cast<uint32_t>(kHeldOutShare * static_cast<double>(cloze.pairs.size())));
    return cloze;
}

Result<ChosenHeads> choose_heads(TrainContext& context, const ClozeSplit& cloze,
                                 HeldOut& held_out) {
    const Tokenizer& tokenizer = context.scanner.tokenizer();
    S3ATTN_TRY(held_out.paragraphs,
               tokenize_texts(tokenizer, paragraphs_of(cloze, cloze.n_held_out)));
    S3ATTN_TRY(held_out.questions,
               tokenize_texts(tokenizer, questions_of(cloze, cloze.n_held_out)));
    ChosenHeads chosen;
    RowStore keys, queries;
    S3ATTN_TRY(chosen.selection, select_all(context, held_out, keys, queries));
    S3ATTN_CHECK(refuse_dead(context, chosen.selection));
    S3ATTN_CHECK(check_better_than_chance(chosen.selection));
    const size_t n =
        context.options.heads.empty() ? context.options.n_heads : context.options.heads.size();
    for (const HeadReport& report : chosen.selection.ranking) {
        if (chosen.heads.size() < n) chosen.heads.push_back(report.head);
    }
    chosen.slots = kv_heads_of(chosen.as_keys(), context.group());
    for (const HeadKey& slot : chosen.slots) {
        if (const auto it = keys.find(slot); it != keys.end()) {
            held_out.keys.emplace(slot, std::move(it->second));
        }
    }
    if (held_out.keys.empty()) {
        S3ATTN_CHECK(capture_rows(
            context.scanner, held_out.paragraphs, chosen.slots, Projection::kKey, held_out.keys,
            context.token_progress("scan held-out paragraphs"), context.cancel));
    }
    S3ATTN_CHECK(capture_rows(context.scanner, held_out.questions, chosen.as_keys(),
                              Projection::kQuery, held_out.queries,
                              context.token_progress("scan held-out questions"), context.cancel));
    return chosen;
}

}  // namespace s3attn

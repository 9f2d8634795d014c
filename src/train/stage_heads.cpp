// Stages of the pipeline up to the choice of heads.
#include <algorithm>
#include <set>
#include <tuple>

#include "base/files.h"
#include "s3attn/reason.h"
#include "train/head_plan.h"
#include "train/heat_map.h"
#include "train/pipeline_parts.h"

namespace s3attn {
namespace {

constexpr uint32_t kMaxHeldOut = 1000;
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

uint32_t heads_wanted(const TrainOptions& options) {
    return options.heads.empty() ? options.n_heads : static_cast<uint32_t>(options.heads.size());
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
    all.masses.merge(part.masses);
    sort_best_first(all.ranking);
}

void write_heads(const std::vector<HeadId>& heads, ByteWriter& out) {
    out.number(static_cast<uint32_t>(heads.size()));
    for (const HeadId& head : heads) {
        out.number(head.layer);
        out.number(head.query_head);
    }
}

std::vector<HeadId> read_heads(ByteReader& in) {
    std::vector<HeadId> heads;
    for (auto n = in.number<uint32_t>(); n > 0 && in.ok(); --n) {
        const auto layer = in.number<uint32_t>();
        heads.push_back({layer, in.number<uint32_t>()});
    }
    return heads;
}

std::string to_bytes(const Selection& selection, uint32_t groups_done) {
    ByteWriter out;
    out.number(groups_done);
    out.number(selection.paragraphs);
    out.number(selection.questions);
    out.number(static_cast<uint32_t>(selection.ranking.size()));
    for (const HeadReport& r : selection.ranking) {
        write_heads({r.head}, out);
        for (double v : {r.recall_at_5, r.recall_at_10, r.recall_at_20}) out.number(v);
        out.number(r.questions);
    }
    out.number(static_cast<uint32_t>(selection.dead.size()));
    for (const DeadHead& dead : selection.dead) {
        write_heads({dead.head}, out);
        out.text(dead.why);
    }
    out.number(static_cast<uint32_t>(selection.trade_off.size()));
    for (const StopLayerReport& stop : selection.trade_off) {
        out.number(stop.layer);
        write_heads(stop.heads, out);
        for (double v :
             {stop.recall_at_5, stop.recall_at_10, stop.recall_at_20, stop.share_scanned}) {
            out.number(v);
        }
    }
    out.number(static_cast<uint32_t>(selection.masses.size()));
    for (const auto& [key, masses] : selection.masses) {
        write_heads({{key.layer, key.head}}, out);
        out.numbers(masses);
    }
    return out.bytes();
}

HeadId read_head(ByteReader& in) {
    const std::vector<HeadId> heads = read_heads(in);
    return heads.size() == 1 ? heads[0] : HeadId{};
}

std::optional<std::pair<Selection, uint32_t>> from_bytes(std::string_view bytes) {
    ByteReader in(bytes);
    Selection selection;
    const auto groups_done = in.number<uint32_t>();
    selection.paragraphs = in.number<uint32_t>();
    selection.questions = in.number<uint32_t>();
    for (auto n = in.number<uint32_t>(); n > 0 && in.ok(); --n) {
        HeadReport r{read_head(in), 0, 0, 0, 0};
        for (double* v : {&r.recall_at_5, &r.recall_at_10, &r.recall_at_20}) {
            *v = in.number<double>();
        }
        r.questions = in.number<uint32_t>();
        selection.ranking.push_back(r);
    }
    for (auto n = in.number<uint32_t>(); n > 0 && in.ok(); --n) {
        const HeadId head = read_head(in);
        selection.dead.push_back({head, in.text()});
    }
    for (auto n = in.number<uint32_t>(); n > 0 && in.ok(); --n) {
        StopLayerReport stop;
        stop.layer = in.number<uint32_t>();
        stop.heads = read_heads(in);
        for (double* v :
             {&stop.recall_at_5, &stop.recall_at_10, &stop.recall_at_20, &stop.share_scanned}) {
            *v = in.number<double>();
        }
        selection.trade_off.push_back(std::move(stop));
    }
    for (auto n = in.number<uint32_t>(); n > 0 && in.ok(); --n) {
        const HeadId head = read_head(in);
        selection.masses[{head.layer, head.query_head}] = in.numbers<float>();
    }
    if (!in.ok()) return std::nullopt;
    return std::pair(std::move(selection), groups_done);
}

// Ranks the heads of one group of layers and adds them to `all`.
Status select_group(TrainContext& context, const HeldOut& held_out, const TokenText& questions,
                    const std::vector<HeadKey>& heads, const std::string& item, RowStore& keys,
                    RowStore& queries, Selection& all) {
    S3ATTN_CHECK(capture_rows(
        context.scanner, held_out.paragraphs, kv_heads_of(heads, context.group()), Projection::kKey,
        keys, context.token_progress("scan for head selection", item), context.cancel));
    S3ATTN_CHECK(capture_rows(context.scanner, questions, heads, Projection::kQuery, queries,
                              context.token_progress("scan cloze questions", item),
                              context.cancel));
    const ModelInfo& model = context.scanner.info();
    const SelectionInput input{&held_out.paragraphs, &questions,     &keys, &queries,
                               model.n_head,         model.n_head_kv};
    S3ATTN_TRY(
        Selection part,
        rank_heads(
            input, kFirstQuestions, std::max(24u, 3 * heads_wanted(context.options)), context.pool,
            [&](uint64_t done, uint64_t total) {
                context.sink.update({"rank heads", item, done, total, "heads", 0});
            },
            context.cancel));
    merge(all, std::move(part));
    add_trade_off(all, heads.front().layer, heads.back().layer, heads_wanted(context.options),
                  model.n_layer);
    return {};
}

Result<Selection> select_all(TrainContext& context, HeldOut& held_out, RowStore& keys) {
    const TokenText questions = first_spans(held_out.questions, kQuestions);
    const std::vector<HeadKey> heads = candidates(context);
    const auto groups =
        layer_groups(context, heads, held_out.paragraphs.ids.size(), questions.ids.size());
    Origin origin = context.origin();
    origin.emplace_back("heads", std::to_string(heads_wanted(context.options)));
    std::string names;
    for (const HeadKey& head : heads) names += name_of(head) + " ";
    origin.emplace_back("candidates", std::to_string(heads.size()) + ", " + hash_bytes(names));
    origin.emplace_back("paragraphs", hash_of(held_out.paragraphs));
    origin.emplace_back("questions", hash_of(questions));
    Selection all;
    uint32_t done = 0;
    if (const auto bytes = context.checkpoints.load("selection", origin)) {
        if (auto earlier = from_bytes(*bytes)) std::tie(all, done) = std::move(*earlier);
    }
    for (uint32_t g = done; g < groups.size(); ++g) {
        keys.clear();
        RowStore queries;
        const std::string item = groups.size() == 1
                                     ? std::string()
                                     : "layers up to " + std::to_string(groups[g].back().layer);
        S3ATTN_CHECK(
            select_group(context, held_out, questions, groups[g], item, keys, queries, all));
        S3ATTN_CHECK(context.checkpoints.save("selection", origin, to_bytes(all, g + 1)));
    }
    if (groups.size() > 1) keys.clear();  // the chosen heads' rows are captured again
    all.masses.clear();
    return all;
}

std::string first_names(const std::vector<DeadHead>& dead) {
    std::string names;
    for (const DeadHead& one : dead) {
        names += "\n  head (" + std::to_string(one.head.layer) + "," +
                 std::to_string(one.head.query_head) + "): its " + one.why;
    }
    return names;
}

Status refuse_dead(const TrainContext& context, const Selection& selection) {
    if (selection.dead.empty()) return {};
    const std::string names = first_names(selection.dead);
    if (context.options.heads.empty() && !selection.ranking.empty()) {
        context.sink.note("heads that cannot retrieve, passed over:" + names);
        return {};
    }
    return make_error(ErrorCode::kUnsupported, reason::kOption, "heads",
                      "these heads cannot retrieve:" + names +
                          "\nleave them out; with none named, heads are chosen by inverse cloze");
}

std::string too_small(const Corpus& corpus, const ClozeSplit& cloze) {
    uint64_t bytes = 0;
    for (const CorpusFile& file : corpus.files) bytes += file.bytes;
    const auto number = [](uint64_t n) { return std::to_string(n); };
    const std::string found =
        number(corpus.files.size()) + " file(s) of " + number(bytes) + " bytes gave " +
        number(corpus.paragraphs.size()) + " paragraphs of prose (45 to 220 words), " +
        number(cloze.pairs.size()) + " of them with three sentences and one of 7 to 30 words";
    return "the corpus is too small: " + found + "; at least " + number(kFewestPairs) +
           " such paragraphs are needed (" + number(kFewestPairs - cloze.pairs.size()) +
           " are missing), some thousand are good: add plain text in the language that the model "
           "knows";
}

// The layer below which heads may be chosen, under the cost model of the options.
uint32_t deepest_chosen(const TrainContext& context, const Selection& selection) {
    if (context.options.heads.empty() && context.options.choice == HeadChoice::kPerLayer) {
        return best_layer_per_cost(selection.trade_off);
    }
    return deepest_wanted_layer(context.options, context.scanner.info());
}

Status draw_heat_map(const TrainContext& context, const ChosenHeads& chosen) {
    if (!context.checkpoints.enabled()) return {};
    return write_file_atomic(context.checkpoints.directory() + "/heads.svg",
                             heads_svg(context.scanner.info().name, chosen.selection.ranking,
                                       chosen.selection.dead, chosen.heads));
}

}  // namespace

std::vector<HeadKey> ChosenHeads::as_keys() const {
    std::vector<HeadKey> keys;
    for (const HeadId& id : heads) keys.push_back({id.layer, id.query_head});
    return keys;
}

Result<ClozeSplit> split_cloze(const Corpus& corpus, const TrainOptions& options) {
    ClozeSplit cloze;
    cloze.pairs = make_cloze_pairs(corpus.paragraphs, options.cloze_pairs, options.seed);
    if (cloze.pairs.size() < kFewestPairs) {
        return make_error(ErrorCode::kInvalidArgument, too_small(corpus, cloze));
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
    RowStore keys;
    S3ATTN_TRY(chosen.selection, select_all(context, held_out, keys));
    S3ATTN_CHECK(refuse_dead(context, chosen.selection));
    chosen.deepest = deepest_chosen(context, chosen.selection);
    const Status retrieves = check_better_than_chance(chosen.selection);
    if (retrieves.ok()) {
        chosen.heads =
            best_heads(chosen.selection.ranking, chosen.deepest, heads_wanted(context.options));
    }
    S3ATTN_CHECK(draw_heat_map(context, chosen));
    S3ATTN_CHECK(retrieves);
    if (chosen.heads.size() < heads_wanted(context.options)) {
        context.sink.note("warning: " + std::to_string(heads_wanted(context.options)) +
                          " heads were asked for and " + std::to_string(chosen.heads.size()) +
                          " are there at layer " + std::to_string(chosen.deepest) +
                          " or before it");
    }
    chosen.slots = kv_heads_of(chosen.as_keys(), context.group());
    for (const HeadKey& slot : chosen.slots) {
        if (const auto it = keys.find(slot); it != keys.end()) {
            held_out.keys.emplace(slot, std::move(it->second));
        }
    }
    keys.clear();
    S3ATTN_CHECK(context.rows_of(held_out.paragraphs, chosen.slots, Projection::kKey,
                                 {"scan held-out paragraphs", "held-out-keys"}, held_out.keys));
    S3ATTN_CHECK(context.rows_of(held_out.questions, chosen.as_keys(), Projection::kQuery,
                                 {"scan held-out questions", "held-out-queries"},
                                 held_out.queries));
    return chosen;
}

}  // namespace s3attn

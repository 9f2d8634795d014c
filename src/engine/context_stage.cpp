#include "engine/context_stage.h"

#include <algorithm>

#include "base/timing.h"
#include "retrieve/rerank.h"

namespace s3attn {
namespace {

constexpr size_t kMaxLinks = 256;

// Largest attention of each question token on each unit, over the mean of the heads' rows.
void find_links(const UnitContext& context, const std::vector<double>& mean_rows,
                const std::vector<Tokens>& unit_tokens, ContextReading& reading) {
    const size_t columns = context.tokens.size(), rows = columns - context.first_row;
    for (size_t r = 0; r < rows; ++r) {
        const double* row = mean_rows.data() + r * columns;
        for (size_t u = 0; u < context.units(); ++u) {
            const double* begin = row + context.unit_begin[u];
            const double* best = std::max_element(begin, row + context.unit_begin[u + 1]);
            const auto token = static_cast<size_t>(best - begin);
            const std::vector<uint64_t>& bytes = unit_tokens[u].begin;
            if (token + 1 >= bytes.size()) continue;  // the empty line between units
            reading.links.push_back({static_cast<uint32_t>(r), static_cast<uint32_t>(u),
                                     bytes[token], bytes[token + 1], *best});
        }
    }
    std::stable_sort(reading.links.begin(), reading.links.end(),
                     [](const ContextLink& a, const ContextLink& b) { return a.mass > b.mass; });
    if (reading.links.size() > kMaxLinks) reading.links.resize(kMaxLinks);
}

}  // namespace

double ContextStage::seconds_for(uint64_t tokens) const {
    const std::lock_guard lock(measured_mutex_);
    return measured_.value_or(parts_.seconds_per_token) * static_cast<double>(tokens);
}

Result<ContextReading> ContextStage::read(const std::string& question,
                                          const std::vector<std::string>& units,
                                          std::span<const double> first_scores, bool with_links,
                                          const CancelToken* cancel, ProgressSink* sink) {
    if (units.size() != first_scores.size()) {
        return make_error(ErrorCode::kInvalidArgument, "as many scores as units are needed");
    }
    const std::lock_guard lock(model_mutex_);
    if (!model_) {
        S3ATTN_TRY(model_, parts_.open(sink));
    }
    const Stopwatch watch;
    S3ATTN_TRY(const UnitContext context, lay_out_units(*model_, units, question));
    std::vector<ContextHead> heads;
    for (const ContextHeads::Head& head : parts_.heads.heads) {
        heads.push_back({head.layer, head.query_head});
    }
    std::vector<double> mean_rows;
    OnHeadRows on_rows;
    if (with_links) {
        on_rows = [&](size_t, const std::vector<float>& rows) {
            mean_rows.resize(rows.size());
            for (size_t i = 0; i < rows.size(); ++i) {
                mean_rows[i] += rows[i] / static_cast<double>(heads.size());
            }
        };
    }
    S3ATTN_TRY(const auto spread,
               read_units(*model_, context, heads, parts_.threads, cancel, on_rows));
    ContextReading reading;
    std::vector<std::vector<double>> attention;
    reading.attention.resize(context.units());
    for (const UnitAttentions& head : spread) {
        attention.push_back(parts_.heads.share ? head.share : head.raw);
        for (size_t u = 0; u < context.units(); ++u) {
            reading.attention[u] += head.share[u] / static_cast<double>(spread.size());
        }
    }
    reading.scores = second_stage_scores(first_scores.first(context.units()), attention,
                                         parts_.heads.first_weight);
    reading.tokens = static_cast<uint32_t>(context.tokens.size());
    if (with_links) {
        std::vector<Tokens> unit_tokens;
        for (size_t u = 0; u < context.units(); ++u) {
            S3ATTN_TRY(Tokens tokens, model_->tokenizer().tokenize(units[u]));
            unit_tokens.push_back(std::move(tokens));
        }
        S3ATTN_TRY(const Tokens asked, model_->tokenizer().tokenize(question));
        for (size_t i = 0; i < asked.ids.size(); ++i) {
            reading.question_tokens.push_back(
                question.substr(asked.begin[i], asked.begin[i + 1] - asked.begin[i]));
        }
        find_links(context, mean_rows, unit_tokens, reading);
    }
    reading.milliseconds = watch.milliseconds();
    const std::lock_guard measured(measured_mutex_);
    measured_ = reading.milliseconds / 1e3 / std::max(1u, reading.tokens);
    return reading;
}

}  // namespace s3attn

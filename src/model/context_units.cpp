#include "model/context_units.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "base/parallel.h"

namespace s3attn {
namespace {

constexpr const char* kBetweenUnits = "\n\n";
constexpr const char* kBeforeQuestion = "Question: ";

void append(std::vector<int32_t>& to, const std::vector<int32_t>& ids) {
    to.insert(to.end(), ids.begin(), ids.end());
}

}  // namespace

Result<UnitContext> lay_out_units(const ContextModel& model, const std::vector<std::string>& units,
                                  const std::string& question) {
    // Piece by piece, so that a unit's tokens do not depend on its neighbours.
    const Tokenizer& tokenizer = model.tokenizer();
    S3ATTN_TRY(const Tokens before, tokenizer.tokenize(kBeforeQuestion));
    S3ATTN_TRY(const Tokens asked, tokenizer.tokenize(question));
    const size_t behind = before.ids.size() + asked.ids.size();
    if (asked.ids.empty() || asked.ids.size() > model.row_tokens() ||
        behind >= model.context_tokens()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "a question of " + std::to_string(asked.ids.size()) +
                              " tokens cannot be read in context: its model takes 1 to " +
                              std::to_string(model.row_tokens()));
    }
    const size_t room = model.context_tokens() - behind;
    UnitContext context;
    context.unit_begin.push_back(0);
    for (const std::string& unit : units) {
        S3ATTN_TRY(Tokens tokens, tokenizer.tokenize(unit + kBetweenUnits));
        if (context.units() == 0 && tokens.ids.size() > room) tokens.ids.resize(room);
        if (context.tokens.size() + tokens.ids.size() > room) break;
        append(context.tokens, tokens.ids);
        context.unit_begin.push_back(static_cast<uint32_t>(context.tokens.size()));
    }
    append(context.tokens, before.ids);
    context.first_row = static_cast<uint32_t>(context.tokens.size());
    append(context.tokens, asked.ids);
    return context;
}

UnitAttentions spread_over_units(const UnitContext& context, const std::vector<float>& rows) {
    const size_t columns = context.tokens.size(), n_units = context.units();
    const size_t n_rows = columns - context.first_row;
    UnitAttentions out{std::vector<double>(n_units), std::vector<double>(n_units)};
    std::vector<double> masses(n_units);
    for (size_t r = 0; r < n_rows; ++r) {
        const float* row = rows.data() + r * columns;
        double all = 0;
        for (size_t u = 0; u < n_units; ++u) {
            masses[u] = 0;
            for (uint32_t c = context.unit_begin[u]; c < context.unit_begin[u + 1]; ++c) {
                masses[u] += row[c];
            }
            all += masses[u];
        }
        for (size_t u = 0; u < n_units; ++u) {
            out.raw[u] += masses[u] / static_cast<double>(n_rows);
            if (all > 0) out.share[u] += masses[u] / all / static_cast<double>(n_rows);
        }
    }
    return out;
}

Result<std::vector<UnitAttentions>> read_units(ContextModel& model, const UnitContext& context,
                                               const std::vector<ContextHead>& heads,
                                               uint32_t threads, const CancelToken* cancel,
                                               const OnHeadRows& on_rows) {
    std::set<uint32_t> distinct;
    for (const ContextHead& head : heads) {
        if (head.query_head >= model.info().n_head) {
            return make_error(
                ErrorCode::kInvalidArgument,
                model.info().name + " has no query head " + std::to_string(head.query_head));
        }
        distinct.insert(head.layer);
    }
    std::vector<UnitAttentions> out(heads.size());
    if (heads.empty() || context.units() == 0) return out;
    ThreadPool pool(threads);
    std::mutex mutex;
    const auto on_layer = [&](const ContextLayer& layer) -> Status {
        std::vector<size_t> here;
        for (size_t i = 0; i < heads.size(); ++i) {
            if (heads[i].layer == layer.layer) here.push_back(i);
        }
        pool.run(static_cast<uint32_t>(here.size()), [&](uint32_t i) {
            std::vector<float> rows;
            attention_rows(layer, heads[here[i]].query_head, rows);
            out[here[i]] = spread_over_units(context, rows);
            if (on_rows) {
                const std::lock_guard lock(mutex);
                on_rows(here[i], rows);
            }
        });
        return {};
    };
    const std::vector<uint32_t> layers(distinct.begin(), distinct.end());
    S3ATTN_CHECK(model.attend(context.tokens, context.first_row, layers, cancel, on_layer));
    return out;
}

}  // namespace s3attn

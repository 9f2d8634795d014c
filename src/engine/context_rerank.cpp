#include "engine/context_rerank.h"

#include <algorithm>
#include <cstdio>

#include "retrieve/rerank.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

constexpr double kBytesPerToken = 4;  // for an estimate before anything is tokenized

std::string seconds_text(double seconds) {
    char text[32];
    std::snprintf(text, sizeof text, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
    return text;
}

}  // namespace

Status ContextRerank::rerank(const VoiceRequest& request, Ranking& ranking) {
    const bool wanted = options_.mode == RerankOptions::Mode::kOn;
    if (stage_ == nullptr) {
        report_.why = why_none_;
        if (wanted) {
            return make_error(ErrorCode::kNotFound, reason::kNoRerank, "rerank",
                              "no second stage: " + why_none_);
        }
        return {};
    }
    report_.model = stage_->model_name();
    const size_t n = std::min<size_t>(options_.units, ranking.units.size());
    if (n < 2) {
        report_.why = "fewer than two units were found";
        return {};
    }
    std::vector<std::string> texts;
    std::vector<double> scores;
    double bytes = static_cast<double>(request.question.size());
    for (size_t i = 0; i < n; ++i) {
        const RankedUnit& ranked = ranking.units[i];
        S3ATTN_TRY(UnitRow unit,
                   request.store.unit(request.store.live_units()[ranked.unit].unit_id));
        bytes += static_cast<double>(unit.text.size());
        texts.push_back(std::move(unit.text));
        scores.push_back(ranked.score);
    }
    const double expected = stage_->seconds_for(static_cast<uint64_t>(bytes / kBytesPerToken));
    if (!wanted && !stage_->on_device() && expected > options_.seconds) {
        report_.why = "it would take about " + seconds_text(expected) +
                      " on the processor, more than is allowed (" + seconds_text(options_.seconds) +
                      ")";
        return {};
    }
    auto read = stage_->read(request.question, texts, scores, with_links_, request.cancel);
    if (!read.ok()) {
        // Without it the ranking is as good as without a second stage; unasked, it may not fail.
        if (wanted || read.error().code == ErrorCode::kCancelled) return read.error();
        report_.why = read.error().message;
        return {};
    }
    const std::vector<size_t> order = best_first(read->scores);
    const std::vector<RankedUnit> before(
        ranking.units.begin(), ranking.units.begin() + static_cast<ptrdiff_t>(order.size()));
    // Above everything that was not read again.
    const double floor =
        order.size() < ranking.units.size() ? ranking.units[order.size()].score : 0;
    for (size_t i = 0; i < order.size(); ++i) {
        const double above = read->scores[order[i]] - read->scores[order.back()];
        ranking.units[i] = {before[order[i]].unit, floor + above};
        report_.attention.push_back({request.store.live_units()[before[order[i]].unit].unit_id,
                                     read->attention[order[i]], static_cast<uint32_t>(order[i])});
    }
    report_.done = true;
    report_.on_device = stage_->on_device();
    report_.units = static_cast<uint32_t>(order.size());
    report_.left_out = static_cast<uint32_t>(n - order.size());
    report_.tokens = read->tokens;
    report_.milliseconds = read->milliseconds;
    report_.question_tokens = std::move(read->question_tokens);
    for (const ContextLink& link : read->links) {
        const UnitId id = request.store.live_units()[before[link.unit].unit].unit_id;
        report_.links.push_back(
            {link.question_token, id,
             texts[link.unit].substr(link.byte_begin, link.byte_end - link.byte_begin),
             link.byte_begin, link.byte_end, link.mass});
    }
    return {};
}

void add_context_attention(SearchResult& result) {
    result.attention.context_tokens = result.rerank.question_tokens;
    for (size_t s = 0; s < result.attention.spans.size(); ++s) {
        const UnitId unit = result.spans[s].unit_id;
        SpanAttention& span = result.attention.spans[s];
        for (const RerankReport::UnitShare& share : result.rerank.attention) {
            if (share.unit_id == unit) span.context_share = share.share;
        }
        for (const RerankReport::Link& link : result.rerank.links) {
            if (link.unit_id == unit) span.context.push_back(link);
        }
    }
}

}  // namespace s3attn

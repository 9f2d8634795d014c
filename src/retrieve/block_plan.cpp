#include "retrieve/block_plan.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace s3attn {
namespace {

Status check_units(std::span<const UnitExtent> units) {
    TokenPosition end;
    for (const UnitExtent& unit : units) {
        if (unit.position_begin < end) {
            return make_error(ErrorCode::kCorrupt,
                              "unit " + to_string(unit.unit_id) +
                                  " overlaps the unit before it: verifying the store says more");
        }
        end = unit.position_begin + unit.n_tokens;
        if (end < unit.position_begin) {
            return make_error(ErrorCode::kCorrupt,
                              "unit " + to_string(unit.unit_id) + " ends beyond the last position");
        }
    }
    return {};
}

Status check_segment(const Segment& segment, const StoreShape& shape, uint64_t previous_end) {
    if (segment.n_slots() != shape.n_slots || segment.latents() != shape.latents ||
        segment.k() != shape.k) {
        return make_error(ErrorCode::kMismatch,
                          "the segment at position " + std::to_string(segment.base()) +
                              " has another shape than the store: verifying the store says more");
    }
    if (segment.base() < previous_end || segment.base() + segment.n_tokens() < segment.base()) {
        return make_error(ErrorCode::kCorrupt,
                          "the segment at position " + std::to_string(segment.base()) +
                              " overlaps the segment before it: verifying the store says more");
    }
    return {};
}

// Runs of the units that intersect [begin, end), from unit index `first` on.
std::vector<UnitRun> runs_of_block(std::span<const UnitExtent> units, size_t first, uint64_t begin,
                                   uint64_t end) {
    std::vector<UnitRun> runs;
    for (size_t i = first; i < units.size() && units[i].position_begin.value < end; ++i) {
        const uint64_t unit_begin = units[i].position_begin.value;
        const uint64_t unit_end = unit_begin + units[i].n_tokens;
        const uint64_t from = std::max(unit_begin, begin), to = std::min(unit_end, end);
        if (from >= to) continue;
        runs.push_back({static_cast<uint32_t>(i), static_cast<uint32_t>(from - begin),
                        static_cast<uint32_t>(to - begin), from == unit_begin && to == unit_end});
    }
    return runs;
}

}  // namespace

Result<ScanPlan> plan_scan(const StoreReader& store, const Filter* filter) {
    ScanPlan plan;
    plan.units = store.live_units();
    S3ATTN_CHECK(check_units(plan.units));
    if (filter != nullptr && !filter->all()) {
        for (const UnitNumber unit : filter->allowed()) plan.allowed.push_back(plan.units[unit]);
        plan.units = plan.allowed;
    }
    const std::span<const UnitExtent> units = plan.units;
    plan.covered.resize(units.size());
    uint64_t segment_end = 0;
    size_t first = 0;  // first unit that ends after the block at hand
    size_t ordinal = 0;
    for (const auto& segment : store.segments()) {
        S3ATTN_CHECK(check_segment(*segment, store.shape(), segment_end));
        segment_end = segment->base() + segment->n_tokens();
        for (uint32_t block = 0; block < segment->n_blocks(); ++block, ++ordinal) {
            const uint64_t begin = segment->base() + uint64_t{block} * kBlockTokens;
            const uint64_t end = std::min(begin + kBlockTokens, segment_end);
            while (first < units.size() &&
                   (units[first].position_begin + units[first].n_tokens).value <= begin) {
                ++first;
            }
            BlockPlan entry{segment.get(), block, ordinal, runs_of_block(units, first, begin, end)};
            for (const UnitRun& run : entry.runs) plan.covered[run.unit] += run.end - run.begin;
            if (!entry.runs.empty()) plan.blocks.push_back(std::move(entry));
        }
    }
    return plan;
}

void spread_scores(const Filter* filter, size_t n_units, std::vector<double>& scores) {
    if (filter == nullptr || filter->all()) return;
    std::vector<double> all(n_units);
    for (size_t u = 0; u < scores.size(); ++u) all[filter->allowed()[u]] = scores[u];
    scores = std::move(all);
}

Status check_query(const StoreReader& store, const QueryCodes& query) {
    const auto bad = [](const std::string& what) {
        return make_error(ErrorCode::kInvalidArgument, "the question's codes are wrong: " + what);
    };
    const StoreShape& shape = store.shape();
    if (query.n_tokens == 0) return bad("no question tokens");
    if (query.heads.empty()) return bad("no query heads");
    if (query.latents != shape.latents) {
        return make_error(ErrorCode::kMismatch,
                          "the question was encoded with " + std::to_string(query.latents) +
                              " features and the store has " + std::to_string(shape.latents) +
                              ": use the adapter that made the store");
    }
    for (size_t j = 0; j < query.heads.size(); ++j) {
        const QueryCodes::Head& head = query.heads[j];
        const std::string name = "head " + std::to_string(j);
        if (head.slot >= shape.n_slots) {
            return make_error(ErrorCode::kMismatch,
                              name + " reads slot " + std::to_string(head.slot) +
                                  " of a store with " + std::to_string(shape.n_slots));
        }
        if (head.weight.size() != size_t{query.latents} * query.n_tokens ||
            head.token_share.size() != query.n_tokens) {
            return bad(name + " has arrays of the wrong size");
        }
        if (!std::isfinite(head.temperature) || head.temperature < 0 ||
            !std::isfinite(head.mixture)) {
            return bad(name + " has a temperature or mixture that is not a number >= 0");
        }
        // The bound keeps sums of 255 postings finite in float.
        const auto finite = [](float value) { return std::abs(value) <= 1e30f; };
        if (!std::all_of(head.weight.begin(), head.weight.end(), finite) ||
            !std::all_of(head.token_share.begin(), head.token_share.end(), finite)) {
            return bad(name + " has weights that are not finite");
        }
    }
    return {};
}

}  // namespace s3attn

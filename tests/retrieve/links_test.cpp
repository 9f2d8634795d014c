// The links of a unit against its score.
#include "retrieve/links.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "retrieve/score.h"
#include "score_cases.h"

namespace s3attn {
namespace {

// Why a unit was found is the whole of why: what its links brought adds up to its score.
RC_GTEST_PROP(UnitLinks, AddUpToTheScore, ()) {
    CaseShape shape = random_shape();
    shape.max_segment_tokens = std::min(shape.max_segment_tokens, 300u);
    const Case c = random_case(*rc::gen::arbitrary<uint32_t>(), shape);
    const auto scores = score_attention_reference(c.store, c.query);
    RC_ASSERT(scores.ok());
    const auto& units = c.store.live_units();
    for (size_t u = 0; u < units.size(); ++u) {
        const auto links = unit_links(c.store, c.query, scores->log_total, units[u]);
        RC_ASSERT(links.ok());
        RC_ASSERT(links->size() == c.query.heads.size() * c.query.n_tokens);
        double mass = 0;
        for (const UnitLink& link : *links) {
            mass += link.mass;
            RC_ASSERT(units[u].n_tokens == 0 || link.unit_token < units[u].n_tokens);
        }
        RC_ASSERT(std::abs(mass - scores->mass[u]) < 1e-9);
    }
}

}  // namespace
}  // namespace s3attn

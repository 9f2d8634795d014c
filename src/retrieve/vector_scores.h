// How like a question's vector each unit's is.
#pragma once

#include <span>
#include <vector>

#include "store/store.h"

namespace s3attn {

// The dot product of `question` (vectors.dimension values) with each unit's vector: the cosine,
// where both have norm 1. 0 for a unit that has none.
std::vector<double> vector_scores(const UnitVectors& vectors, std::span<const float> question);

}  // namespace s3attn

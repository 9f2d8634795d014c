// Vectors of units in the catalogue: two tables, there once a store has an embedder. All but the
// loads run inside the caller's transaction.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "s3attn/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace s3attn {

Status create_vector_tables(Database& db);
Result<bool> has_vector_tables(Database& db);

Result<std::optional<EmbedderInfo>> load_embedder(Database& db);
Status save_embedder(Database& db, const EmbedderInfo& embedder);
// By the order of `units`, which ascend.
Result<UnitVectors> load_vectors(Database& db, const std::vector<UnitExtent>& units);

Result<std::vector<StoreWriter::UnitToEmbed>> units_without_vector(Database& db, UnitId after,
                                                                   uint32_t limit);
Result<uint64_t> count_units_without_vector(Database& db);
// `vectors` of the embedder's dimension; each is stored in 8 bits a value with a scale of its own.
Status insert_vectors(Database& db, const std::vector<StoreWriter::UnitToEmbed>& units,
                      const std::vector<std::vector<float>>& vectors, uint32_t dimension);

// kCorrupt names the first vector that is none.
Status check_vectors(Database& db);

}  // namespace s3attn

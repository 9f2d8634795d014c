// Checks of a whole catalogue, shared by verify and by a writer that finds something odd.
#pragma once

#include <vector>

#include "s3attn/result.h"
#include "store/catalog.h"
#include "store/sqlite.h"

namespace s3attn {

Error corrupt_catalog(const Database& db, const std::string& what);
// SQLite's own checks.
Status check_database(Database& db);
// The tables, views and indexes are ours, to the letter, and there are no others.
Status check_schema(Database& db);
// Every unit's positions lie in one segment and nobody else's.
Status check_positions(Database& db, const std::vector<SegmentRow>& segments);

}  // namespace s3attn

// Stores of an older program, or whose word index other tables of words made: brought up to date
// from what they hold. Nothing is scanned again.
#pragma once

#include <string>

#include "s3attn/result.h"
#include "store/sqlite.h"

namespace s3attn {

// Of this program's format, its words cut as this program cuts them.
Result<bool> is_current(Database& db);

// For the writer, which holds the store: one transaction, nothing where nothing is to be done.
Status upgrade_catalog(Database& db);

// For a reader that found `db` not current: upgrades the store as a writer. False where that is not
// possible and the store can be read as it is; an error where it cannot.
Result<bool> upgrade_store(const std::string& directory, Database& db);

}  // namespace s3attn

// The folder of a collection's indexes: its documents as files, and what each index cost.
//
//   DIR/<collection id>/documents/000000.txt ...
//   DIR/<collection id>/units/            the UnitStore
//   DIR/<collection id>/<index name>/     one per method that needs one; cost.json marks it
//   finished
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/method.h"
#include "text/document_reader.h"

namespace s3attn::eval {

// Writes the documents unless they are there; returns their paths, in order.
Result<std::vector<std::string>> write_documents(const Collection& collection,
                                                 const std::string& directory);
// Number of a document written by write_documents().
size_t document_number(const std::string& path);

// Calls `on_unit` with every unit of a file and what the model reads of it: its text and what
// follows up to the next unit, as the indexer cuts both.
using OnUnit = std::function<Status(const Unit& unit, const std::string& model_text)>;
// Called once before the first unit; a file without text has none.
using OnHeader = std::function<Status(const DocumentHeader& header)>;
Status walk_units(const std::string& path, const OnHeader& on_header, const OnUnit& on_unit);

// cost.json of a finished index; nothing while it is not finished.
std::optional<IndexCost> load_cost(const std::string& index);
Status save_cost(const std::string& index, const IndexCost& cost);

}  // namespace s3attn::eval

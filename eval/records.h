// Records of a JSON Lines file or of a JSON file that holds an array, each with its place for
// messages.
#pragma once

#include <string>
#include <vector>

#include "eval/run_record.h"
#include "s3attn/result.h"

namespace s3attn::eval {

struct Record {
    Json json;          // an object
    std::string place;  // "dev.jsonl, line 12" or "dev.json, record 12"
};

// A file whose first character is '[' is an array of records; one that is a single object is one
// record; anything else is JSON Lines. Empty lines are passed over. kCorrupt names the place.
// `hash`: XXH3-128 of the bytes that were read (a pipe gives them but once).
Result<std::vector<Record>> read_records(const std::string& path, std::string& hash);

// kCorrupt: "<place>: <what>".
Error bad_record(const Record& record, const std::string& what);

// The string under `name`; kCorrupt when there is none.
Result<std::string> string_field(const Record& record, const Json& object, const std::string& name);

}  // namespace s3attn::eval

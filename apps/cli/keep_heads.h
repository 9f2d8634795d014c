// `train --keep-heads`: a copy of an adapter with its best heads alone.
#pragma once

#include <string>

#include "json/result_json.h"
#include "s3attn/result.h"

namespace s3attn::cli {

struct KeptHeads {
    uint32_t heads = 0, slots = 0, slots_before = 0, deepest_layer = 0;
};
// Writes the copy into `out`; files beside the adapter go along.
Result<KeptHeads> copy_with_heads(const std::string& directory, uint32_t n, const std::string& out);

apps::Json to_json(const KeptHeads& kept);
void print_report(const KeptHeads& kept, const std::string& out);

}  // namespace s3attn::cli

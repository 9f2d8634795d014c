#include "keep_heads.h"

#include <cstdio>

#include "adapter/keep_heads.h"
#include "train/context_stage.h"

namespace s3attn::cli {

Result<KeptHeads> copy_with_heads(const std::string& directory, uint32_t n,
                                  const std::string& out) {
    if (out.empty()) {
        return make_error(
            ErrorCode::kInvalidArgument,
            "--keep-heads makes a copy of the adapter: name its directory with --out");
    }
    S3ATTN_TRY(const Adapter whole, load_adapter(directory));
    S3ATTN_TRY(const Adapter small, keep_heads(whole, n));
    S3ATTN_TRY(const auto others, other_files(directory));
    S3ATTN_CHECK(save_adapter(small, out, others));
    return KeptHeads{n, static_cast<uint32_t>(small.slots.size()),
                     static_cast<uint32_t>(whole.slots.size()), small.deepest_layer()};
}

apps::Json to_json(const KeptHeads& kept) {
    return {{"heads", kept.heads},
            {"slots", kept.slots},
            {"slots_before", kept.slots_before},
            {"deepest_layer", kept.deepest_layer}};
}

void print_report(const KeptHeads& kept, const std::string& out) {
    std::printf(
        "the %u best heads, which read %u of %u slots; a scan ends at layer %u\n"
        "an index holds about %.0f %% of the bytes; store and searches need --adapter %s\n",
        kept.heads, kept.slots, kept.slots_before, kept.deepest_layer,
        100.0 * kept.slots / kept.slots_before, out.c_str());
}

}  // namespace s3attn::cli

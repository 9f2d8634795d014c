#include "adapter/adapter.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "adapter/float16.h"
#include "adapter/sae_file.h"
#include "base/files.h"

namespace s3attn {
namespace {

// Beyond these attention is the same to every unit, or to one alone.
constexpr float kLeastTemperature = 0.1f, kMostTemperature = 1000;
// An activation is a share of a unit vector: beyond these its byte says nothing.
constexpr float kLeastScale = 1e-6f, kMostScale = 1;
constexpr float kMostWeight = 1000;  // the other side of a sum then counts nothing

template <class Items>
std::vector<uint32_t> distinct_layers(const Items& items) {
    std::set<uint32_t> layers;
    for (const auto& item : items) layers.insert(item.layer);
    return {layers.begin(), layers.end()};
}

Error invalid(const std::string& where, const std::string& why) {
    return make_error(ErrorCode::kInvalidArgument, "adapter: " + where + " " + why);
}

Status check_vector(const std::vector<float>& values, size_t size, bool may_be_empty,
                    const std::string& where) {
    if (values.empty() && may_be_empty) return {};
    if (values.size() != size) {
        return invalid(where, "holds " + std::to_string(values.size()) + " values, expected " +
                                  std::to_string(size));
    }
    const bool finite =
        std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
    return finite ? Status{} : invalid(where, "holds NaN or infinity");
}

Status check_dimensions(const Adapter& a) {
    if (a.n_layer < 1) return invalid("n_layer", "is 0");
    if (a.d_head < 1) return invalid("d_head", "is 0");
    if (a.n_head_kv < 1 || a.n_head < 1 || a.n_head % a.n_head_kv != 0) {
        return invalid("n_head", "(" + std::to_string(a.n_head) +
                                     ") is not a multiple of n_head_kv (" +
                                     std::to_string(a.n_head_kv) + ")");
    }
    if (!(a.activation_scale >= kLeastScale && a.activation_scale <= kMostScale)) {
        return invalid("activation_scale", "is " + std::to_string(a.activation_scale) +
                                               ", expected 0.000001 to 1: 255 times it is the "
                                               "largest activation of a unit vector");
    }
    if (!(a.hybrid_s3_weight >= 0 && a.hybrid_s3_weight <= kMostWeight)) {
        return invalid("hybrid_s3_weight", "is " + std::to_string(a.hybrid_s3_weight) +
                                               ", expected 0 to 1000: BM25 counts 1");
    }
    if (!(a.evidence_floor >= -1 && a.evidence_floor <= 1)) {
        return invalid("evidence_floor", "is " + std::to_string(a.evidence_floor) +
                                             ", expected -1 to 1: it is a mean of cosines");
    }
    if (a.slots.empty()) return invalid("slots", "is empty");
    if (a.heads.empty()) return invalid("heads", "is empty");
    return {};
}

Status check_slots(const Adapter& a) {
    for (size_t i = 0; i < a.slots.size(); ++i) {
        const KeySlot& slot = a.slots[i];
        const std::string where = "slots[" + std::to_string(i) + "]";
        if (slot.layer >= a.n_layer) return invalid(where + ".layer", "is past the last layer");
        if (slot.kv_head >= a.n_head_kv) return invalid(where + ".kv_head", "does not exist");
        if (i > 0 && std::pair(a.slots[i - 1].layer, a.slots[i - 1].kv_head) >=
                         std::pair(slot.layer, slot.kv_head)) {
            return invalid(where, "is not in ascending order of (layer, kv_head)");
        }
        S3ATTN_CHECK(check_vector(slot.mean_key, a.d_head, false, where + ".mean_key"));
        S3ATTN_CHECK(
            check_vector(slot.mean_activation, a.latents, false, where + ".mean_activation"));
        S3ATTN_CHECK(validate_sae(slot.sae, "adapter: " + where + ".sae"));
        if (slot.sae.d_in != a.d_head) return invalid(where + ".sae.d_in", "differs from d_head");
        if (slot.sae.latents != a.latents) {
            return invalid(where + ".sae.latents", "differs from the adapter's");
        }
        if (slot.sae.k != a.k) return invalid(where + ".sae.k", "differs from the adapter's");
    }
    return {};
}

Status check_heads(const Adapter& a) {
    double mixture = 0;
    std::set<std::pair<uint32_t, uint32_t>> seen;
    for (size_t i = 0; i < a.heads.size(); ++i) {
        const QueryHead& head = a.heads[i];
        const std::string where = "heads[" + std::to_string(i) + "]";
        if (head.query_head >= a.n_head) return invalid(where + ".query_head", "does not exist");
        if (!seen.emplace(head.layer, head.query_head).second) return invalid(where, "is a repeat");
        if (head.slot >= a.slots.size()) return invalid(where + ".slot", "does not exist");
        const KeySlot& slot = a.slots[head.slot];
        if (slot.layer != head.layer ||
            slot.kv_head != head.query_head / (a.n_head / a.n_head_kv)) {
            return invalid(where + ".slot", "is not the KV head that this query head reads");
        }
        const size_t d = a.d_head;
        S3ATTN_CHECK(check_vector(head.mean_query, d, false, where + ".mean_query"));
        S3ATTN_CHECK(check_vector(head.map, d * d, true, where + ".map"));
        S3ATTN_CHECK(check_vector(head.bias, d, true, where + ".bias"));
        S3ATTN_CHECK(check_vector(head.token_weight, d, true, where + ".token_weight"));
        if (!(head.temperature > 0) || !std::isfinite(head.temperature)) {
            return invalid(where + ".temperature", "is not a positive number");
        }
        if (head.temperature < kLeastTemperature || head.temperature > kMostTemperature) {
            return invalid(where + ".temperature",
                           "is " + std::to_string(head.temperature) +
                               ", expected 0.1 to 1000: training begins at 16");
        }
        if (!(head.mixture >= 0) || !std::isfinite(head.mixture)) {
            return invalid(where + ".mixture", "is not a number of 0 or more");
        }
        mixture += head.mixture;
    }
    if (std::abs(mixture - 1) > 1e-3) {
        return invalid("heads' mixture", "sums to " + std::to_string(mixture) + ", expected 1");
    }
    return {};
}

Status check_context(const Adapter& a) {
    std::set<std::pair<uint32_t, uint32_t>> seen;
    for (size_t i = 0; i < a.context.heads.size(); ++i) {
        const ContextHeads::Head& head = a.context.heads[i];
        const std::string where = "context.heads[" + std::to_string(i) + "]";
        if (head.layer >= a.n_layer) return invalid(where + ".layer", "is past the last layer");
        if (head.query_head >= a.n_head) return invalid(where + ".query_head", "does not exist");
        if (!seen.emplace(head.layer, head.query_head).second) return invalid(where, "is a repeat");
    }
    if (!(a.context.first_weight >= 0 && a.context.first_weight <= kMostWeight)) {
        return invalid("context.first_weight",
                       "is " + std::to_string(a.context.first_weight) + ", expected 0 to 1000");
    }
    return {};
}

template <class T>
void append(std::string& bytes, T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void append_halves(std::string& bytes, const std::vector<float>& values) {
    // -0 and 0 encode alike, so they hash alike.
    for (const float value : values) append(bytes, to_float16(value == 0 ? 0.0f : value));
}

void round_halves(std::vector<float>& values) {
    for (float& value : values) value = from_float16(to_float16(value));
}

}  // namespace

std::vector<uint32_t> Adapter::key_layers() const { return distinct_layers(slots); }

std::vector<uint32_t> Adapter::query_layers() const { return distinct_layers(heads); }

uint32_t ContextHeads::deepest_layer() const {
    uint32_t deepest = 0;
    for (const Head& head : heads) deepest = std::max(deepest, head.layer);
    return deepest;
}

uint32_t Adapter::deepest_layer() const {
    uint32_t deepest = 0;
    for (const KeySlot& slot : slots) deepest = std::max(deepest, slot.layer);
    for (const QueryHead& head : heads) deepest = std::max(deepest, head.layer);
    return deepest;
}

Status validate_adapter(const Adapter& adapter) {
    S3ATTN_CHECK(check_dimensions(adapter));
    S3ATTN_CHECK(check_slots(adapter));
    S3ATTN_CHECK(check_context(adapter));
    return check_heads(adapter);
}

std::string compute_key_side_hash(const Adapter& adapter) {
    std::string all = "s3attn key side 1";
    append(all, adapter.d_head);
    append(all, adapter.latents);
    append(all, adapter.k);
    append(all, adapter.activation_scale);
    for (const KeySlot& slot : adapter.slots) {
        std::string bytes;
        append(bytes, slot.layer);
        append(bytes, slot.kv_head);
        append(bytes, slot.sae.k);
        for (const float value : slot.mean_key) append(bytes, value);
        for (const auto* part :
             {&slot.sae.w_enc, &slot.sae.b_enc, &slot.sae.w_dec, &slot.sae.b_dec}) {
            append(bytes, static_cast<uint64_t>(part->size()));
            append_halves(bytes, *part);
        }
        all += hash_bytes(bytes);
    }
    return hash_bytes(all);
}

void round_to_stored_precision(Adapter& adapter) {
    for (KeySlot& slot : adapter.slots) {
        for (auto* part : {&slot.sae.w_enc, &slot.sae.b_enc, &slot.sae.w_dec, &slot.sae.b_dec}) {
            round_halves(*part);
        }
    }
    adapter.key_side_hash = compute_key_side_hash(adapter);
}

}  // namespace s3attn

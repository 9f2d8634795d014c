#include "store/store_fingerprint.h"

#include <set>

#include "s3attn/reason.h"
#include "store/catalog.h"
#include "store/segment_format.h"

namespace s3attn {

Result<Fingerprint> load_fingerprint(Database& db) {
    Fingerprint fingerprint;
    S3ATTN_TRY(Statement rows, db.prepare("SELECT field, value FROM fingerprint"));
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return fingerprint;
        fingerprint.fields[rows.text(0)] = rows.text(1);
    }
}

Result<StoreShape> load_shape(Database& db) {
    S3ATTN_TRY(const int64_t n_slots, load_meta(db, "n_slots"));
    S3ATTN_TRY(const int64_t latents, load_meta(db, "latents"));
    S3ATTN_TRY(const int64_t k, load_meta(db, "k"));
    const auto inside = [](int64_t value, uint32_t limit) { return value >= 1 && value <= limit; };
    if (!inside(n_slots, segment_format::kMaxSlots) ||
        !inside(latents, segment_format::kMaxLatents) || !inside(k, segment_format::kMaxK)) {
        return make_error(ErrorCode::kCorrupt,
                          "'" + db.path() + "': n_slots, latents or k is out of range");
    }
    return StoreShape{static_cast<uint32_t>(n_slots), static_cast<uint32_t>(latents),
                      static_cast<uint32_t>(k)};
}

std::set<std::string> binding_fields(const Fingerprint& a, const Fingerprint& b) {
    std::set<std::string> fields;
    for (const Fingerprint* each : {&a, &b}) {
        for (const auto& [field, value] : each->fields) fields.insert(field);
    }
    fields.erase(kModelIdentityField);
    return fields;
}

Status check_fingerprint(const std::string& directory, const Fingerprint& stored,
                         const Fingerprint& expected) {
    const std::set<std::string> fields = binding_fields(stored, expected);
    const auto value_of = [](const Fingerprint& fingerprint, const std::string& field) {
        const auto found = fingerprint.fields.find(field);
        return found == fingerprint.fields.end() ? std::string("(none)")
                                                 : "'" + found->second + "'";
    };
    for (const std::string& field : fields) {
        const std::string was = value_of(stored, field), is = value_of(expected, field);
        if (was == is) continue;
        return make_error(ErrorCode::kMismatch, reason::kStoreMismatch, field,
                          "the store '" + directory + "' was made with " + field + " = " + was +
                              ", this run has " + is +
                              "; use the model and adapter it was made with, or another store");
    }
    return {};
}

Status check_shape_equal(const std::string& directory, const StoreShape& stored,
                         const StoreShape& expected) {
    const auto text = [](const StoreShape& s) {
        return std::to_string(s.n_slots) + " head slots of " + std::to_string(s.latents) +
               " latents, k = " + std::to_string(s.k);
    };
    if (text(stored) == text(expected)) return {};
    return make_error(
        ErrorCode::kMismatch, reason::kStoreMismatch, "shape",
        "the store '" + directory + "' has " + text(stored) + ", this run has " + text(expected));
}

}  // namespace s3attn

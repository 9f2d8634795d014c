#include "store/vectors.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "store/catalog_checks.h"

namespace s3attn {
namespace {

constexpr uint32_t kMaxDimension = 65536;
constexpr float kLargestCode = 127;

constexpr char kVectorSchema[] = R"sql(
CREATE TABLE embedder(name TEXT NOT NULL, hash TEXT NOT NULL, dimension INTEGER NOT NULL);
CREATE TABLE vectors(
  unit_id INTEGER PRIMARY KEY REFERENCES units(unit_id) ON DELETE CASCADE,
  scale REAL NOT NULL, code BLOB NOT NULL);
)sql";

constexpr char kWithout[] =
    " FROM units u LEFT JOIN vectors v ON v.unit_id = u.unit_id WHERE v.unit_id IS NULL";

std::string to_code(const std::vector<float>& vector, double& scale) {
    float largest = 0;
    for (const float value : vector) largest = std::max(largest, std::abs(value));
    // A vector of zeros is one, too: nothing is like it.
    const float step = largest > 0 ? largest / kLargestCode : 1;
    scale = step;
    std::string code(vector.size(), '\0');
    for (size_t i = 0; i < vector.size(); ++i) {
        code[i] = static_cast<char>(static_cast<int8_t>(std::lround(vector[i] / step)));
    }
    return code;
}

bool is_vector(double scale, std::string_view code, uint32_t dimension) {
    return code.size() == dimension && std::isfinite(scale) && scale > 0;
}

Error bad_vector(const Database& db, const Statement& row) {
    return corrupt_catalog(
        db, "the vector of unit " + row.text(0) + " is not one of the store's embedder");
}

}  // namespace

Status create_vector_tables(Database& db) { return db.exec(kVectorSchema); }

Result<bool> has_vector_tables(Database& db) {
    S3ATTN_TRY(const int64_t n, db.integer("SELECT count(*) FROM sqlite_master WHERE name IN "
                                           "('embedder', 'vectors') AND type = 'table'"));
    return n > 0;
}

Result<std::optional<EmbedderInfo>> load_embedder(Database& db) {
    S3ATTN_TRY(const bool there, has_vector_tables(db));
    if (!there) return std::optional<EmbedderInfo>();
    S3ATTN_TRY(Statement rows, db.prepare("SELECT name, hash, dimension FROM embedder"));
    S3ATTN_TRY(const bool found, rows.step());
    const int64_t dimension = found ? rows.integer(2) : 0;
    if (dimension < 1 || dimension > kMaxDimension) {
        return corrupt_catalog(db, "it has vectors, and no embedder that can have made them");
    }
    return std::optional(
        EmbedderInfo{rows.text(0), rows.text(1), static_cast<uint32_t>(dimension)});
}

Status save_embedder(Database& db, const EmbedderInfo& embedder) {
    S3ATTN_TRY(Statement insert, db.prepare("INSERT INTO embedder VALUES (?1, ?2, ?3)"));
    insert.bind(1, embedder.name).bind(2, embedder.hash);
    return insert.bind(3, static_cast<int64_t>(embedder.dimension)).run();
}

Result<UnitVectors> load_vectors(Database& db, const std::vector<UnitExtent>& units) {
    UnitVectors vectors;
    S3ATTN_TRY(const auto embedder, load_embedder(db));
    if (!embedder) return vectors;
    vectors.dimension = embedder->dimension;
    vectors.codes.assign(units.size() * vectors.dimension, 0);
    vectors.scales.assign(units.size(), 0.0f);
    S3ATTN_TRY(Statement rows,
               db.prepare("SELECT unit_id, scale, code FROM vectors ORDER BY unit_id"));
    size_t u = 0;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return vectors;
        const UnitId unit_id(rows.integer(0));
        while (u < units.size() && units[u].unit_id < unit_id) ++u;
        if (u == units.size() || units[u].unit_id != unit_id) continue;  // not to be seen yet
        const std::string_view code = rows.view(2);
        if (!is_vector(rows.real(1), code, vectors.dimension)) return bad_vector(db, rows);
        std::memcpy(vectors.codes.data() + u * vectors.dimension, code.data(), code.size());
        vectors.scales[u] = static_cast<float>(rows.real(1));
    }
}

Result<std::vector<StoreWriter::UnitToEmbed>> units_without_vector(Database& db, UnitId after,
                                                                   uint32_t limit) {
    S3ATTN_TRY(Statement rows, db.prepare(std::string("SELECT u.unit_id, u.text") + kWithout +
                                          " AND u.unit_id > ?1 ORDER BY u.unit_id LIMIT ?2"));
    rows.bind(1, after).bind(2, static_cast<int64_t>(limit));
    std::vector<StoreWriter::UnitToEmbed> units;
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return units;
        units.push_back({UnitId(rows.integer(0)), rows.text(1)});
    }
}

Result<uint64_t> count_units_without_vector(Database& db) {
    S3ATTN_TRY(const int64_t n, db.integer(std::string("SELECT count(*)") + kWithout));
    return static_cast<uint64_t>(std::max<int64_t>(n, 0));
}

Status insert_vectors(Database& db, const std::vector<StoreWriter::UnitToEmbed>& units,
                      const std::vector<std::vector<float>>& vectors, uint32_t dimension) {
    if (units.size() != vectors.size()) {
        return make_error(ErrorCode::kInvalidArgument, "as many vectors as units are needed");
    }
    S3ATTN_TRY(Statement insert, db.prepare("INSERT INTO vectors VALUES (?1, ?2, ?3)"));
    for (size_t i = 0; i < units.size(); ++i) {
        const bool finite = std::all_of(vectors[i].begin(), vectors[i].end(),
                                        [](float value) { return std::isfinite(value); });
        if (vectors[i].size() != dimension || !finite) {
            return make_error(ErrorCode::kInvalidArgument,
                              "a vector cannot be stored: it holds " +
                                  std::to_string(vectors[i].size()) + " values, expected " +
                                  std::to_string(dimension) + " finite ones");
        }
        double scale = 0;
        const std::string code = to_code(vectors[i], scale);
        S3ATTN_CHECK(insert.bind(1, units[i].unit_id).bind_real(2, scale).bind_blob(3, code).run());
    }
    return {};
}

Status check_vectors(Database& db) {
    S3ATTN_TRY(const auto embedder, load_embedder(db));
    if (!embedder) return {};
    S3ATTN_TRY(const int64_t embedders, db.integer("SELECT count(*) FROM embedder"));
    if (embedders != 1) return corrupt_catalog(db, "it has more than one embedder");
    S3ATTN_TRY(Statement rows, db.prepare("SELECT unit_id, scale, code FROM vectors"));
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) return {};
        if (!is_vector(rows.real(1), rows.view(2), embedder->dimension)) {
            return bad_vector(db, rows);
        }
    }
}

}  // namespace s3attn

// The catalogue of a store: its schema, how it is made, opened and checked, and the statements
// that writer, reader and verifier share.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "s3attn/result.h"
#include "store/segment_writer.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace s3attn {

struct SegmentRow {
    int64_t segment_id = 0;
    std::string file;
    uint64_t base = 0, n_tokens = 0;
    uint64_t kept_tokens = 0;  // positions whose postings were kept when it was written
    uint64_t bytes = 0, checksum = 0;
    uint64_t end() const { return base + n_tokens; }
};

inline constexpr int64_t kFormatVersion = 3;
inline constexpr int64_t kOldestFormatVersion = 1;  // upgraded when it is opened
// Name in `meta` of the word_index_version() that the word index was made with.
inline constexpr char kWordIndexMeta[] = "word_index";

// What a directory is, before anything in it is touched. The error says why it is not a store.
Status check_store_directory(const std::string& directory);

// The tables of a new store; and of these the ones that an upgrade makes again.
Status create_tables(Database& db);
Status create_document_tables(Database& db);  // as version 2 had them
Status create_word_tables(Database& db);
// What version 3 added, to tables of version 2.
Status add_descriptions(Database& db);
// What the words of the second column of the word index are made of, in a row of `units`.
inline constexpr char kHeadingWords[] = "heading || ' ' || columns";

// Makes directory and catalogue where there is none; the caller holds the writer lock.
Status create_catalog(const std::string& directory, const Fingerprint& fingerprint,
                      const StoreShape& shape);

// Opens and checks that it is a catalogue of a known version, an old one included.
Result<std::unique_ptr<Database>> open_catalog(const std::string& directory, Database::Mode mode);

Result<Fingerprint> load_fingerprint(Database& db);
Result<StoreShape> load_shape(Database& db);
// kMismatch names the first field that differs.
Status check_fingerprint(const std::string& directory, const Fingerprint& stored,
                         const Fingerprint& expected);
Status check_shape_equal(const std::string& directory, const StoreShape& stored,
                         const StoreShape& expected);

Result<std::optional<int64_t>> find_meta(Database& db, std::string_view name);
Result<int64_t> load_meta(Database& db, std::string_view name);
Status save_meta(Database& db, std::string_view name, int64_t value);

// Ascending by base; ranges checked not to overlap, names checked to be ours.
Result<std::vector<SegmentRow>> load_segments(Database& db);
Status insert_segment(Database& db, const SegmentRow& row);

// Position ranges [first, second) inside [begin, end) that have a unit (of any document, also an
// interrupted one), ascending, adjacent ranges joined.
using PositionRanges = std::vector<std::pair<uint64_t, uint64_t>>;
Result<PositionRanges> load_live_ranges(Database& db, uint64_t begin, uint64_t end);

// Files in the directory that look like ours and that the catalogue does not name.
Result<std::vector<std::string>> find_orphans(const std::string& directory, Database& db);

// Columns of DocumentInfo, for fill_document().
inline constexpr char kDocumentColumns[] =
    "doc_id, path, format, encoding, offsets, source_bytes, source_hash, tokens, units, complete, "
    "indexed_at, source, title, date, file_date, described";
inline constexpr int kDocumentColumnCount = 16;
// Without its properties.
DocumentInfo document_of(const Statement& row);
// Documents a reader sees; an interrupted replacement is not one (alias d for documents).
inline constexpr char kVisible[] = "(d.complete = 1 OR d.replaces IS NULL)";

std::string utc_now();  // ISO 8601

}  // namespace s3attn

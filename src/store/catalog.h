// The catalogue of a store: its schema, how it is made, opened and checked, and what writer, reader
// and verifier share of its rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "s3attn/result.h"
#include "store/segment_rows.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/store_fingerprint.h"

namespace s3attn {

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

Result<std::optional<int64_t>> find_meta(Database& db, std::string_view name);
Result<int64_t> load_meta(Database& db, std::string_view name);
Status save_meta(Database& db, std::string_view name, int64_t value);

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

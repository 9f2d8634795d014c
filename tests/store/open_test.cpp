// What is not a store, whose store it is, and who may write it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "store/inspect.h"
#include "store/sqlite.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using namespace store_test;
using testing::HasSubstr;

class Open : public testing::Test {
  protected:
    void expect_reader_error(ErrorCode code, const std::string& text) const {
        const auto reader = StoreReader::open(store_, nullptr);
        ASSERT_FALSE(reader.ok());
        EXPECT_EQ(reader.error().code, code) << reader.error().message;
        EXPECT_THAT(reader.error().message, HasSubstr(text));
        EXPECT_THAT(reader.error().message, HasSubstr(store_));
        EXPECT_FALSE(list_documents(store_).ok());
        EXPECT_FALSE(verify_store(store_).ok());
        EXPECT_FALSE(inspect_postings(store_, {}).ok());
        EXPECT_FALSE(remove_document(store_, "a").ok());
    }
    Result<std::unique_ptr<StoreWriter>> writer(const Fingerprint& f = fingerprint(),
                                                const StoreShape& shape = kShape) const {
        return StoreWriter::open(store_, f, shape);
    }

    TemporaryDirectory directory_;
    std::string store_ = directory_ / "s";
};

TEST_F(Open, MissingStore) {
    expect_reader_error(ErrorCode::kNotFound, "there is no store");
    EXPECT_FALSE(fs::exists(store_)) << "looking must not make it";
}

TEST_F(Open, EmptyName) {
    EXPECT_EQ(StoreReader::open("", nullptr).error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(StoreWriter::open("", fingerprint(), kShape).error().code,
              ErrorCode::kInvalidArgument);
}

TEST_F(Open, FileInsteadOfDirectory) {
    std::ofstream(store_) << "text";
    expect_reader_error(ErrorCode::kInvalidArgument, "it is a file");
    EXPECT_EQ(writer().error().code, ErrorCode::kInvalidArgument);
}

TEST_F(Open, EmptyDirectory) {
    fs::create_directory(store_);
    expect_reader_error(ErrorCode::kNotFound, "empty directory");
    EXPECT_TRUE(fs::is_empty(store_));
    EXPECT_OK(writer());
    EXPECT_TRUE(list_documents(store_)->empty());
}

TEST_F(Open, SomebodysDirectory) {
    fs::create_directory(store_);
    std::ofstream(store_ + "/thesis.tex") << "years of work";
    expect_reader_error(ErrorCode::kInvalidArgument, "not a store");
    EXPECT_EQ(writer().error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(files_in(store_, "").size(), 1u) << "nothing may be added";
}

TEST_F(Open, GarbageCatalog) {
    fs::create_directory(store_);
    std::ofstream(store_ + "/catalog.db") << std::string(5000, 'g');
    expect_reader_error(ErrorCode::kCorrupt, "catalog.db");
    EXPECT_FALSE(writer().ok());
}

TEST_F(Open, AnotherProgramsCatalog) {
    fs::create_directory(store_);
    {
        const auto db = Database::open(store_ + "/catalog.db", Database::Mode::kCreate);
        ASSERT_OK(db);
        ASSERT_OK((*db)->exec("CREATE TABLE cats(name)"));
    }
    expect_reader_error(ErrorCode::kInvalidArgument, "another program");
    EXPECT_FALSE(writer().ok());
}

TEST_F(Open, NewerFormat) {
    index_document(*open_writer(store_), {"a", "1", 2, 10});
    {
        const auto db = Database::open(store_ + "/catalog.db", Database::Mode::kReadWrite);
        ASSERT_OK((*db)->exec("PRAGMA user_version = 4"));
    }
    expect_reader_error(ErrorCode::kUnsupported, "format version 4");
    EXPECT_EQ(writer().error().code, ErrorCode::kUnsupported);
}

// A store as version 2 had it, to the letter: no headings, titles and dates.
void make_version_2(const std::string& store) {
    const auto db = Database::open(store + "/catalog.db", Database::Mode::kReadWrite);
    ASSERT_OK(db);
    ASSERT_OK((*db)->exec(R"sql(
PRAGMA foreign_keys = OFF; BEGIN;
DROP TABLE units_fts; DROP VIEW searchable_units; DROP TABLE properties;
CREATE TEMP TABLE kept_units AS SELECT * FROM units;
CREATE TEMP TABLE kept_documents AS SELECT * FROM documents;
CREATE TEMP TABLE last AS SELECT name, seq FROM sqlite_sequence;
DROP TABLE units; DROP TABLE documents;
CREATE TABLE units(
  unit_id INTEGER PRIMARY KEY AUTOINCREMENT,
  doc_id INTEGER NOT NULL REFERENCES documents(doc_id),
  position_begin INTEGER NOT NULL, n_tokens INTEGER NOT NULL,
  byte_begin INTEGER NOT NULL, byte_end INTEGER NOT NULL,
  line_begin INTEGER NOT NULL, line_end INTEGER NOT NULL, page INTEGER NOT NULL,
  gap TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX units_by_document ON units(doc_id);
CREATE INDEX units_by_position ON units(position_begin);
CREATE TABLE documents(
  doc_id INTEGER PRIMARY KEY AUTOINCREMENT,
  path TEXT NOT NULL, source TEXT, format TEXT NOT NULL, encoding TEXT NOT NULL,
  offsets INTEGER NOT NULL, source_bytes INTEGER NOT NULL, source_hash TEXT NOT NULL,
  tokens INTEGER NOT NULL, units INTEGER NOT NULL, complete INTEGER NOT NULL,
  replaces INTEGER, indexed_at TEXT NOT NULL, UNIQUE(path, complete), UNIQUE(source, complete));
CREATE INDEX documents_by_hash ON documents(source_hash);
INSERT INTO documents SELECT doc_id, path, source, format, encoding, offsets, source_bytes,
  source_hash, tokens, units, complete, replaces, indexed_at FROM kept_documents;
INSERT INTO units SELECT unit_id, doc_id, position_begin, n_tokens, byte_begin, byte_end,
  line_begin, line_end, page, gap, text FROM kept_units;
UPDATE sqlite_sequence SET seq = (SELECT seq FROM last WHERE last.name = sqlite_sequence.name);
CREATE VIEW searchable_units AS
  SELECT u.unit_id AS unit_id, u.text AS text FROM units u JOIN documents d ON d.doc_id = u.doc_id
  WHERE d.complete = 1 OR d.replaces IS NULL;
CREATE VIRTUAL TABLE units_fts USING fts5(
  text, content = 'searchable_units', content_rowid = 'unit_id',
  tokenize = 's3words');
INSERT INTO units_fts(units_fts) VALUES ('rebuild');
PRAGMA user_version = 2; COMMIT;
)sql"));
}

// A store as version 1 had it: no sources either, and words of FTS5's own tokenizers.
void make_old(const std::string& store) {
    make_version_2(store);
    const auto db = Database::open(store + "/catalog.db", Database::Mode::kReadWrite);
    ASSERT_OK(db);
    ASSERT_OK((*db)->exec(
        "PRAGMA foreign_keys = OFF; BEGIN;"
        "DROP TABLE units_fts; DROP VIEW searchable_units;"
        "CREATE TEMP TABLE kept AS SELECT * FROM documents;"
        "CREATE TEMP TABLE last AS SELECT seq FROM sqlite_sequence WHERE name = 'documents';"
        "DROP TABLE documents;"
        "CREATE TABLE documents(doc_id INTEGER PRIMARY KEY AUTOINCREMENT,"
        " path TEXT NOT NULL, format TEXT NOT NULL, encoding TEXT NOT NULL,"
        " offsets INTEGER NOT NULL, source_bytes INTEGER NOT NULL, source_hash TEXT NOT NULL,"
        " tokens INTEGER NOT NULL, units INTEGER NOT NULL, complete INTEGER NOT NULL,"
        " replaces INTEGER, indexed_at TEXT NOT NULL, UNIQUE(path, complete));"
        "INSERT INTO documents SELECT doc_id, path, format, encoding, offsets, source_bytes,"
        " source_hash, tokens, units, complete, replaces, indexed_at FROM kept;"
        "UPDATE sqlite_sequence SET seq = (SELECT seq FROM last) WHERE name = 'documents';"
        "CREATE VIEW searchable_units AS SELECT u.unit_id AS unit_id, u.text AS text FROM units u"
        " JOIN documents d ON d.doc_id = u.doc_id WHERE d.complete = 1 OR d.replaces IS NULL;"
        "CREATE VIRTUAL TABLE units_fts USING fts5(text, content = 'searchable_units',"
        " content_rowid = 'unit_id', tokenize = 'porter unicode61');"
        "INSERT INTO units_fts(units_fts) VALUES ('rebuild');"
        "DELETE FROM meta WHERE name = 'word_index'; PRAGMA user_version = 1; COMMIT"));
}

TEST_F(Open, OldStoresAreBroughtUpToDate) {
    index_document(*open_writer(store_), {"a", "1", 9, 5});
    index_document(*open_writer(store_), {"b", "1", 3, 5});
    ASSERT_OK(remove_document(store_, "b"));  // its id is never given out again
    const Content before = content_of(store_);
    make_old(store_);
    EXPECT_EQ(content_of(store_), before);  // by a reader
    EXPECT_OK(verify_store(store_));
    index_document(*open_writer(store_), {"c", "1", 3, 5});
    EXPECT_EQ(list_documents(store_)->back().doc_id, DocumentId(3));
    const Content more = content_of(store_);
    make_old(store_);
    EXPECT_OK(writer());  // by a writer
    EXPECT_EQ(content_of(store_), more);
    EXPECT_OK(verify_store(store_));
}

// A document with all that version 3 keeps.
const TestDocument kDescribed{"d", "1", 4, 5};
DocumentHeader described_header() {
    DocumentHeader header = header_of(kDescribed);
    header.title = "Pier dues";
    header.date = "2021-05-03";
    header.properties = {{"author", "Ada"}, {"status", "final"}};
    return header;
}
Unit described_unit(uint32_t i) {
    Unit unit = unit_of(kDescribed, i);
    unit.heading = "Pier dues > Part " + std::to_string(i / 2);
    unit.columns = "Ship | Toll";
    unit.time_begin_ms = 1000 * i;
    unit.time_end_ms = 1000 * i + 900;
    return unit;
}
void index_described(const std::string& store) {
    const auto writer = open_writer(store);
    ASSERT_OK(writer->begin_document(described_header()));
    for (uint32_t i = 0; i < kDescribed.n_units; ++i) {
        ASSERT_OK(writer->add_unit(described_unit(i), 5));
        ASSERT_OK(writer->add_codes(codes_of("d", uint64_t{i} * 5, 5)));
    }
    ASSERT_OK(writer->end_document());
    ASSERT_OK(writer->commit());
}

void expect_described(const std::string& store) {
    const DocumentInfo document = list_documents(store)->back();
    EXPECT_EQ(document.title, "Pier dues");
    EXPECT_EQ(document.date, "2021-05-03");
    EXPECT_FALSE(document.date_of_file);
    EXPECT_TRUE(document.described);
    EXPECT_EQ(document.properties,
              (std::map<std::string, std::string>{{"author", "Ada"}, {"status", "final"}}));
    const auto reader = open_reader(store);
    const UnitRow unit = *reader->unit(reader->live_units().back().unit_id);
    EXPECT_EQ(unit.heading, "Pier dues > Part 1");
    EXPECT_EQ(unit.columns, "Ship | Toll");
    EXPECT_EQ(unit.time_begin_ms, 3000u);
    EXPECT_EQ(unit.time_end_ms, 3900u);
    EXPECT_EQ(reader->bm25("toll", 10)->size(), 4u);
    EXPECT_EQ(reader->document(unit.doc_id)->properties, document.properties);
    EXPECT_OK(verify_store(store));
}

TEST_F(Open, HeadingsDatesAndPropertiesAreKeptMergedAndExported) {
    index_described(store_);
    expect_described(store_);
    ASSERT_OK(export_store(store_, directory_ / "file"));
    ASSERT_OK(import_store(directory_ / "file", directory_ / "imported"));
    expect_described(directory_ / "imported");
    index_document(*open_writer(directory_ / "other"), {"a", "1", 2, 5});
    struct : ProgressSink {
        void update(const Progress&) override {}
        void note(const std::string&) override {}
    } quiet;
    ASSERT_OK(
        Store::merge(directory_ / "merged", {directory_ / "other", store_}, quiet, CancelToken()));
    expect_described(directory_ / "merged");
    ASSERT_OK(remove_document(directory_ / "merged", "d"));
    EXPECT_OK(verify_store(directory_ / "merged"));
    EXPECT_EQ(list_documents(directory_ / "merged")->back().properties.size(), 0u);
}

TEST_F(Open, StoresOfVersion2AreBroughtUpToDate) {
    index_described(store_);
    index_document(*open_writer(store_), {"a", "1", 9, 5});
    index_document(*open_writer(store_), {"b", "1", 3, 5});
    ASSERT_OK(remove_document(store_, "b"));  // neither its id nor its units' are given out again
    const Content before = content_of(store_);
    make_version_2(store_);
    EXPECT_EQ(content_of(store_), before);
    EXPECT_OK(verify_store(store_));
    EXPECT_FALSE(list_documents(store_)->front().described);
    EXPECT_TRUE(open_reader(store_)->bm25("toll", 10)->empty());
    index_document(*open_writer(store_), {"c", "1", 3, 5});
    EXPECT_EQ(list_documents(store_)->back().doc_id, DocumentId(4));
    EXPECT_TRUE(list_documents(store_)->back().described);
    EXPECT_OK(verify_store(store_));
}

TEST_F(Open, ExportsOfVersion2AreImported) {
    index_described(store_);
    const Content before = content_of(store_);
    std::string file = directory_ / "file";
    {
        const auto holding = open_writer(store_);  // so that nobody brings it up to date
        make_version_2(store_);
        ASSERT_OK(export_store(store_, file));
        EXPECT_EQ(verify_store(store_).error().code, ErrorCode::kUnsupported);
    }
    ASSERT_OK(import_store(file, directory_ / "imported"));
    EXPECT_EQ(content_of(directory_ / "imported"), before);
    EXPECT_OK(verify_store(directory_ / "imported"));
}

TEST_F(Open, UnchangedDocumentsOfVersion2AreDescribedWithoutAScan) {
    index_described(store_);
    const Content before = content_of(store_);
    make_version_2(store_);
    const auto writer = open_writer(store_);
    const auto begun = writer->begin_document(described_header());
    ASSERT_OK(begun);
    EXPECT_EQ(begun->kind, StoreWriter::Begin::Kind::kUnchanged);
    EXPECT_FALSE(begun->described);
    // Other units than those that are stored change nothing.
    for (const uint32_t wrong : {2u, 3u, 5u}) {
        uint32_t at = 0;
        const auto other =
            writer->describe(begun->doc_id, described_header(), [&](Unit& unit) -> Result<bool> {
                if (at == wrong && wrong != 3) return false;
                unit = described_unit(std::min(at++, 3u));
                if (wrong == 3 && at == 3) unit.text += "!";
                return true;
            });
        ASSERT_OK(other);
        EXPECT_FALSE(*other) << wrong;
    }
    uint32_t at = 0;
    const auto same =
        writer->describe(begun->doc_id, described_header(), [&](Unit& unit) -> Result<bool> {
            if (at == kDescribed.n_units) return false;
            unit = described_unit(at++);
            return true;
        });
    ASSERT_OK(same);
    EXPECT_TRUE(*same);
    ASSERT_OK(writer->commit());
    EXPECT_EQ(content_of(store_), before);
    expect_described(store_);
    EXPECT_TRUE(writer->begin_document(described_header())->described);
}

TEST_F(Open, StoresOfVersion2ThatCannotBeWrittenAreReadAsTheyAre) {
    index_described(store_);
    const Content before = content_of(store_);
    const auto holding = open_writer(store_);
    make_version_2(store_);
    EXPECT_EQ(content_of(store_), before);
    EXPECT_FALSE(list_documents(store_)->front().described);
    EXPECT_EQ(list_documents(store_)->front().title, "");
    EXPECT_FALSE(open_reader(store_)->bm25("castle", 10)->empty());
}

TEST_F(Open, OldStoresThatAWriterHoldsSayWhy) {
    index_document(*open_writer(store_), {"a", "1", 9, 5});
    const auto holding = open_writer(store_);
    make_old(store_);
    expect_reader_error(ErrorCode::kBusy, "older version");
}

TEST_F(Open, WordsCutByOtherTablesAreCutAgain) {
    index_document(*open_writer(store_), {"a", "1", 9, 5});
    const Content before = content_of(store_);
    {
        const auto db = Database::open(store_ + "/catalog.db", Database::Mode::kReadWrite);
        ASSERT_OK(
            (*db)->exec("INSERT INTO units_fts(units_fts) VALUES ('delete-all');"
                        "UPDATE meta SET value = 1 WHERE name = 'word_index'"));
    }
    EXPECT_EQ(content_of(store_), before);
    EXPECT_OK(verify_store(store_));
}

TEST_F(Open, FingerprintNamesTheFirstFieldThatDiffers) {
    index_document(*open_writer(store_), {"a", "1", 2, 10});
    Fingerprint other = fingerprint();
    other.fields["model_hash"] = "m2";
    other.fields["tokenizer_hash"] = "t2";
    for (const auto& error : {StoreReader::open(store_, &other).error(), writer(other).error()}) {
        EXPECT_EQ(error.code, ErrorCode::kMismatch);
        EXPECT_THAT(error.message, HasSubstr("model_hash = 'm1', this run has 'm2'"));
    }
    Fingerprint more = fingerprint();
    more.fields["zeta"] = "1";
    EXPECT_THAT(writer(more).error().message, HasSubstr("zeta = (none), this run has '1'"));
    Fingerprint fewer = fingerprint();
    fewer.fields.erase("key_side_hash");
    EXPECT_THAT(writer(fewer).error().message, HasSubstr("key_side_hash"));
    const Fingerprint same = fingerprint();
    EXPECT_OK(StoreReader::open(store_, &same));
    EXPECT_EQ(writer(same, {kShape.n_slots, 128, kShape.k}).error().code, ErrorCode::kMismatch);
}

TEST_F(Open, ImpossibleShapeIsRefusedBeforeAnythingIsMade) {
    EXPECT_EQ(writer(fingerprint(), {0, 64, 4}).error().code, ErrorCode::kInvalidArgument);
    EXPECT_FALSE(fs::exists(store_));
}

TEST_F(Open, SecondWriterIsToldWhoHoldsIt) {
    const auto first = open_writer(store_);
    const auto second = writer();
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::kBusy);
    EXPECT_THAT(second.error().message, HasSubstr("process " + std::to_string(::getpid())));
    EXPECT_EQ(remove_document(store_, "a").error().code, ErrorCode::kBusy);
    EXPECT_OK(verify_store(store_));
}

TEST_F(Open, AWriterThatDiedWhileMakingTheStoreLeavesNothingInTheWay) {
    fs::create_directory(store_);
    std::ofstream(store_ + "/catalog.db.new") << "half";
    std::ofstream(store_ + "/catalog.db.new-journal") << "half";
    std::ofstream(store_ + "/writer.lock") << "1";
    expect_reader_error(ErrorCode::kNotFound, "not yet a store");
    EXPECT_OK(writer());
    EXPECT_TRUE(files_in(store_, ".new").empty());
    EXPECT_OK(verify_store(store_));
}

TEST_F(Open, NamesWithUriCharacters) {
    for (const char* name : {"a?b#c%20d", "with space", "\xc3\xa9t\xc3\xa9", "quote'd"}) {
        const std::string store = directory_ / name;
        index_document(*open_writer(store), {"a", "1", 2, 10});
        EXPECT_TRUE(fs::exists(store + "/catalog.db"));
        EXPECT_EQ(list_documents(store)->size(), 1u);
    }
}

TEST_F(Open, NothingButOrphansIsRemoved) {
    index_document(*open_writer(store_), {"a", "1", 2, 10});
    const auto live = files_in(store_, ".seg");
    const std::vector<std::string> orphans = {"segment-000000000099.seg",
                                              "segment-000000000100.seg.tmp"};
    const std::vector<std::string> others = {"notes.seg", "x.tmp", "segment-1.seg",
                                             "segment-000000000099.seg.bak"};
    for (const auto& name : orphans) std::ofstream(store_ + "/" + name) << "x";
    for (const auto& name : others) std::ofstream(store_ + "/" + name) << "x";
    const auto report = verify_store(store_);
    ASSERT_OK(report);
    EXPECT_EQ(report->orphans_removed, orphans);
    for (const auto& name : orphans) EXPECT_FALSE(fs::exists(store_ + "/" + name)) << name;
    for (const auto& name : others) EXPECT_TRUE(fs::exists(store_ + "/" + name)) << name;
    for (const auto& name : live) EXPECT_TRUE(fs::exists(store_ + "/" + name)) << name;
    EXPECT_TRUE(verify_store(store_)->orphans_removed.empty());
}

TEST_F(Open, OrphansStayWhileAWriterLives) {
    const auto writing = open_writer(store_);
    std::ofstream(store_ + "/segment-000000000099.seg.tmp") << "x";
    EXPECT_TRUE(verify_store(store_)->orphans_removed.empty());
    EXPECT_TRUE(fs::exists(store_ + "/segment-000000000099.seg.tmp"));
}

// Runs `check` as a user who may not write the store; its failures count.
void as_stranger(const std::function<bool()>& check) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (::getuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
        ::_exit(check() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(Open, AReadOnlyStoreCanBeRead) {
    index_document(*open_writer(store_), {"a", "1", 2, 10});
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(store_.c_str(), 0555), 0);
    as_stranger([&] {
        const auto reader = StoreReader::open(store_, nullptr);
        if (!reader.ok()) std::fprintf(stderr, "%s\n", reader.error().message.c_str());
        return reader.ok() && (*reader)->documents()->size() == 1 &&
               !(*reader)->bm25("whale", 3)->empty() && verify_store(store_).ok() &&
               remove_document(store_, "a").error().code == ErrorCode::kIo;
    });
    ASSERT_EQ(::chmod(store_.c_str(), 0755), 0);
}

TEST_F(Open, AReadOnlyStoreThatWasNotClosedSaysSo) {
    const pid_t child = ::fork();
    if (child == 0) {
        index_document(*open_writer(store_).release(), {"a", "1", 2, 10});
        ::_exit(0);  // without closing: the log stays
    }
    ::waitpid(child, nullptr, 0);
    ASSERT_TRUE(fs::exists(store_ + "/catalog.db-wal"));
    fs::remove(store_ + "/catalog.db-shm");
    ASSERT_EQ(::chmod(directory_.path().c_str(), 0755), 0);
    ASSERT_EQ(::chmod(store_.c_str(), 0555), 0);
    as_stranger([&] {
        // SQLite can read some such stores; what it cannot read must be explained.
        const auto reader = StoreReader::open(store_, nullptr);
        return reader.ok()
                   ? (*reader)->documents()->size() == 1
                   : reader.error().message.find("not closed properly") != std::string::npos;
    });
    ASSERT_EQ(::chmod(store_.c_str(), 0755), 0);
    EXPECT_OK(verify_store(store_));
}

}  // namespace
}  // namespace s3attn

// Vectors live and die with their units: append, replace, remove, merge, export, damage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "store/sqlite.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

using namespace store_test;
using testing::HasSubstr;

struct Notes final : ProgressSink {
    void update(const Progress&) override {}
    void note(const std::string& text) override { notes.push_back(text); }
    std::vector<std::string> notes;
};

const EmbedderInfo kEmbedder{"tiny.gguf", "h1", 3};

// Depends on the text alone, as an embedder's does.
std::vector<float> vector_of(const std::string& text) {
    const double angle = static_cast<double>(std::hash<std::string>()(text) % 1000);
    return {static_cast<float>(std::sin(angle)), static_cast<float>(std::cos(angle)), 0.25f};
}

class Vectors : public testing::Test {
  protected:
    // At most `limit` units get theirs; returns how many did.
    size_t embed(const std::string& store, uint32_t limit = 1000) {
        const auto writer = open_writer(store);
        EXPECT_OK(writer->use_embedder(kEmbedder));
        const auto units = writer->units_to_embed(UnitId(), limit);
        EXPECT_OK(units);
        std::vector<std::vector<float>> vectors;
        for (const auto& unit : *units) vectors.push_back(vector_of(unit.text));
        EXPECT_OK(writer->add_vectors(*units, vectors));
        return units->size();
    }
    void index(const std::string& store, const std::vector<TestDocument>& documents) {
        const auto writer = open_writer(store);
        for (const TestDocument& document : documents) index_document(*writer, document);
    }
    // Units whose vector is that of their text; every other one has none.
    size_t right_vectors(const std::string& store) {
        const auto reader = open_reader(store);
        const auto vectors = reader->vectors();
        EXPECT_OK(vectors);
        size_t right = 0;
        for (size_t u = 0; u < vectors->scales.size(); ++u) {
            if (vectors->scales[u] == 0) continue;
            ++right;
            const auto expected = vector_of(reader->unit(reader->live_units()[u].unit_id)->text);
            for (size_t i = 0; i < 3; ++i) {
                const double value = vectors->scales[u] * vectors->codes[u * 3 + i];
                EXPECT_NEAR(value, expected[i], 1.0 / 127);
            }
        }
        return right;
    }
    void sabotage(const char* sql) const {
        const auto db = Database::open(store_ + "/catalog.db", Database::Mode::kReadWrite);
        ASSERT_OK(db);
        ASSERT_OK((*db)->exec("PRAGMA foreign_keys = OFF"));
        ASSERT_OK((*db)->exec(sql));
        const auto report = verify_store(store_);
        ASSERT_FALSE(report.ok()) << sql;
        EXPECT_EQ(report.error().code, ErrorCode::kCorrupt);
    }
    TemporaryDirectory directory_;
    std::string store_ = directory_ / "s";
    TestDocument a_{"a.txt", "1", 6, 10}, b_{"b.txt", "1", 3, 10};
};

TEST_F(Vectors, AStoreWithoutThemHasNone) {
    index(store_, {a_});
    const auto reader = open_reader(store_);
    EXPECT_FALSE(reader->embedder()->has_value());
    EXPECT_TRUE(reader->vectors()->scales.empty());
}

TEST_F(Vectors, ComeInPartsAndAfterEveryAppend) {
    index(store_, {a_});
    EXPECT_EQ(embed(store_, 4), 4u);
    EXPECT_EQ(right_vectors(store_), 4u);
    EXPECT_EQ(embed(store_), 2u) << "as after a kill";
    EXPECT_EQ(embed(store_), 0u);
    index(store_, {b_});
    EXPECT_EQ(right_vectors(store_), 6u);
    EXPECT_EQ(embed(store_), 3u);
    EXPECT_EQ(right_vectors(store_), 9u);
    EXPECT_EQ((*open_reader(store_)->embedder())->name, "tiny.gguf");
    EXPECT_OK(verify_store(store_));
}

TEST_F(Vectors, GoWithTheirDocument) {
    index(store_, {a_, b_});
    embed(store_);
    b_.version = "2";
    b_.n_units = 4;
    index(store_, {b_});  // replaced
    EXPECT_EQ(right_vectors(store_), 6u);
    EXPECT_EQ(embed(store_), 4u);
    {
        const auto writer = open_writer(store_);
        EXPECT_OK(writer->remove_document(open_reader(store_)->documents()->front().doc_id));
    }
    EXPECT_EQ(right_vectors(store_), 4u);
    EXPECT_OK(verify_store(store_));
}

TEST_F(Vectors, AreOfOneModelAndOfItsSize) {
    index(store_, {a_});
    embed(store_);
    const auto writer = open_writer(store_);
    const Status other = writer->use_embedder({"other.gguf", "h2", 3});
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().code, ErrorCode::kMismatch);
    EXPECT_THAT(other.error().message, HasSubstr("tiny.gguf"));
    EXPECT_FALSE(writer->add_vectors({{UnitId(1), "x"}}, {{1, 2}}).ok());
}

TEST_F(Vectors, AreMergedByText) {
    const std::string one = directory_ / "one", two = directory_ / "two";
    index(one, {a_});
    index(two, {b_});
    embed(one);
    embed(two, 2);
    Notes notes;
    ASSERT_OK(Store::merge(store_, {one, two}, notes, CancelToken()));
    EXPECT_EQ(right_vectors(store_), 8u);
    ASSERT_EQ(notes.notes.size(), 1u);
    EXPECT_THAT(notes.notes[0], HasSubstr("1 of the merged passages"));
    EXPECT_EQ(embed(store_), 1u);
    EXPECT_OK(verify_store(store_));
}

TEST_F(Vectors, ExportAndImportKeepThem) {
    index(store_, {a_});
    embed(store_);
    const std::string file = directory_ / "s.s3x", copy = directory_ / "copy";
    ASSERT_OK(Store::open(store_)->export_to(file));
    ASSERT_OK(Store::import_from(file, copy));
    EXPECT_EQ(right_vectors(copy), 6u);
}

TEST_F(Vectors, DamageIsNamed) {
    index(store_, {a_});
    embed(store_);
    sabotage("UPDATE vectors SET code = x'0102' WHERE unit_id = 2");
    sabotage("DELETE FROM vectors WHERE unit_id = 2; UPDATE embedder SET dimension = 0");
    sabotage("UPDATE embedder SET dimension = 3; UPDATE vectors SET scale = -1 WHERE unit_id = 3");
    sabotage(
        "DELETE FROM vectors WHERE unit_id = 3; INSERT INTO vectors VALUES (99, 1, x'010203')");
    sabotage("DELETE FROM vectors WHERE unit_id = 99; DROP TABLE embedder");
}

}  // namespace
}  // namespace s3attn

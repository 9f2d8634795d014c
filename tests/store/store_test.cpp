// The writer: documents begin, resume, replace, go.
#include "store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "s3attn/reason.h"
#include "store_fixture.h"

namespace s3attn {
namespace {

using namespace store_test;
using Kind = StoreWriter::Begin::Kind;
TEST_F(StoreTest, KeepsDocumentUnitsAndCodes) {
    index_document(*open_writer(store_), a_);
    const auto reader = open_reader(store_);
    const auto documents = reader->documents();
    ASSERT_OK(documents);
    ASSERT_EQ(documents->size(), 1u);
    const DocumentInfo& info = documents->front();
    EXPECT_EQ(info.path, "a.txt");
    EXPECT_EQ(info.format, "text");
    EXPECT_EQ(info.encoding, "UTF-8");
    EXPECT_EQ(info.source_bytes, text_of(a_).size());
    EXPECT_EQ(info.source_hash, "hash-a.txt-1");
    EXPECT_EQ(info.tokens, 50u);
    EXPECT_EQ(info.units, 5u);
    EXPECT_TRUE(info.complete);
    EXPECT_THAT(info.indexed_at, testing::MatchesRegex("....-..-..T..:..:..Z"));
    EXPECT_EQ(reader->live_tokens(), 50u);
    ASSERT_EQ(reader->live_units().size(), 5u);
    const auto unit = reader->unit(reader->live_units()[2].unit_id);
    ASSERT_OK(unit);
    const Unit expected = unit_of(a_, 2);
    EXPECT_EQ(unit->text, expected.text);
    EXPECT_EQ(unit->byte_begin, expected.byte_begin);
    EXPECT_EQ(unit->byte_end, expected.byte_end);
    EXPECT_EQ(unit->line_begin, expected.line_begin);
    EXPECT_EQ(unit->position_begin, TokenPosition(20));
    EXPECT_EQ(unit->n_tokens, 10u);
    EXPECT_EQ(unit->doc_id, info.doc_id);
    EXPECT_EQ(content_of(store_).postings.at("a.txt"), postings_of(codes_of("a.txt1", 0, 50), 0));
    EXPECT_EQ(content_of(store_).texts.at("a.txt"), text_of(a_));
    expect_clean();
}

TEST_F(StoreTest, TextMayHoldAnyBytes) {
    const std::string text("NUL \0 quote ' \" \xff\xfe end", 22);
    {
        const auto writer = open_writer(store_);
        ASSERT_OK(writer->begin_document(header_of(a_)));
        Unit unit;
        unit.text = text;
        unit.byte_end = text.size();
        ASSERT_OK(writer->add_unit(unit, 0));
        ASSERT_OK(writer->end_document());
        ASSERT_OK(writer->commit());
    }
    EXPECT_EQ(content_of(store_).texts.at("a.txt"), text);
    expect_clean();
}

TEST_F(StoreTest, EmptyDocumentIsComplete) {
    index_document(*open_writer(store_), {"empty", "1", 0, 0});
    ASSERT_EQ(list_documents(store_)->size(), 1u);
    EXPECT_TRUE(list_documents(store_)->front().complete);
    EXPECT_TRUE(open_reader(store_)->bm25("anything", 5)->empty());
    expect_clean();
}

TEST_F(StoreTest, UnchangedDocumentIsNotIndexedAgain) {
    index_document(*open_writer(store_), a_);
    const auto begin = open_writer(store_)->begin_document(header_of(a_));
    ASSERT_OK(begin);
    EXPECT_EQ(begin->kind, Kind::kUnchanged);
    EXPECT_EQ(begin->doc_id, DocumentId(1));
}

TEST_F(StoreTest, InterruptedDocumentResumesWithItsId) {
    {
        const auto writer = open_writer(store_);
        ASSERT_EQ(writer->begin_document(header_of(a_))->kind, Kind::kNew);
        add_units(*writer, a_, 0, 2);
        ASSERT_OK(writer->commit());
        add_units(*writer, a_, 2, 4);  // lost
    }
    ASSERT_EQ(list_documents(store_)->size(), 1u);
    EXPECT_FALSE(list_documents(store_)->front().complete);
    EXPECT_EQ(list_documents(store_)->front().tokens, 20u);
    EXPECT_EQ(open_reader(store_)->live_units().size(), 2u);  // a new document shows as it grows
    EXPECT_FALSE(open_reader(store_)->bm25("whale", 5)->empty());
    {
        const auto writer = open_writer(store_);
        const auto begin = writer->begin_document(header_of(a_));
        ASSERT_OK(begin);
        EXPECT_EQ(begin->kind, Kind::kResumes);
        EXPECT_EQ(begin->doc_id, DocumentId(1));
        EXPECT_EQ(begin->units_done, 2u);
        EXPECT_EQ(begin->tokens_done, 20u);
        EXPECT_FALSE(writer->add_unit(unit_of(a_, 1), 10).ok()) << "overlaps what is there";
        add_units(*writer, a_, 2, 5);
        ASSERT_OK(writer->end_document());
        ASSERT_OK(writer->commit());
    }
    index_document(*open_writer(directory_ / "whole"), a_);
    EXPECT_EQ(content_of(store_), content_of(directory_ / "whole"));
    expect_clean();
}

TEST_F(StoreTest, InterruptedDocumentThatChangedStartsAgain) {
    {
        const auto writer = open_writer(store_);
        ASSERT_OK(writer->begin_document(header_of(a_)));
        add_units(*writer, a_, 0, 2);
        ASSERT_OK(writer->commit());
    }
    TestDocument changed = a_;
    changed.version = "2";
    {
        const auto writer = open_writer(store_);
        const auto begin = writer->begin_document(header_of(changed));
        ASSERT_OK(begin);
        EXPECT_EQ(begin->kind, Kind::kNew);
        EXPECT_NE(begin->doc_id, DocumentId(1)) << "ids are never reused";
        EXPECT_EQ(begin->units_done, 0u);
        add_units(*writer, changed, 0, 5);
        ASSERT_OK(writer->end_document());
        ASSERT_OK(writer->commit());
    }
    index_document(*open_writer(directory_ / "whole"), changed);
    EXPECT_EQ(content_of(store_), content_of(directory_ / "whole"));
    expect_clean();
}

TEST_F(StoreTest, ReplacementShowsOnlyWhenComplete) {
    index_document(*open_writer(store_), a_);
    const Content before = content_of(store_);
    TestDocument changed = a_;
    changed.version = "2";
    changed.n_units = 7;
    {
        const auto writer = open_writer(store_);
        const auto begin = writer->begin_document(header_of(changed));
        ASSERT_OK(begin);
        EXPECT_EQ(begin->kind, Kind::kReplaces);
        add_units(*writer, changed, 0, 3);
        ASSERT_OK(writer->commit());
        EXPECT_EQ(content_of(store_), before);
        expect_clean();
    }
    EXPECT_EQ(paths(), std::vector<std::string>{"a.txt"});
    EXPECT_TRUE(list_documents(store_)->front().complete);
    {
        const auto writer = open_writer(store_);
        const auto begin = writer->begin_document(header_of(changed));
        ASSERT_OK(begin);
        EXPECT_EQ(begin->kind, Kind::kResumes);
        EXPECT_EQ(begin->units_done, 3u);
        add_units(*writer, changed, 3, 7);
        ASSERT_OK(writer->end_document());
        EXPECT_EQ(content_of(store_), before) << "not committed yet";
        ASSERT_OK(writer->commit());
    }
    index_document(*open_writer(directory_ / "whole"), changed);
    EXPECT_EQ(content_of(store_), content_of(directory_ / "whole"));
    EXPECT_EQ(list_documents(store_)->front().doc_id, DocumentId(2));
    expect_clean();
}

TEST_F(StoreTest, ChangeTakenBackDropsTheReplacement) {
    index_document(*open_writer(store_), a_);
    const Content before = content_of(store_);
    TestDocument changed = a_;
    changed.version = "2";
    const auto writer = open_writer(store_);
    ASSERT_OK(writer->begin_document(header_of(changed)));
    add_units(*writer, changed, 0, 3);
    ASSERT_OK(writer->commit());
    EXPECT_EQ(writer->begin_document(header_of(a_))->kind, Kind::kUnchanged);
    ASSERT_OK(writer->commit());
    EXPECT_EQ(content_of(store_), before);
    expect_clean();
}

TEST_F(StoreTest, RemovesByPathAndById) {
    index_document(*open_writer(store_), a_);
    index_document(*open_writer(store_), {"b.txt", "1", 4, 10});
    const auto removed = remove_document(store_, "a.txt");
    ASSERT_OK(removed);
    EXPECT_EQ(removed->doc_id, DocumentId(1));
    EXPECT_EQ(paths(), std::vector<std::string>{"b.txt"});
    index_document(*open_writer(directory_ / "b"), {"b.txt", "1", 4, 10});
    EXPECT_EQ(content_of(store_), content_of(directory_ / "b"));
    expect_clean();
    ASSERT_OK(remove_document(store_, "b.txt"));
    EXPECT_TRUE(paths().empty());
    EXPECT_TRUE(open_reader(store_)->segments().empty());
    EXPECT_TRUE(files_in(store_, ".seg").empty());
    expect_clean();
    auto store = Store::open(store_, Store::Access::kWrite);
    ASSERT_OK(store);
    for (const int64_t id : {int64_t{2}, int64_t{0}, int64_t{-1}, INT64_MAX}) {
        const auto gone = store->remove(DocumentId(id));
        ASSERT_FALSE(gone.ok()) << id;
        EXPECT_EQ(gone.error().code, ErrorCode::kNotFound);
        EXPECT_EQ(gone.error().reason, reason::kNoDocument);
        EXPECT_EQ(gone.error().subject, std::to_string(id));
    }
    ASSERT_OK(store->remove(std::vector{DocumentId(1), DocumentId(2)})) << "those that are there";
}

TEST_F(StoreTest, ANumberIsNeverTakenForAName) {
    for (const char* name : {"1", "10", "2"})
        index_document(*open_writer(store_), {name, "1", 2, 5});
    auto store = Store::open(store_, Store::Access::kWrite);
    ASSERT_OK(store);
    const auto removed = store->remove(DocumentId(2));
    ASSERT_OK(removed);
    EXPECT_EQ(removed->path, "10");
    EXPECT_EQ(paths(), (std::vector<std::string>{"1", "2"}));
    ASSERT_OK(store->find("2"));
    EXPECT_EQ((*store->find("2"))->doc_id, DocumentId(3));
    EXPECT_FALSE(store->find("3")->has_value());
}

TEST_F(StoreTest, HandlesForReadingDoNotWriteAndOneHandleWrites) {
    index_document(*open_writer(store_), a_);
    auto reading = Store::open(store_);
    ASSERT_OK(reading);
    EXPECT_EQ(reading->remove(DocumentId(1)).error().code, ErrorCode::kInvalidArgument);
    const auto writing = Store::open(store_, Store::Access::kWrite);
    ASSERT_OK(writing);
    const auto second = Store::open(store_, Store::Access::kWrite);
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().reason, reason::kStoreBusy);
    EXPECT_EQ(second.error().subject, store_);
    EXPECT_EQ(Store::open(directory_ / "none").error().reason, reason::kNoStore);
}

TEST_F(StoreTest, ListingOpensNoSegment) {
    index_document(*open_writer(store_), a_);
    for (const std::string& file : files_in(store_, ".seg"))
        std::filesystem::remove(store_ + "/" + file);
    EXPECT_EQ(paths(), std::vector<std::string>{"a.txt"});
    ASSERT_OK(read_document_text(store_, DocumentId(1), [](auto) { return true; }));
    EXPECT_FALSE(verify_store(store_).ok());
}

TEST_F(StoreTest, RemovingADocumentTakesItsReplacementAlong) {
    index_document(*open_writer(store_), a_);
    TestDocument changed = a_;
    changed.version = "2";
    {
        const auto writer = open_writer(store_);
        ASSERT_OK(writer->begin_document(header_of(changed)));
        add_units(*writer, changed, 0, 3);
        ASSERT_OK(writer->commit());
    }
    ASSERT_OK(remove_document(store_, "a.txt"));
    EXPECT_TRUE(paths().empty());
    EXPECT_EQ(verify_store(store_)->units, 0u);
    EXPECT_EQ(open_writer(store_)->begin_document(header_of(changed))->kind, Kind::kNew);
}

TEST_F(StoreTest, IdsAreNotReused) {
    index_document(*open_writer(store_), a_);
    ASSERT_OK(remove_document(store_, "a.txt"));
    index_document(*open_writer(store_), a_);
    EXPECT_EQ(list_documents(store_)->front().doc_id, DocumentId(2));
}

TEST_F(StoreTest, SeveralDocumentsInOneCommit) {
    {
        const auto writer = open_writer(store_);
        for (const char* path : {"x", "y", "z"}) {
            const TestDocument document{path, "1", 3, 10};
            ASSERT_OK(writer->begin_document(header_of(document)));
            add_units(*writer, document, 0, 3);
            ASSERT_OK(writer->end_document());
        }
        EXPECT_EQ(writer->pending_tokens(), 90u);
        ASSERT_OK(writer->commit());
        EXPECT_EQ(writer->pending_tokens(), 0u);
    }
    EXPECT_EQ(paths(), (std::vector<std::string>{"x", "y", "z"}));
    EXPECT_EQ(open_reader(store_)->segments().size(), 1u);
    expect_clean();
}

TEST_F(StoreTest, CallsOutOfOrderAreRefused) {
    const auto writer = open_writer(store_);
    EXPECT_FALSE(writer->add_unit(unit_of(a_, 0), 10).ok());
    EXPECT_FALSE(writer->end_document().ok());
    EXPECT_FALSE(writer->begin_document({}).ok()) << "no path";
    EXPECT_OK(writer->commit());
    ASSERT_OK(writer->begin_document(header_of(a_)));
    EXPECT_FALSE(writer->add_codes(codes_of("a", 0, 1)).ok()) << "codes ahead of units";
    ASSERT_OK(writer->add_unit(unit_of(a_, 0), 10));
    EXPECT_FALSE(writer->commit().ok()) << "codes are missing";
    EXPECT_FALSE(writer->remove_document(DocumentId(1)).ok()) << "inside a commit";
    CodeBatch codes = codes_of("a", 0, 10);
    codes.feature[0] = 64;
    codes.activation[0] = 1;
    EXPECT_FALSE(writer->add_codes(codes).ok());
    // None of the refusals broke the writer.
    ASSERT_OK(writer->add_codes(codes_of("a.txt1", 0, 10)));
    ASSERT_OK(writer->end_document());
    ASSERT_OK(writer->commit());
    expect_clean();
}

}  // namespace
}  // namespace s3attn

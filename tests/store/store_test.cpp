// Writer and reader: documents begin, resume, replace, go; readers keep their snapshot.
#include "store/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "store/inspect.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

using namespace store_test;
using Kind = StoreWriter::Begin::Kind;
using testing::HasSubstr;

class Store : public testing::Test {
  protected:
    std::vector<std::string> paths() const {
        std::vector<std::string> paths;
        const auto documents = list_documents(store_);
        EXPECT_OK(documents);
        for (const auto& document : *documents) paths.push_back(document.path);
        return paths;
    }
    void expect_clean() const { EXPECT_OK(verify_store(store_)); }

    TemporaryDirectory directory_;
    std::string store_ = directory_ / "s";
    TestDocument a_{"a.txt", "1", 5, 10};
};

TEST_F(Store, KeepsDocumentUnitsAndCodes) {
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
    EXPECT_EQ(unit->position_begin, 20u);
    EXPECT_EQ(unit->n_tokens, 10u);
    EXPECT_EQ(unit->doc_id, info.doc_id);
    EXPECT_EQ(content_of(store_).postings.at("a.txt"), postings_of(codes_of("a.txt1", 0, 50), 0));
    EXPECT_EQ(content_of(store_).texts.at("a.txt"), text_of(a_));
    expect_clean();
}

TEST_F(Store, TextMayHoldAnyBytes) {
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

TEST_F(Store, EmptyDocumentIsComplete) {
    index_document(*open_writer(store_), {"empty", "1", 0, 0});
    ASSERT_EQ(list_documents(store_)->size(), 1u);
    EXPECT_TRUE(list_documents(store_)->front().complete);
    EXPECT_TRUE(open_reader(store_)->bm25("anything", 5)->empty());
    expect_clean();
}

TEST_F(Store, UnchangedDocumentIsNotIndexedAgain) {
    index_document(*open_writer(store_), a_);
    const auto begin = open_writer(store_)->begin_document(header_of(a_));
    ASSERT_OK(begin);
    EXPECT_EQ(begin->kind, Kind::kUnchanged);
    EXPECT_EQ(begin->doc_id, 1);
}

TEST_F(Store, InterruptedDocumentResumesWithItsId) {
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
        EXPECT_EQ(begin->doc_id, 1);
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

TEST_F(Store, InterruptedDocumentThatChangedStartsAgain) {
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
        EXPECT_NE(begin->doc_id, 1) << "ids are never reused";
        EXPECT_EQ(begin->units_done, 0u);
        add_units(*writer, changed, 0, 5);
        ASSERT_OK(writer->end_document());
        ASSERT_OK(writer->commit());
    }
    index_document(*open_writer(directory_ / "whole"), changed);
    EXPECT_EQ(content_of(store_), content_of(directory_ / "whole"));
    expect_clean();
}

TEST_F(Store, ReplacementShowsOnlyWhenComplete) {
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
    EXPECT_EQ(list_documents(store_)->front().doc_id, 2);
    expect_clean();
}

TEST_F(Store, ChangeTakenBackDropsTheReplacement) {
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

TEST_F(Store, RemovesByPathAndById) {
    index_document(*open_writer(store_), a_);
    index_document(*open_writer(store_), {"b.txt", "1", 4, 10});
    const auto removed = remove_document(store_, "a.txt");
    ASSERT_OK(removed);
    EXPECT_EQ(removed->doc_id, 1);
    EXPECT_EQ(paths(), std::vector<std::string>{"b.txt"});
    index_document(*open_writer(directory_ / "b"), {"b.txt", "1", 4, 10});
    EXPECT_EQ(content_of(store_), content_of(directory_ / "b"));
    expect_clean();
    ASSERT_OK(remove_document(store_, "2"));
    EXPECT_TRUE(paths().empty());
    EXPECT_TRUE(open_reader(store_)->segments().empty());
    EXPECT_TRUE(files_in(store_, ".seg").empty());
    expect_clean();
    for (const char* name : {"2", "a.txt", "", "99999999999999999999", "-1", "2x"}) {
        const auto gone = remove_document(store_, name);
        ASSERT_FALSE(gone.ok()) << name;
        EXPECT_EQ(gone.error().code, ErrorCode::kNotFound);
    }
}

TEST_F(Store, RemovingADocumentTakesItsReplacementAlong) {
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

TEST_F(Store, IdsAreNotReused) {
    index_document(*open_writer(store_), a_);
    ASSERT_OK(remove_document(store_, "a.txt"));
    index_document(*open_writer(store_), a_);
    EXPECT_EQ(list_documents(store_)->front().doc_id, 2);
}

TEST_F(Store, SeveralDocumentsInOneCommit) {
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

TEST_F(Store, CallsOutOfOrderAreRefused) {
    const auto writer = open_writer(store_);
    EXPECT_FALSE(writer->add_unit(unit_of(a_, 0), 10).ok());
    EXPECT_FALSE(writer->end_document().ok());
    EXPECT_FALSE(writer->begin_document({}).ok()) << "no path";
    EXPECT_OK(writer->commit());
    ASSERT_OK(writer->begin_document(header_of(a_)));
    EXPECT_FALSE(writer->add_codes(codes_of("a", 0, 1)).ok()) << "codes ahead of units";
    ASSERT_OK(writer->add_unit(unit_of(a_, 0), 10));
    EXPECT_FALSE(writer->commit().ok()) << "codes are missing";
    EXPECT_FALSE(writer->remove_document("a.txt").ok()) << "inside a commit";
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

TEST_F(Store, ReaderKeepsItsSnapshot) {
    index_document(*open_writer(store_), a_);
    index_document(*open_writer(store_), {"b.txt", "1", 4, 10});
    const auto reader = open_reader(store_);
    const Postings before = live_postings(*reader);
    const auto matches = reader->bm25("whale", 10);
    ASSERT_OK(matches);
    TestDocument changed = a_;
    changed.version = "2";
    index_document(*open_writer(store_), changed);
    ASSERT_OK(remove_document(store_, "b.txt"));
    for (int i = 0; i < 20; ++i) {
        index_document(*open_writer(store_), {"c" + std::to_string(i), "1", 2, 10});
    }
    EXPECT_EQ(live_postings(*reader), before);
    EXPECT_EQ(reader->documents()->size(), 2u);
    EXPECT_EQ(reader->document(2)->path, "b.txt");
    const auto again = reader->bm25("whale", 10);
    ASSERT_OK(again);
    ASSERT_EQ(again->size(), matches->size());
    for (size_t i = 0; i < again->size(); ++i) {
        EXPECT_EQ((*again)[i].unit_id, (*matches)[i].unit_id);
        EXPECT_EQ((*again)[i].bm25, (*matches)[i].bm25);
        EXPECT_OK(reader->unit((*again)[i].unit_id));
    }
    EXPECT_EQ(open_reader(store_)->documents()->size(), 21u);
    expect_clean();
}

TEST_F(Store, ReadersOpenWhileAWriterWrites) {
    std::atomic<bool> done = false;
    index_document(*open_writer(store_), a_);
    std::thread writing([&] {
        const auto writer = open_writer(store_);
        for (int i = 0; i < 60; ++i) {
            TestDocument document{"d" + std::to_string(i % 12), std::to_string(i), 3, 10};
            index_document(*writer, document, 2);
        }
        done = true;
    });
    size_t opened = 0;
    for (; !done; ++opened) {
        const auto reader = StoreReader::open(store_, nullptr);
        ASSERT_OK(reader);
        uint64_t tokens = 0;
        const auto documents = (*reader)->documents();
        ASSERT_OK(documents);
        for (const auto& document : *documents) tokens += document.tokens;
        EXPECT_EQ(tokens, (*reader)->live_tokens());
        Postings postings;
        for (const auto& segment : (*reader)->segments()) read_postings(*segment, postings);
    }
    writing.join();
    EXPECT_GT(opened, 0u);
    EXPECT_EQ(paths().size(), 13u);
    expect_clean();
}

TEST_F(Store, BlocksAreReadFromManyThreads) {
    index_document(*open_writer(store_), {"big", "1", 50, 200});
    const auto reader = open_reader(store_);
    const Postings expected = live_postings(*open_reader(store_));
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            EXPECT_EQ(live_postings(*reader), expected);
            EXPECT_FALSE(reader->bm25("castle", 5)->empty());
            for (const auto& extent : reader->live_units()) EXPECT_OK(reader->unit(extent.unit_id));
        });
    }
    for (std::thread& thread : threads) thread.join();
}

TEST_F(Store, InspectShowsWhereAFeatureFires) {
    index_document(*open_writer(store_), a_);
    index_document(*open_writer(store_), {"b.txt", "1", 4, 10});
    ASSERT_OK(remove_document(store_, "a.txt"));
    const auto [key, activation] = *live_postings(*open_reader(store_)).begin();
    const auto [slot, position, feature] = key;
    const auto report = inspect_postings(store_, {static_cast<int>(slot), feature, 100, true, ""});
    ASSERT_OK(report);
    EXPECT_EQ(report->fingerprint, fingerprint().fields);
    EXPECT_EQ(report->documents, 1u);
    EXPECT_EQ(report->tokens, 40u);
    EXPECT_EQ(report->heads, kShape.n_slots);
    ASSERT_FALSE(report->occurrences.empty());
    EXPECT_EQ(report->feature_postings, report->occurrences.size());
    double strongest = 255;
    bool found = false;
    for (const FeatureOccurrence& o : report->occurrences) {
        EXPECT_LE(o.activation, strongest);
        strongest = o.activation;
        EXPECT_EQ(o.path, "b.txt");
        EXPECT_THAT(o.context, HasSubstr("of b.txt"));
        EXPECT_LT(o.unit_token, 10u);
        found |= o.position == position && o.activation == activation;
    }
    EXPECT_TRUE(found);
    EXPECT_EQ(report->dead_features, report->posting_length_histogram[0]);
    uint64_t bytes = 0;
    for (const auto& [part, size] : report->parts) bytes += size;
    EXPECT_EQ(bytes, report->catalog_bytes + report->segment_bytes);
    uint64_t features = 0;
    for (const uint64_t n : report->posting_length_histogram) features += n;
    EXPECT_EQ(features, uint64_t{kShape.n_slots} * kShape.latents);
    ASSERT_FALSE(report->densest.empty());
    EXPECT_EQ(inspect_postings(store_, {static_cast<int>(slot), feature, 1, true, ""})
                  ->occurrences.size(),
              1u);
    EXPECT_FALSE(inspect_postings(store_, {2, 0, 1, true, ""}).ok());
    EXPECT_FALSE(inspect_postings(store_, {0, kShape.latents, 1, true, ""}).ok());
    EXPECT_TRUE(inspect_postings(store_, {-1, 0, 1, true, ""})->occurrences.empty());
}

TEST_F(Store, UnknownIdsAreNotFound) {
    index_document(*open_writer(store_), a_);
    const auto reader = open_reader(store_);
    EXPECT_EQ(reader->unit(999).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(reader->document(999).error().code, ErrorCode::kNotFound);
    EXPECT_FALSE(read_document_text(store_, 999, [](auto) { return true; }).ok());
    int pieces = 0;
    ASSERT_OK(read_document_text(store_, 1, [&](auto) { return ++pieces < 3; }));
    EXPECT_EQ(pieces, 3) << "stops when told to";
}

TEST_F(Store, RangesAreTheUnitsTheyTouch) {
    index_document(*open_writer(store_), a_);
    const std::string text = text_of(a_);
    for (uint64_t begin = 0; begin < text.size(); begin += 7) {
        for (const uint64_t end : {begin, begin + 1, begin + 40, uint64_t{UINT64_MAX}}) {
            const auto range = read_document_range(store_, 1, begin, end, UINT64_MAX);
            ASSERT_OK(range);
            std::vector<uint64_t> expected, got;
            for (uint32_t i = 0; i < a_.n_units; ++i) {
                const Unit unit = unit_of(a_, i);
                if (unit.byte_begin < end && unit.byte_end > begin) {
                    expected.push_back(unit.byte_begin);
                }
            }
            for (const UnitText& unit : range->units) {
                got.push_back(unit.byte_begin);
                EXPECT_EQ(unit.text, text.substr(unit.byte_begin, unit.byte_end - unit.byte_begin));
            }
            EXPECT_EQ(got, expected) << begin << " to " << end;
            EXPECT_FALSE(range->cut);
        }
    }
    const auto cut = read_document_range(store_, 1, 0, UINT64_MAX, 1);
    ASSERT_OK(cut);
    EXPECT_EQ(cut->units.size(), 1u) << "at least one";
    EXPECT_TRUE(cut->cut);
    EXPECT_EQ(read_document_range(store_, 99, 0, 1, 1).error().code, ErrorCode::kNotFound);
}

TEST_F(Store, UploadsBelongToTheServer) {
    std::filesystem::create_directories(store_ + "/" + kUploadsFolder);
    std::ofstream(store_ + "/" + kUploadsFolder + "/notes.txt") << "text";
    EXPECT_EQ(list_documents(store_).error().code, ErrorCode::kNotFound) << "no store yet";
    index_document(*open_writer(store_), a_);
    ASSERT_OK(verify_store(store_));
    EXPECT_TRUE(std::filesystem::exists(store_ + "/" + kUploadsFolder + "/notes.txt"));
}

}  // namespace
}  // namespace s3attn

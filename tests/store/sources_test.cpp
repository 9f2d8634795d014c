// One file is one document, by whatever name; what became of files is known.
#include "store/sources.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "s3attn/reason.h"
#include "s3attn/store.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using namespace store_test;

class Sources : public testing::Test {
  protected:
    void SetUp() override {
        before_ = fs::current_path();
        fs::create_directory(directory_ / "work");
        fs::current_path(directory_ / "work");
    }
    void TearDown() override { fs::current_path(before_); }

    static void write(const std::string& path, const std::string& text) {
        std::ofstream(path) << text;
    }
    // As `index` does: the hash is that of the file's bytes. Returns what became of the document.
    struct Outcome {
        StoreWriter::Begin::Kind kind;
        DocumentId doc_id;
        std::string path, renamed_from;
    };
    Outcome index(const std::string& path) const {
        const auto writer = open_writer(store_);
        TestDocument document{path, read_all(path), 2, 5};
        DocumentHeader header = header_of(document);
        header.source_hash = "hash of " + read_all(path);
        const auto before = writer->recognise(header);
        EXPECT_OK(before);
        const auto begin = writer->begin_document(header);
        EXPECT_OK(begin);
        if (begin->kind != Kind::kUnchanged) {
            add_units(*writer, document, 0, 2);
            EXPECT_OK(writer->end_document());
        }
        EXPECT_OK(writer->commit());
        return {begin->kind, begin->doc_id, header.path, *before};
    }
    std::vector<std::string> paths() const {
        std::vector<std::string> paths;
        const auto documents = list_documents(store_);
        EXPECT_OK(documents);
        for (const DocumentInfo& d : *documents) {
            paths.push_back(d.path + (d.missing ? " (missing)" : ""));
        }
        return paths;
    }
    std::vector<std::string> gone(const std::vector<std::string>& inputs) const {
        std::vector<std::string> paths;
        for (const DocumentInfo& d : gone_documents(*list_documents(store_), inputs, store_)) {
            paths.push_back(d.path);
        }
        return paths;
    }

    using Kind = StoreWriter::Begin::Kind;
    using Paths = std::vector<std::string>;
    TemporaryDirectory directory_;
    std::string store_ = "../s";
    fs::path before_;
};

TEST_F(Sources, OneFileIsOneDocumentByAnyName) {
    fs::create_directories("real");
    write("real/x.txt", "one");
    fs::create_symlink("real", "linked");
    fs::create_symlink("real/x.txt", "link.txt");
    fs::create_hard_link("real/x.txt", "hard.txt");
    EXPECT_EQ(index("real/x.txt").kind, Kind::kNew);
    for (const std::string& name :
         {std::string("./real/x.txt"), fs::absolute("real/x.txt").string(), std::string("link.txt"),
          std::string("linked/x.txt"), std::string("real/../real//x.txt"),
          std::string("hard.txt")}) {
        const Outcome again = index(name);
        EXPECT_EQ(again.kind, Kind::kUnchanged) << name;
        EXPECT_EQ(again.path, "real/x.txt") << name;
    }
    EXPECT_EQ(paths(), Paths{"real/x.txt"}) << "as it was named first";
    write("real/x.txt", "two");
    EXPECT_EQ(index("link.txt").kind, Kind::kReplaces);
    EXPECT_EQ(paths(), Paths{"real/x.txt"});
    EXPECT_OK(verify_store(store_));
}

TEST_F(Sources, ADocumentIsFoundByAnyNameOfItsFile) {
    fs::create_directories("real");
    write("real/x.txt", "one");
    fs::create_symlink("real/x.txt", "link.txt");
    index("real/x.txt");
    const auto found = [&](const std::string& name) {
        const auto document = Store::open(store_)->find(name);
        EXPECT_OK(document) << name;
        return document.ok() && document->has_value();
    };
    const Paths spellings = {"real/x.txt", "./real/x.txt", "real/../real//x.txt",
                             fs::absolute("real/x.txt").string()};
    for (const std::string& name : spellings) EXPECT_TRUE(found(name)) << name;
    EXPECT_TRUE(found("link.txt"));
    for (const char* name : {"x.txt", "real", "", "-", "real/y.txt"}) EXPECT_FALSE(found(name));
    fs::remove("real/x.txt");
    for (const std::string& name : spellings) EXPECT_TRUE(found(name)) << name << ", gone";
}

TEST_F(Sources, AShortNameOfTwoDocumentsIsNoneOfThem) {
    write("x.txt", "one");
    index("x.txt");
    fs::create_directory("below");
    fs::current_path("below");
    store_ = "../../s";
    EXPECT_TRUE((*Store::open(store_)->find("x.txt"))->doc_id == DocumentId(1)) << "no file here";
    write("x.txt", "two");
    index("x.txt");
    const auto which = Store::open(store_)->find("x.txt");
    ASSERT_FALSE(which.ok());
    EXPECT_EQ(which.error().reason, reason::kDocumentAmbiguous);
    EXPECT_EQ((*Store::open(store_)->find("./x.txt"))->doc_id, DocumentId(2));
    EXPECT_EQ((*Store::open(store_)->find("../x.txt"))->doc_id, DocumentId(1));
}

TEST_F(Sources, AnotherFolderHasOtherFiles) {
    write("x.txt", "one");
    index("x.txt");
    fs::create_directory("below");
    fs::current_path("below");
    store_ = "../../s";
    write("x.txt", "two");
    const Outcome other = index("x.txt");
    EXPECT_EQ(other.kind, Kind::kNew);
    EXPECT_EQ(other.path, fs::canonical("x.txt").string()) << "the short name is another's";
    EXPECT_EQ(index("../x.txt").kind, Kind::kUnchanged);
    EXPECT_EQ(paths().size(), 2u);
}

TEST_F(Sources, ARenamedFileKeepsItsDocument) {
    write("a.txt", "one");
    write("b.txt", "two");
    const DocumentId id = index("a.txt").doc_id;
    index("b.txt");
    fs::rename("a.txt", "c.txt");
    const Outcome renamed = index("c.txt");
    EXPECT_EQ(renamed.kind, Kind::kUnchanged) << "nothing to scan";
    EXPECT_EQ(renamed.renamed_from, "a.txt");
    EXPECT_EQ(renamed.doc_id, id);
    EXPECT_EQ(paths(), (Paths{"c.txt", "b.txt"}));
    // Over another one, whose text is lost with it.
    fs::rename("c.txt", "b.txt");
    const Outcome over = index("b.txt");
    EXPECT_EQ(over.kind, Kind::kUnchanged);
    EXPECT_EQ(over.doc_id, id);
    EXPECT_EQ(paths(), Paths{"b.txt"});
    EXPECT_OK(verify_store(store_));
}

TEST_F(Sources, ACopyIsADocumentOfItsOwn) {
    write("a.txt", "one");
    index("a.txt");
    fs::copy_file("a.txt", "b.txt");
    const Outcome copy = index("b.txt");
    EXPECT_EQ(copy.kind, Kind::kNew);
    EXPECT_EQ(copy.renamed_from, "");
    fs::remove("a.txt");
    EXPECT_EQ(index("b.txt").kind, Kind::kUnchanged);
    EXPECT_EQ(paths(), (Paths{"a.txt (missing)", "b.txt"}));
}

TEST_F(Sources, ARenamedFileThatWasReadInPartGoesOn) {
    write("a.txt", "one");
    TestDocument document{"a.txt", "one", 2, 5};
    DocumentHeader header = header_of(document);
    {
        const auto writer = open_writer(store_);
        ASSERT_OK(writer->recognise(header));
        ASSERT_OK(writer->begin_document(header));
        add_units(*writer, document, 0, 1);
        ASSERT_OK(writer->commit());
    }
    fs::rename("a.txt", "b.txt");
    const auto writer = open_writer(store_);
    DocumentHeader again = header;
    again.path = "b.txt";
    again.source.clear();
    EXPECT_EQ(*writer->recognise(again), "a.txt");
    EXPECT_EQ(writer->begin_document(again)->kind, Kind::kResumes);
}

TEST_F(Sources, AMovedTreeIsKnownByItsNamesAndBytes) {
    fs::create_directories("p/docs");
    write("p/docs/a.txt", "one");
    write("p/docs/b.txt", "two");
    fs::current_path("p");
    store_ = "../../s";
    index("docs/a.txt");
    index("docs/b.txt");
    fs::current_path("..");
    fs::rename("p", "q");
    fs::current_path("q");
    write("docs/b.txt", "changed");
    EXPECT_EQ(index("docs/a.txt").kind, Kind::kUnchanged);
    EXPECT_EQ(index("docs/b.txt").kind, Kind::kReplaces);
    EXPECT_EQ(paths(), (Paths{"docs/a.txt", "docs/b.txt"}));
}

TEST_F(Sources, GoneIsWhatIsNoFileAnyMore) {
    fs::create_directories("d/sub");
    fs::create_directories("d2");
    for (const char* path : {"d/a.md", "d/b.md", "d/sub/c.md", "d2/e.md"}) {
        write(path, path);
        index(path);
    }
    EXPECT_TRUE(gone({"d", "d2"}).empty());
    fs::remove("d/a.md");
    fs::remove("d/b.md");
    fs::create_directory("d/b.md");
    fs::remove_all("d/sub");
    fs::remove("d2/e.md");
    EXPECT_EQ(gone({"d"}), (Paths{"d/a.md", "d/b.md", "d/sub/c.md"})) << "d2 was not looked at";
    EXPECT_EQ(gone({"./d/"}), gone({"d"}));
    EXPECT_EQ(gone({fs::absolute("d/sub").string()}), Paths{"d/sub/c.md"});
    EXPECT_EQ(gone({"d2/e.md"}), Paths{"d2/e.md"});
    EXPECT_TRUE(gone({"-"}).empty());
    EXPECT_EQ(paths().back(), "d2/e.md (missing)");
    {
        auto store = Store::open(store_, Store::Access::kWrite);
        ASSERT_OK(store);
        const auto pruned = store->prune({"d"});
        ASSERT_OK(pruned);
        EXPECT_EQ(pruned->size(), 3u);
        EXPECT_TRUE(store->prune({"d"})->empty());
    }
    EXPECT_EQ(paths(), Paths{"d2/e.md (missing)"});
    EXPECT_FALSE(Store::open(store_)->prune({"d2"}).ok()) << "opened for reading";
}

TEST_F(Sources, StandardInputAndUploadsAreNeverGone) {
    fs::create_directories("../s/uploads");
    write("../s/uploads/u.txt", "one");
    index(fs::absolute("../s/uploads/u.txt").string());
    {
        const auto writer = open_writer(store_);
        const TestDocument piped{"-", "1", 1, 5};
        DocumentHeader header = header_of(piped);
        ASSERT_OK(writer->recognise(header));
        EXPECT_EQ(header.source, "");
        index_document(*writer, piped);
    }
    fs::rename("../s", "../t");
    store_ = "../t";
    EXPECT_TRUE(gone({"..", "-"}).empty());
    for (const std::string& path : paths()) EXPECT_EQ(path.find("missing"), path.npos);
    const std::string moved = fs::canonical("../t/uploads/u.txt").string();
    EXPECT_EQ(index(moved).kind, Kind::kUnchanged);
    EXPECT_EQ(paths().front(), moved) << "the name under which the server looks for it";
}

TEST_F(Sources, MergingKeepsFilesApartThatWereCalledAlike) {
    struct Silent final : ProgressSink {
        void update(const Progress&) override {}
        void note(const std::string&) override {}
    } sink;
    for (const char* place : {"a", "b"}) {
        fs::create_directory(place);
        fs::current_path(place);
        store_ = "../../" + std::string(place) + ".s";
        write("x.txt", place);
        index("x.txt");
        write("same.txt", "same");
        index("same.txt");
        fs::current_path("..");
    }
    const std::vector<std::string> stores = {"../a.s", "../b.s"};
    store_ = "../all";
    for (int i = 0; i < 2; ++i) {
        ASSERT_OK(Store::merge(store_, stores, sink, CancelToken()));
        EXPECT_EQ(paths(), (Paths{"x.txt", "same.txt", fs::canonical("b/x.txt").string()}));
    }
    EXPECT_OK(verify_store(store_));
}

}  // namespace
}  // namespace s3attn

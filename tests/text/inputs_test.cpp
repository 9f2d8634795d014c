#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

std::vector<std::string> good_paths(const InputList& inputs) {
    std::vector<std::string> paths;
    for (const InputFile& file : inputs.files) {
        if (file.problem.empty()) paths.push_back(file.path);
    }
    return paths;
}

std::string problem_of(const InputList& inputs, const std::string& path) {
    for (const InputFile& file : inputs.files) {
        if (file.path == path) return file.problem;
    }
    return "not listed";
}

TEST(Inputs, DirectoriesAreWalkedInByteOrder) {
    const TempDirectory directory;
    const std::string root = directory.path();
    for (const char* name :
         {"b.txt", "a/z.md", "a.txt", "a/b/c", "Z.txt", ".hidden", ".git/x.txt"}) {
        directory.write(name, "some text");
    }
    directory.write("image.png", std::string("\x89PNG\r\n\x1A\n\0", 9));
    directory.write("data.bin", std::string(500, '\0') + "x");
    directory.write("empty.txt", "");
    const std::vector<std::string> expected = {root + "/Z.txt", root + "/a.txt", root + "/a/b/c",
                                               root + "/a/z.md", root + "/b.txt"};
    EXPECT_EQ(good_paths(expand_inputs({root}, true)), expected);
    EXPECT_EQ(good_paths(expand_inputs({root + "/"}, true)), expected);
    const std::map<std::string, uint64_t> counts = {
        {".bin", 1}, {".png", 1}, {"empty", 1}, {"hidden", 2}};
    EXPECT_EQ(expand_inputs({root}, true).passed_over, counts);
}

TEST(Inputs, StoresAreNoDocuments) {
    const TempDirectory directory;
    const std::string root = directory.path();
    for (const char* name : {"a.txt", "docs.s3/catalog.db", "docs.s3/writer.lock",
                             "mine/catalog.db.txt", "mine/writer.lock"}) {
        directory.write(name, "some text");
    }
    EXPECT_EQ(good_paths(expand_inputs({root}, true)),
              (std::vector<std::string>{root + "/a.txt", root + "/mine/catalog.db.txt",
                                        root + "/mine/writer.lock"}));
    EXPECT_EQ(expand_inputs({root}, true).passed_over.at("stores of s3attn"), 1u);
    EXPECT_TRUE(expand_inputs({root + "/docs.s3"}, true).files.empty());
}

TEST(Open, WhatShowsNothingIsNoText) {
    for (const char* nothing : {"\u00A0\u00A0\n", "\u200B\u200B", "\uFEFF",
                                "\uFEFF\u00A0\u200B\n\n", "\u00AD\u2060\u3164", "\x01\n\x02"}) {
        const Document document = read_bytes("a.txt", nothing);
        EXPECT_TRUE(document.ok) << document.error.message;
        EXPECT_TRUE(document.units.empty()) << nothing;
    }
    EXPECT_TRUE(read_bytes("a.html", "<p>&nbsp;&#8203;</p>").units.empty());
    // It stays where it stands between what is seen.
    const Document some = read_bytes("a.txt", "One.\n\n\u200B\n\nTwo.");
    EXPECT_EQ(some.all(), "One.\n\n\u200B\n\nTwo.");
    EXPECT_EQ(some.units[0].text, "One.\n\n\u200B\n\nTwo.");
}

TEST(Inputs, NamedFilesAreNeverPassedOver) {
    const TempDirectory directory;
    const std::string hidden = directory.write(".hidden", "x");
    const std::string binary = directory.write("data.bin", std::string(500, '\0'));
    EXPECT_EQ(good_paths(expand_inputs({binary, hidden}, true)),
              (std::vector<std::string>{binary, hidden}));
}

TEST(Inputs, EachFileOnce) {
    const TempDirectory directory;
    const std::string file = directory.write("a.txt", "x");
    std::filesystem::create_symlink(file, directory.path() + "/link.txt");
    std::filesystem::create_symlink(directory.path(), directory.path() + "/loop");
    EXPECT_EQ(good_paths(expand_inputs(
                  {file, directory.path(), file, directory.path() + "/./a.txt", "-", "-"}, true)),
              (std::vector<std::string>{file, "-"}));
    EXPECT_EQ(good_paths(expand_inputs({directory.path() + "/loop"}, true)).size(), 1u);
}

TEST(Inputs, ProblemsAreNamed) {
    const TempDirectory directory;
    const std::string root = directory.path();
    const std::string broken = root + "/broken";
    std::filesystem::create_symlink(root + "/nothing", broken);
    ::mkfifo((root + "/pipe").c_str(), 0600);
    const auto files =
        expand_inputs({root + "/missing", broken, root + "/pipe", "/dev/null"}, true);
    EXPECT_NE(problem_of(files, root + "/missing").find("No such file"), std::string::npos);
    EXPECT_NE(problem_of(files, broken).find("symbolic link"), std::string::npos);
    EXPECT_NE(problem_of(files, root + "/pipe").find("named pipe"), std::string::npos);
    EXPECT_NE(problem_of(files, "/dev/null").find("device"), std::string::npos);
    EXPECT_NE(problem_of(expand_inputs({root}, false), root).find("directory"), std::string::npos);
    // Inside a directory the pipe is passed over, the dangling link is reported.
    const auto inside = expand_inputs({root}, true);
    EXPECT_EQ(problem_of(inside, root + "/pipe"), "not listed");
    EXPECT_NE(problem_of(inside, broken).find("symbolic link"), std::string::npos);
}

std::string notes_of(const InputList& inputs) {
    std::string all;
    for (const ReadNote& note : inputs.notes) all += note.message + "\n";
    return all;
}

TEST(Inputs, DocumentsThatAreNotReadAreNamedAndCounted) {
    const TempDirectory directory;
    const std::string root = directory.path();
    const std::string office("\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0\0", 11);
    const auto zip = [](const char* entry) { return zip_bytes({{entry, "<x/>"}}); };
    directory.write("a.txt", "some text");
    directory.write("b.xlsb", zip("xl/workbook.bin"));
    directory.write("sub/c.xlsb", zip("xl/workbook.bin"));
    directory.write("d.ppt", office);
    directory.write("e.odg", zip("content.xml"));
    directory.write("f.ps", "%!PS-Adobe-3.0");
    directory.write("g.xls", office);
    directory.write("h.msg", office);
    directory.write("i.mobi", std::string(60, '\1') + "BOOKMOBI" + std::string(60, '\2'));
    directory.write("j.pages", zip("Index/Document.iwa"));
    directory.write("k", office);  // whatever its name
    for (const char* text : {"l.tex", "m.rst", "n.org", "o.csv", "p.py", "Makefile"}) {
        directory.write(text, "\\section{Some} text\n");
    }
    const InputList inputs = expand_inputs({root}, true);
    EXPECT_EQ(good_paths(inputs),
              (std::vector<std::string>{root + "/Makefile", root + "/a.txt", root + "/l.tex",
                                        root + "/m.rst", root + "/n.org", root + "/o.csv",
                                        root + "/p.py"}));
    for (const char* name : {"b.xlsb", "d.ppt", "e.odg", "f.ps", "g.xls", "h.msg", "i.mobi",
                             "j.pages", "k", "sub/c.xlsb"}) {
        EXPECT_NE(problem_of(inputs, root + "/" + name).find(";"), std::string::npos) << name;
    }
    ASSERT_EQ(inputs.notes.size(), 1u);
    EXPECT_EQ(inputs.notes[0].kind, ReadNote::Kind::kUnread);
    EXPECT_EQ(inputs.notes[0].count, 10u);
    EXPECT_EQ(inputs.notes[0].place, root);
    EXPECT_EQ(inputs.notes[0].message,
              "10 passed over that cannot be read: 2 .xlsb, 1 .mobi, 1 .msg, 1 .odg, 1 .pages, 1 "
              ".ppt, 1 .ps, 1 .xls, 1 without an ending");
    EXPECT_EQ(inputs.passed_over.at(".xlsb"), 2u);
}

TEST(Inputs, WhatClaimsToBeADocumentIsReadAndItsDamageNamed) {
    const TempDirectory directory;
    const std::string root = directory.path();
    const std::string docx = docx_bytes("<w:p><w:r><w:t>Word</w:t></w:r></w:p>");
    directory.write("half.docx", std::string_view(docx).substr(0, docx.size() / 2));
    directory.write("damaged.epub", "PK\x03\x04 nothing");
    directory.write("no.pdf", std::string(100, '\1'));
    directory.write("binary.txt", std::string(100, '\1'));
    directory.write("hole.log", std::string(9000, '\0') + repeat("2024-05-01 power is back\n", 9));
    const InputList inputs = expand_inputs({root}, true);
    EXPECT_EQ(good_paths(inputs).size(), 5u);
    for (const char* name : {"half.docx", "damaged.epub", "no.pdf", "binary.txt"}) {
        EXPECT_FALSE(read_document(root + "/" + name).ok) << name;
    }
    EXPECT_TRUE(read_document(root + "/hole.log").ok);
}

TEST(Inputs, PicturesAreSilentArchivesAreNot) {
    const TempDirectory directory;
    const std::string png("\x89PNG\r\n\x1A\n\0", 9);
    for (const char* name : {"a.png", "b.png", "c.jpg"}) directory.write(name, png);
    EXPECT_EQ(notes_of(expand_inputs({directory.path()}, true)), "");
    directory.write("d.zip", zip_bytes({{"a.txt", "hello"}}));
    directory.write(".git/config", "x");
    ::mkfifo((directory.path() + "/pipe").c_str(), 0600);
    const InputList inputs = expand_inputs({directory.path()}, true);
    EXPECT_EQ(notes_of(inputs), "3 passed over: 1 .zip, 1 hidden, 1 sockets, pipes and devices\n");
    EXPECT_EQ(inputs.notes[0].kind, ReadNote::Kind::kLeftOut);
    EXPECT_EQ(inputs.passed_over.at(".png"), 2u);
}

TEST(Inputs, LinkedFoldersAreFollowedOnce) {
    namespace fs = std::filesystem;
    const TempDirectory directory, outside;
    const std::string root = directory.path();
    directory.write("sub/a.md", "A");
    outside.write("b.md", "B");
    fs::create_symlink(outside.path(), root + "/linked");
    fs::create_symlink(outside.path(), root + "/sub/again");
    fs::create_symlink(root + "/sub", root + "/also");
    fs::create_symlink(outside.path(), outside.path() + "/self");
    EXPECT_EQ(good_paths(expand_inputs({root}, true)).size(), 2u);
    EXPECT_EQ(notes_of(expand_inputs({root}, true)), "");
    fs::create_symlink(fs::path(root).parent_path(), root + "/sub/up");
    const InputList inputs = expand_inputs({root}, true);
    EXPECT_EQ(good_paths(inputs).size(), 2u);
    ASSERT_EQ(inputs.notes.size(), 1u);
    EXPECT_EQ(inputs.notes[0].place, root + "/sub/up");
}

TEST(Inputs, UnreadableFileIsReported) {
    if (::geteuid() == 0) GTEST_SKIP() << "root may read everything";
    const TempDirectory directory;
    const std::string file = directory.write("a.txt", "x");
    ::chmod(file.c_str(), 0);
    EXPECT_NE(problem_of(expand_inputs({directory.path()}, true), file).find("Permission"),
              std::string::npos);
}

TEST(Open, WhatIsNoFile) {
    const TempDirectory directory;
    const std::string root = directory.path();
    ::mkfifo((root + "/pipe").c_str(), 0600);
    EXPECT_EQ(read_document(root + "/missing").error.code, ErrorCode::kNotFound);
    EXPECT_EQ(read_document("").error.code, ErrorCode::kNotFound);
    EXPECT_NE(read_document(root).error.message.find("a directory"), std::string::npos);
    EXPECT_NE(read_document(root + "/pipe").error.message.find("a named pipe"), std::string::npos);
    EXPECT_NE(read_document("/dev/null").error.message.find("a device"), std::string::npos);
}

// Runs `check` with the bytes on standard input.
Document read_stdin(const std::string& bytes) {
    const TempDirectory directory;
    const std::string file = directory.write("stdin", bytes);
    const int saved = ::dup(STDIN_FILENO);
    const int fd = ::open(file.c_str(), O_RDONLY);
    ::dup2(fd, STDIN_FILENO);
    ::close(fd);
    Document document = read_document("-");
    ::dup2(saved, STDIN_FILENO);
    ::close(saved);
    return document;
}

TEST(Open, StandardInput) {
    const std::string bytes = "Hello there,\nstandard input.\n";
    const Document document = read_stdin(bytes);
    ASSERT_TRUE(document.ok) << document.error.message;
    EXPECT_EQ(document.header.path, "-");
    EXPECT_EQ(document.header.source_bytes, bytes.size());
    EXPECT_EQ(document.header.source_hash, read_bytes("a.txt", bytes).header.source_hash);
    EXPECT_EQ(broken_invariant(document, {}, bytes), "");
    EXPECT_EQ(read_stdin(docx_bytes("<w:p><w:r><w:t>Word</w:t></w:r></w:p>")).all(), "Word");
}

TEST(Open, StandardInputOfAPdf) {
    const Document document = read_stdin(pdf_bytes({"Page"}));
    if (document.error.message.find("poppler-utils") != std::string::npos) GTEST_SKIP();
    EXPECT_EQ(document.all(), "Page") << document.error.message;
}

TEST(Open, NamesWithOddCharacters) {
    const TempDirectory directory;
    for (const char* name : {"-rf", "a b;c.txt", "\xFF\xFE", "new\nline"}) {
        const std::string path = directory.write(name, "text");
        EXPECT_EQ(read_document(path).units.size(), 1u) << name;
    }
    EXPECT_EQ(good_paths(expand_inputs({directory.path()}, true)).size(), 4u);
}

}  // namespace
}  // namespace s3attn::text_test

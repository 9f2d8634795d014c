#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "text_test_util.h"

namespace s3attn::text_test {
namespace {

std::vector<std::string> good_paths(const std::vector<InputFile>& files) {
    std::vector<std::string> paths;
    for (const InputFile& file : files) {
        if (file.problem.empty()) paths.push_back(file.path);
    }
    return paths;
}

std::string problem_of(const std::vector<InputFile>& files, const std::string& path) {
    for (const InputFile& file : files) {
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
    const std::vector<std::string> expected = {root + "/Z.txt", root + "/a.txt",
                                               root + "/a/b/c", root + "/a/z.md",
                                               root + "/b.txt", root + "/empty.txt"};
    EXPECT_EQ(good_paths(expand_inputs({root}, true)), expected);
    EXPECT_EQ(good_paths(expand_inputs({root + "/"}, true)), expected);
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

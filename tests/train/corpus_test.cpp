#include "train/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "fake_text.h"

namespace s3attn {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

class CorpusTest : public testing::Test {
  protected:
    void SetUp() override {
        directory_ = fs::temp_directory_path() /
                     ("s3attn_corpus_" + std::to_string(getpid()) + "_" +
                      testing::UnitTest::GetInstance()->current_test_info()->name());
        fs::create_directories(directory_);
    }
    void TearDown() override { fs::remove_all(directory_); }
    std::string write(const std::string& name, const std::string& bytes) {
        const fs::path path = directory_ / name;
        std::ofstream(path, std::ios::binary) << bytes;
        return path.string();
    }
    Result<Corpus> read(const std::vector<std::string>& paths, uint64_t seed = 1) {
        const CancelToken never;
        return read_corpus(paths, seed, sink_, never);
    }
    fs::path directory_;
    QuietSink sink_;
};

std::string words(uint32_t n, const std::string& stem) {
    std::string text;
    for (uint32_t i = 0; i < n; ++i) {
        text += (i ? " " : "") + stem + (i % 9 == 8 ? "." : "");
    }
    return text;
}

TEST(SpacedPunctuation, WikiTextIsJoined) {
    EXPECT_EQ(join_spaced_punctuation("a film , television @-@ radio actor . It cost 3 @,@ 000 "
                                      "( or 1 @.@ 5 ) of the crew 's pay"),
              "a film, television-radio actor. It cost 3,000 (or 1.5) of the crew's pay");
    EXPECT_EQ(join_spaced_punctuation("He said , \" never again \" , and \" no \" . It was so ."),
              "He said, \"never again\", and \"no\". It was so.");
    EXPECT_EQ(join_spaced_punctuation("They did n't , he did n't . It does n't ."),
              "They didn't, he didn't. It doesn't.");
}

TEST(SpacedPunctuation, OrdinaryTextIsLeftAlone) {
    for (const std::string text :
         {"Plain text, with commas. And ( odd ) spaces , once.", "", " ", "a @ b", "x = y , z"}) {
        EXPECT_EQ(join_spaced_punctuation(text), text);
    }
}

TEST(ProseParagraphs, LinesHeadingsAndWrappedText) {
    const std::string a = words(60, "alpha"), b = words(50, "beta");
    EXPECT_THAT(prose_paragraphs("Title\n" + a + "\n" + b), ElementsAre(a, b));
    std::string wrapped = b;
    for (size_t at = 40; at < wrapped.size(); at += 40) {
        at = wrapped.find(' ', at);
        if (at == std::string::npos) break;
        wrapped[at] = '\n';
    }
    EXPECT_THAT(prose_paragraphs(wrapped), ElementsAre(b));
    EXPECT_THAT(prose_paragraphs("# " + a), ElementsAre());
    EXPECT_THAT(prose_paragraphs("<doc id=\"1\">\n" + a), ElementsAre(a));
    EXPECT_THAT(prose_paragraphs(words(44, "short")), ElementsAre());
    EXPECT_THAT(prose_paragraphs(words(60, "x=(1);")), ElementsAre());
}

TEST(ProseParagraphs, LongTextIsCutIntoBlocksOfSentences) {
    Rng rng(3);
    std::string text;
    for (int i = 0; i < 60; ++i) text += (i ? " " : "") + fake_sentence(rng);
    const auto blocks = prose_paragraphs(text);
    ASSERT_GT(blocks.size(), 4u);
    std::string joined;
    for (const std::string& block : blocks) {
        EXPECT_GE(count_words(block), 45u);
        EXPECT_LE(count_words(block), 220u);
        joined += (joined.empty() ? "" : " ") + block;
    }
    EXPECT_EQ(text.substr(0, joined.size()), joined);
}

TEST(Cloze, SentenceAndRestRebuildTheParagraph) {
    Rng rng(4);
    std::vector<std::string> paragraphs{"One sentence only, and it is long enough to ask about."};
    for (int i = 0; i < 20; ++i) paragraphs.push_back(fake_paragraph(rng));
    const auto pairs = make_cloze_pairs(paragraphs, 15, 1);
    ASSERT_EQ(pairs.size(), 15u);
    for (size_t i = 0; i < pairs.size(); ++i) {
        const std::string& whole = paragraphs[i + 1];
        EXPECT_NE(whole.find(pairs[i].question), std::string::npos);
        EXPECT_EQ(pairs[i].paragraph.find(pairs[i].question), std::string::npos);
        EXPECT_EQ(pairs[i].paragraph.size() + pairs[i].question.size() + 1, whole.size());
    }
    const auto others = make_cloze_pairs(paragraphs, 15, 2);
    size_t same = 0;
    for (size_t i = 0; i < pairs.size(); ++i) same += others[i].question == pairs[i].question;
    EXPECT_LT(same, pairs.size());
}

TEST_F(CorpusTest, ParagraphsAreDistinctAndShuffledBySeed) {
    const Corpus made = fake_corpus(50, 8);
    std::string text;
    for (const std::string& p : made.paragraphs) text += p + "\n\n";
    const std::string a = write("a.txt", text), b = write("b.txt", text + "int main() { f(); }\n");
    const auto one = read({a, b});
    ASSERT_TRUE(one.ok()) << one.error().message;
    EXPECT_EQ(one->paragraphs.size(), 50u);
    ASSERT_EQ(one->files.size(), 2u);
    EXPECT_EQ(one->files[0].name, "a.txt");
    EXPECT_EQ(one->files[0].paragraphs, 50u);
    EXPECT_EQ(one->files[1].paragraphs, 0u);
    EXPECT_EQ(one->files[0].hash.size(), 32u);
    ASSERT_FALSE(one->other.empty());
    EXPECT_EQ(read({a, b})->paragraphs, one->paragraphs);
    EXPECT_NE(read({a, b}, 2)->paragraphs, one->paragraphs);
    EXPECT_EQ(read({directory_.string()})->paragraphs.size(), 50u);
}

TEST_F(CorpusTest, BadFilesAreNamed) {
    const auto missing = read({(directory_ / "none.txt").string()});
    ASSERT_FALSE(missing.ok());
    EXPECT_THAT(missing.error().message, HasSubstr("none.txt"));
    std::string binary(
        "\x7f"
        "ELF\0\0\1\2\3\0\0\0",
        12);
    for (int i = 0; i < 2000; ++i) binary += static_cast<char>(i * 37 % 256);
    const auto not_text = read({write("program.txt", binary)});
    ASSERT_FALSE(not_text.ok());
    EXPECT_THAT(not_text.error().message, HasSubstr("program.txt"));
    EXPECT_FALSE(read({}).ok());
}

TEST_F(CorpusTest, UnreadableFileIsAnError) {
    const std::string path = write("secret.txt", "text");
    fs::permissions(path, fs::perms::none);
    if (access(path.c_str(), R_OK) == 0) GTEST_SKIP() << "runs as root, which may read everything";
    const auto result = read({path});
    ASSERT_FALSE(result.ok());
    EXPECT_THAT(result.error().message, HasSubstr("secret.txt"));
}

// 218 KB of Chinese gave "0 paragraphs of prose": its words are not divided by spaces.
TEST(Corpus, WordsOfScriptsWithoutSpacesAreCounted) {
    EXPECT_EQ(count_words("The quick brown fox - it's 4 years old."), 9u);  // as spaces divide
    const std::string sentence = "灯塔是工程师在一八八七年建造的，每年冬天港口都会结冰。";
    EXPECT_GT(count_words(sentence), 10u);
    EXPECT_LT(count_words(sentence), 27u);  // words, not signs
    EXPECT_GT(count_words("ผู้คนบนเกาะอบขนมปังสัปดาห์ละสองครั้ง"), 5u);
    EXPECT_GT(count_words("灯台は千八百八十七年に建てられました。"), 5u);

    std::string paragraph;
    for (int i = 0; i < 5; ++i) {
        paragraph += "第" + std::to_string(i) +
                     "座灯塔是一位年轻的工程师在很久以前建造的，港口的船只都靠它"
                     "找到回家的路。";
    }
    const auto found = prose_paragraphs(paragraph);
    ASSERT_EQ(found.size(), 1u);
    const auto pairs = make_cloze_pairs(found, 10, 1);
    ASSERT_EQ(pairs.size(), 1u);
    EXPECT_EQ(pairs[0].paragraph.find(' '), std::string::npos);  // joined as it was written
    EXPECT_EQ(pairs[0].question.size() + pairs[0].paragraph.size(), paragraph.size());
    EXPECT_TRUE(joined_without_space("结冰。", "每年"));
    EXPECT_FALSE(joined_without_space("winter.", "The"));
    EXPECT_FALSE(joined_without_space("겨울마다", "항구"));  // Korean has spaces
    EXPECT_NE(with_spaces_between_words(sentence).find(' '), std::string::npos);
    EXPECT_EQ(with_spaces_between_words("as it is"), "as it is");
}

}  // namespace
}  // namespace s3attn

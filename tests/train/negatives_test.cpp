#include "train/negatives.h"

#include <gmock/gmock.h>

#include <numeric>

#include "train/question_writer.h"

namespace s3attn {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

struct Sample {
    Corpus corpus;
    std::vector<ClozePair> pairs;

    void add(uint32_t file, uint32_t ordinal, const std::string& question,
             const std::string& paragraph) {
        const auto source = static_cast<uint32_t>(corpus.paragraphs.size());
        corpus.paragraphs.push_back(paragraph);
        corpus.places.push_back({file, ordinal});
        pairs.push_back({question, paragraph, source});
    }
    std::vector<std::vector<uint32_t>> negatives(Negatives kind) {
        const auto found = hard_negatives(corpus, pairs, kind, nullptr, never);
        EXPECT_TRUE(found.ok()) << found.error().message;
        return found.ok() ? *found : std::vector<std::vector<uint32_t>>();
    }
    CancelToken never;
};

TEST(Negatives, AdjacentAreTheParagraphsBeforeAndAfterInTheFile) {
    Sample s;
    for (uint32_t i = 0; i < 5; ++i) s.add(0, i, "q", "p" + std::to_string(i));
    s.add(1, 2, "q", "of another file");
    const auto lists = s.negatives(Negatives::kAdjacent);
    EXPECT_THAT(lists[0], ElementsAre(1));
    EXPECT_THAT(lists[2], ElementsAre(1, 3));
    EXPECT_THAT(lists[5], IsEmpty());
}

TEST(Negatives, OfTheDocumentAreNearAndNeverItself) {
    Sample s;
    for (uint32_t i = 0; i < 40; ++i) s.add(0, i, "q", "p" + std::to_string(i));
    const auto lists = s.negatives(Negatives::kDocument);
    EXPECT_THAT(lists[10], ElementsAre(9, 11, 8, 12, 7, 13, 6, 14));
    for (uint32_t i = 0; i < lists.size(); ++i) EXPECT_THAT(lists[i], Not(Contains(i)));
}

TEST(Negatives, Bm25FindsTheParagraphWithTheSameRareWords) {
    Sample s;
    s.add(0, 0, "the heron stood in the marsh?", "a long day of the year");
    for (uint32_t i = 1; i < 30; ++i) {
        s.add(0, i, "the sum of the parts", "the letters of the year " + std::to_string(i));
    }
    s.add(0, 30, "x", "A marsh, and HERONS in it.");
    const auto lists = s.negatives(Negatives::kBm25);
    EXPECT_THAT(lists[0], ElementsAre(30));
    // Words of every paragraph find nothing; quotes and operators are only text.
    s.pairs[0].question = "the \"of\" ( the* -of";
    EXPECT_THAT(s.negatives(Negatives::kBm25)[0], IsEmpty());
}

TEST(Negatives, RandomHasNoLists) {
    Sample s;
    for (uint32_t i = 0; i < 3; ++i) s.add(0, i, "q", "p");
    for (const auto& list : s.negatives(Negatives::kRandom)) EXPECT_THAT(list, IsEmpty());
}

TEST(QuestionWriter, TakesTheFirstQuestionOfAReply) {
    EXPECT_EQ(question_in("Who built the old mill?\nAnswer: Ann"), "Who built the old mill?");
    EXPECT_EQ(question_in("Sure:\n1. \"Who built the old mill?\""), "Who built the old mill?");
    EXPECT_EQ(question_in("Question: Who built the mill? Why"), "Who built the mill?");
    EXPECT_EQ(question_in("I do not know."), "");
    EXPECT_EQ(question_in("Why?"), "");
    EXPECT_EQ(question_in("?"), "");
    EXPECT_EQ(question_in(""), "");
}

TEST(QuestionWriter, AsksInTheTextsLanguageAndEveryThirdTimeInEnglish) {
    const std::string german =
        "Der Hafen wurde im neunzehnten Jahrhundert gebaut und später erweitert. Heute legen dort "
        "nur noch kleine Schiffe an.";
    const std::string english =
        "The harbour was built in the nineteenth century and enlarged later. Only small ships "
        "call there today.";
    const std::vector<std::string> paragraphs{german, english, german, german, english};
    const auto tasks = question_tasks(paragraphs);
    std::vector<bool> in_english;
    for (const QuestionTask& task : tasks) in_english.push_back(task.in_english);
    EXPECT_THAT(in_english, ElementsAre(false, false, false, true, false));
    EXPECT_NE(question_prompt(tasks[0]).find("question in German that"), std::string::npos);
    EXPECT_NE(question_prompt(tasks[3]).find("question in English that"), std::string::npos);
}

}  // namespace
}  // namespace s3attn

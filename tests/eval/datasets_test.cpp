#include "eval/datasets.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "eval/run_record.h"
#include "temporary_files.h"

namespace s3attn::eval {
namespace {

std::string gold_text(const Dataset& data, size_t question, size_t gold) {
    const Gold& g = data.questions[question].gold[gold];
    const auto& documents = data.collections[data.questions[question].collection].documents;
    return documents[g.document].substr(g.begin, g.end - g.begin);
}

Dataset load(const DatasetOptions& options) {
    auto data = load_dataset(options);
    EXPECT_TRUE(data.ok()) << (data.ok() ? "" : data.error().message);
    return data.ok() ? *data : Dataset{};
}

std::string error_of(const DatasetOptions& options) {
    const auto data = load_dataset(options);
    return data.ok() ? "" : data.error().message;
}

class Datasets : public ::testing::Test {
  protected:
    DatasetOptions from(const std::string& text, const std::string& name = "data.jsonl") {
        DatasetOptions options;
        options.path = files_.write(name, text);
        return options;
    }
    TemporaryFiles files_;
};

constexpr const char* kHotpot =
    R"([{"_id":"a","question":"Q?","answer":"X","type":"bridge","supporting_facts":[["T2",0],["Gone",1]],
"context":[["T1",["One."," Two."]],["T2",[" Three é."," Four. "]]]},
{"_id":"b","question":"R?","answer":"Y","type":"comparison","supporting_facts":[["T1",0]],
"context":[["T1",["One."," Two."]]]}])";

TEST_F(Datasets, OfficialHotpotArrayPooled) {
    const Dataset data = load(from(kHotpot, "dev.json"));
    EXPECT_EQ(data.format, "hotpotqa");
    ASSERT_EQ(data.collections.size(), 1u);
    ASSERT_EQ(data.questions.size(), 2u);
    // Each distinct paragraph once, with its title; the evidence is the text without white space.
    const std::string& text = data.collections[0].documents[0];
    EXPECT_EQ(text.size(), std::string("T1\nOne. Two.\n\nT2\n Three é. Four. \n\n").size());
    EXPECT_EQ(gold_text(data, 0, 0), "Three é. Four.");
    EXPECT_EQ(gold_text(data, 1, 0), "One. Two.");
    EXPECT_EQ(data.questions[0].gold_missing, 1u);
    EXPECT_EQ(data.questions[0].group, "evidence in part");
    EXPECT_EQ(data.questions[1].group, "evidence complete");
}

TEST_F(Datasets, OwnHaystackKeepsEachQuestionsParagraphsInOrder) {
    DatasetOptions options = from(kHotpot, "dev.json");
    options.haystack = Haystack::kOwn;
    const Dataset data = load(options);
    ASSERT_EQ(data.collections.size(), 2u);
    EXPECT_EQ(data.collections[0].documents[0], "T1\nOne. Two.\n\nT2\n Three é. Four.");
    EXPECT_EQ(gold_text(data, 0, 0), "Three é. Four.");
}

TEST_F(Datasets, MusiqueWithBothNamesOfTheText) {
    const Dataset data = load(from(
        R"({"id":"2hop__1_2","question":"Q?","answer":"A","answer_aliases":["B"],"paragraphs":[{"title":"T","text":"aa","is_supporting":true}]})"
        "\n\n"
        R"({"id":"3hop1__3","question":"R?","answer":"C","paragraphs":[{"idx":0,"title":"U","paragraph_text":"bb","is_supporting":true}]})"));
    EXPECT_EQ(data.format, "musique");
    EXPECT_EQ(gold_text(data, 0, 0), "aa");
    EXPECT_EQ(gold_text(data, 1, 0), "bb");
    EXPECT_EQ(data.questions[0].group, "2hop");
    EXPECT_EQ(data.questions[1].group, "3hop");
    EXPECT_EQ(data.questions[0].answers, (std::vector<std::string>{"A", "B"}));
}

constexpr const char* kSquad =
    R"({"version":"1.1","data":[{"title":"T","paragraphs":[
{"context":"Zoë met Ann.","qas":[{"id":"1","question":"Whom?","answers":[{"answer_start":8,"text":"Ann"}]}]},
{"context":"Nothing here.","qas":[]}]}]})";

TEST_F(Datasets, SquadCountsCharactersAndMarksBytes) {
    const Dataset data = load(from(kSquad, "squad.json"));
    EXPECT_EQ(data.format, "squad");
    EXPECT_EQ(gold_text(data, 0, 0), "Ann");
    EXPECT_NE(data.collections[0].documents[0].find("Nothing here."), std::string::npos);
    std::string wrong = kSquad;
    wrong.replace(wrong.find(":8"), 2, ":7");
    EXPECT_NE(error_of(from(wrong, "wrong.json")).find("question 1"), std::string::npos);
    const Dataset flat = load(from(
        R"({"id":"1","context":"Zoë met Ann.","question":"Whom?","answers":{"text":["Ann"],"answer_start":[8]}})"));
    EXPECT_EQ(gold_text(flat, 0, 0), "Ann");
}

TEST_F(Datasets, SquadTwoHoldsQuestionsWithoutAnAnswer) {
    const std::string v2 =
        R"({"version":"v2.0","data":[{"title":"T","paragraphs":[{"context":"Zoë met Ann.","qas":[
{"id":"1","question":"Whom?","answers":[{"answer_start":8,"text":"Ann"}],"is_impossible":false},
{"id":"2","question":"Where?","answers":[],"plausible_answers":[{"answer_start":8,"text":"Ann"}],"is_impossible":true}]}]}]})";
    const Dataset data = load(from(v2, "dev-v2.0.json"));
    ASSERT_EQ(data.questions.size(), 2u);
    EXPECT_EQ(data.questions[0].group, "answerable");
    EXPECT_EQ(data.questions[1].group, "unanswerable");
    EXPECT_EQ(data.questions[1].answers, std::vector<std::string>{"unanswerable"});
    EXPECT_TRUE(data.questions[1].gold.empty());
    std::string empty = v2;
    empty.replace(empty.find("Where?"), 6, " ");
    const std::string message = error_of(from(empty, "empty.json"));
    EXPECT_NE(message.find("question 2: the question is empty"), std::string::npos) << message;
}

// MuSiQue-Full asks every question twice under one id, once with some of its evidence taken out.
TEST_F(Datasets, MusiqueFull) {
    const Dataset data = load(from(
        R"({"id":"2hop__1_2","question":"Q?","answer":"A","answerable":true,"paragraphs":[{"idx":0,"title":"T","paragraph_text":"aa","is_supporting":true}],"question_decomposition":[{"paragraph_support_idx":0}]})"
        "\n"
        R"({"id":"2hop__1_2","question":"Q?","answer":"A","answerable":false,"paragraphs":[{"idx":0,"title":"T","paragraph_text":"aa","is_supporting":true}],"question_decomposition":[{"paragraph_support_idx":0},{"paragraph_support_idx":null}]})"));
    ASSERT_EQ(data.questions.size(), 2u);
    EXPECT_EQ(data.questions[0].group, "evidence complete");
    EXPECT_EQ(data.questions[1].group, "evidence in part");
    EXPECT_NE(data.questions[0].id, data.questions[1].id);
}

TEST_F(Datasets, RulerNeedle) {
    const Dataset data = load(from(
        R"({"index":4,"input":"A number is hidden within the following text. Remember.\nGrass is green. One of the numbers for x is: 7.  Sky. \nmore\nWhat is the number for x mentioned in the provided text? The number is","outputs":["7"]})"));
    EXPECT_EQ(data.format, "ruler");
    EXPECT_EQ(gold_text(data, 0, 0), "One of the numbers for x is: 7.");
    EXPECT_EQ(data.questions[0].question,
              "What is the number for x mentioned in the provided text?");
    EXPECT_EQ(data.collections[0].documents[0].substr(0, 6), "Grass ");
    EXPECT_EQ(data.questions[0].id, "4");
}

// Needles between the sentences of an essay, words as values, several values and several queries.
TEST_F(Datasets, RulerNeedlesInEssays) {
    const std::string first = "One of the special magic words for red-fox is: able-cat.",
                      second = "One of the special magic words for blue-owl is: fox.",
                      decoy = "One of the special magic words for gray-elk is: fox.";
    const std::string essay = "Is a fox tall? A fox said \xE2\x80\x9Cno!\xE2\x80\x9D " + first +
                              " Why? " + decoy + " The red-fox 12345 ran (far.)  " + second +
                              " End of it.";
    const Json record{
        {"index", 0},
        {"input",
         "Some special magic words are hidden within the following text. Make sure to memorize "
         "it. I will quiz you about the words afterwards.\n" +
             essay +
             "\nWhat are all the special magic words for red-fox, and blue-owl mentioned in the "
             "provided text? The special magic words for red-fox, and blue-owl mentioned in the "
             "provided text are"},
        {"outputs", {"able-cat", "fox"}},
        {"length", 100}};
    const Dataset data = load(from(record.dump()));
    ASSERT_EQ(data.questions[0].gold.size(), 2u);
    EXPECT_EQ(gold_text(data, 0, 0), first);
    EXPECT_EQ(gold_text(data, 0, 1), second);
    // A number inside a longer one is not it, unless there is no other.
    Json number = record;
    number["outputs"] = {"234"};
    EXPECT_EQ(gold_text(load(from(number.dump())), 0, 0), "The red-fox 1234");
    number["input"] = "12345 is long. 234 is not.\nWhat is it?";
    EXPECT_EQ(gold_text(load(from(number.dump())), 0, 0), "234");
}

TEST_F(Datasets, KeyValuePairs) {
    const Dataset data =
        load(from(R"({"ordered_kv_records":[["k1","v1"],["k2","v2"]],"key":"k2","value":"v2"})"));
    EXPECT_EQ(data.collections[0].documents[0], "{\"k1\": \"v1\",\n \"k2\": \"v2\"}");
    EXPECT_EQ(gold_text(data, 0, 0), "\"k2\": \"v2\"");
}

TEST_F(Datasets, PlainTextOfOnesOwn) {
    files_.write("book.txt", "Alpha beta.");
    const Dataset data =
        load(from(R"({"document":"Grüße an alle.","question":"Q?","evidence":[[0,7]],"answer":"x"})"
                  "\n"
                  R"({"documents":["one","two"],"question":"R?","evidence":[[1,0,3]]})"
                  "\n"
                  R"({"document_file":"book.txt","question":"S?","evidence":[[6,11]]})"));
    EXPECT_EQ(data.format, "plain");
    EXPECT_EQ(gold_text(data, 0, 0), "Grüße");
    EXPECT_EQ(gold_text(data, 1, 0), "two");
    EXPECT_EQ(gold_text(data, 2, 0), "beta.");
    EXPECT_EQ(data.collections.size(), 3u);
}

// A run that goes on must not mix rows over two versions of a text.
TEST_F(Datasets, DocumentsInFilesCountForTheHash) {
    const std::string lines = R"({"document_file":"book.txt","question":"S?","evidence":[[6,11]]})"
                              "\n"
                              R"({"document_file":"book.txt","question":"T?","evidence":[[0,5]]})";
    files_.write("book.txt", "Alpha beta.");
    const Dataset before = load(from(lines));
    EXPECT_EQ(before.collections.size(), 1u);
    EXPECT_EQ(load(from(lines)).hash, before.hash);
    files_.write("book.txt", "Alpha Beta.");
    EXPECT_NE(load(from(lines)).hash, before.hash);
}

TEST_F(Datasets, BadLinesAreNamed) {
    const std::string good = R"({"document":"abc","question":"Q?","evidence":[[0,3]]})";
    for (const auto& [line, word] : std::vector<std::pair<std::string, std::string>>{
             {"{\"document\":", "line 2"},
             {"[1]", "line 2"},
             {R"({"document":"abc","evidence":[[0,3]]})", "\"question\""},
             {R"({"document":"abc","question":"Q","evidence":[[0,4]]})", "3 bytes"},
             {R"({"document":"abc","question":"Q","evidence":[[2,2]]})", "no byte range"},
             {R"({"document":"abc","question":"Q","evidence":[[-5,4]]})", "-5 is below 0"},
             {R"({"document":"abc","question":"Q","evidence":[[0.5,2]]})",
              "0.5 is no whole number"},
             {R"({"document":"abc","question":"Q","evidence":[["1","2"]]})", "\"1\" is no number"},
             {R"({"document":"abc","question":"Q","evidence":["x"]})", "does not stand"},
             {R"({"document":"abab","question":"Q","evidence":["ab"]})", "more than once"},
             {R"({"document":"abc","question":"Q","evidence":["  "]})", "empty quote"},
             {R"({"document":"abc","question":"Q","evidence":[7]})", "neither a range"},
             {R"({"document":"abc","question":"Q","evidence":[[1]]})", "[begin, end]"},
             {R"({"document":"é","question":"Q","evidence":[[1,2]]})", "inside a character"},
             {R"({"documents":["a","b"],"question":"Q","evidence":[[0,1]]})", "[document, begin"},
             {R"({"documents":["a","b"],"question":"Q","evidence":[[2,0,1]]})", "2 documents"},
             {R"({"document_file":"none","question":"Q","evidence":[[0,1]]})", "none"},
             {R"({"document":"ab \u00a0\n c","question":"Q","evidence":[[2,6]]})", "white space"},
             {R"({"document":" \n","question":"Q","evidence":[]})", "no text"},
             {R"({"document":"abc","question":" ","evidence":[[0,3]]})", "empty"}}) {
        const std::string message = error_of(from(good + "\n" + line + "\n"));
        EXPECT_NE(message.find(word), std::string::npos) << line << ": " << message;
        EXPECT_NE(message.find("data.jsonl"), std::string::npos) << message;
        EXPECT_NE(message.find("line 2"), std::string::npos) << message;
    }
    EXPECT_NE(error_of(from("{\"a\":1}\n")).find("--format"), std::string::npos);
    EXPECT_NE(error_of(from(" \n")), "");
    const std::string twice = R"({"id":"x","document":"abc","question":"Q?","evidence":[[0,3]]})";
    EXPECT_NE(error_of(from(twice + "\n" + twice)).find("line 1"), std::string::npos);
}

// An error is one short line with the place in the file, whatever the file holds.
TEST_F(Datasets, NestingAndLengthAreBounded) {
    const std::string open(500'000, '['), close(500'000, ']');
    for (const std::string& deep : std::vector<std::string>{
             R"({"document":"a","question":"Q","evidence":)" + open + close + "}",
             R"({"document":"a","question":"Q","evidence":[[1,)" + open + close + "]]}",
             R"({"id":)" + open + close + R"(,"document":"a","question":"Q","evidence":[[0,1]]})",
             open + close, open}) {
        EXPECT_NE(error_of(from(deep)).find("nested too deeply"), std::string::npos);
    }
    const std::string good = R"({"document":"abc","question":"Q?","evidence":[[0,3]]})",
                      x(1 << 20, 'x');
    for (const std::string& line : std::vector<std::string>{
             R"({"document":")" + x, R"({"document":"a","question":"Q","evidence":[["&",3]]})",
             R"({"ordered_kv_records":[],"key":")" + x + "\"}"}) {
        std::string full = line;
        if (const size_t at = full.find('&'); at != std::string::npos) full.replace(at, 1, x);
        const std::string message = error_of(from(good + "\n" + full));
        EXPECT_NE(message.find("line 2"), std::string::npos);
        EXPECT_LT(message.size(), 700u);
        EXPECT_EQ(message.find("exception"), std::string::npos) << message;
    }
    // An object over many lines: the place is that of the mistake.
    std::string pretty = Json::parse(kSquad).dump(1);
    const auto at = static_cast<ptrdiff_t>(pretty.find("\"text\""));
    const auto line = std::count(pretty.begin(), pretty.begin() + at, '\n') + 1;
    pretty.erase(static_cast<size_t>(at), 1);
    EXPECT_NE(error_of(from(pretty, "squad.json")).find("line " + std::to_string(line) + ","),
              std::string::npos)
        << error_of(from(pretty, "squad.json"));
}

TEST_F(Datasets, ExtraFilesAreMixedIn) {
    DatasetOptions options = from(kSquad, "squad.json");
    options.extra = {files_.write("dev.json", kHotpot)};
    const Dataset data = load(options);
    ASSERT_EQ(data.questions.size(), 1u);
    for (const char* text : {"Zoë met Ann.", "Nothing here.", "T1\nOne.", "T2\n Three"}) {
        EXPECT_NE(data.collections[0].documents[0].find(text), std::string::npos) << text;
    }
    EXPECT_EQ(gold_text(data, 0, 0), "Ann");
}

const char* const kSamples[] = {
    kHotpot,
    kSquad,
    R"({"id":"2hop__1","question":"Q?","answer":"A","paragraphs":[{"title":"T","text":"aa","is_supporting":true}]})",
    R"({"id":"1","context":"Zoë met Ann.","question":"Whom?","answers":{"text":["Ann"],"answer_start":[8]}})",
    R"({"_id":"c","question":"Q?","type":"x","supporting_facts":{"title":["T"],"sent_id":[0]},"context":{"title":["T"],"sentences":[["One."]]}})",
    R"({"index":4,"input":"A is hidden within the following.\nThe number is: 7.\nWhat is it?","outputs":["7"]})",
    R"({"ordered_kv_records":[["k1","v1"],["k2","v2"]],"key":"k2","value":"v2"})",
    R"({"documents":["one","two"],"question":"R?","evidence":[[1,0,3]],"answers":["x"],"group":"g"})",
    R"({"document_file":"x","question":"R?","evidence":[[1,0,3]]})"};

// Every node of a JSON tree, in order.
void collect(Json& node, std::vector<Json*>& nodes) {
    nodes.push_back(&node);
    if (!node.is_structured()) return;
    for (Json& child : node) collect(child, nodes);
}

// Whatever stands in a file, the reader returns, and what it returns lies inside the documents.
void expect_sound(const DatasetOptions& options) {
    for (const Haystack haystack : {Haystack::kPooled, Haystack::kOwn}) {
        DatasetOptions own = options;
        own.haystack = haystack;
        const auto data = load_dataset(own);
        if (!data.ok()) {
            EXPECT_FALSE(data.error().message.empty());
            continue;
        }
        for (const EvalQuestion& question : data->questions) {
            ASSERT_LT(question.collection, data->collections.size());
            const auto& documents = data->collections[question.collection].documents;
            for (const Gold& gold : question.gold) {
                ASSERT_LT(gold.document, documents.size());
                EXPECT_LT(gold.begin, gold.end);
                EXPECT_LE(gold.end, documents[gold.document].size());
            }
        }
    }
}

TEST_F(Datasets, EvidenceIsQuotedOrCountedInCharacters) {
    // "né à Skarv" stands at characters 4 to 14 and at bytes 6 to 18.
    const std::string text = R"("Été né à Skarv.\nIl y reste.")";
    const auto gold = [&](const std::string& evidence, Offsets offsets) {
        DatasetOptions options;
        options.offsets = offsets;
        options.path = files_.write("own.jsonl", R"({"question":"Où?","document":)" + text +
                                                     R"(,"evidence":[)" + evidence + "]}");
        const auto data = load_dataset(options);
        if (!data.ok()) return data.error().message;
        const Gold& first = data->questions[0].gold[0];
        return data->collections[0].documents[0].substr(first.begin, first.end - first.begin);
    };
    EXPECT_EQ(gold("[4,14]", Offsets::kChars), "né à Skarv");
    EXPECT_EQ(gold("[6,18]", Offsets::kBytes), "né à Skarv");
    EXPECT_EQ(gold(R"("né à Skarv")", Offsets::kBytes), "né à Skarv");
    EXPECT_EQ(gold(R"("Skarv. Il y")", Offsets::kBytes), "Skarv.\nIl y");  // another layout
    EXPECT_EQ(gold(R"({"quote":"Il y reste","document":0})", Offsets::kBytes), "Il y reste");
    EXPECT_NE(gold("[4,99]", Offsets::kChars).find("27 characters"), std::string::npos)
        << gold("[4,99]", Offsets::kChars);
    EXPECT_NE(gold(R"([1,"Skarv"])", Offsets::kBytes).find("there are 1"), std::string::npos);
    DatasetOptions other;
    other.offsets = Offsets::kChars;
    other.path = files_.write("dev.json", kHotpot);
    const auto refused = load_dataset(other);
    ASSERT_FALSE(refused.ok());
    EXPECT_NE(refused.error().message.find("--offsets"), std::string::npos);
}

TEST_F(Datasets, TheSeedOrdersThePool) {
    DatasetOptions options = from(kHotpot, "dev.json");
    options.haystack = Haystack::kPooled;
    std::set<std::string> orders;
    for (options.seed = 0; options.seed < 8; ++options.seed) {
        orders.insert(load(options).collections[0].documents[0]);
    }
    EXPECT_GT(orders.size(), 1u);
}

TEST_F(Datasets, AnAnswerOutsideTheEvidenceIsNoted) {
    const auto notes = [&](const std::string& evidence, Offsets offsets = Offsets::kBytes) {
        DatasetOptions options;
        options.offsets = offsets;
        options.path = files_.write(
            "own.jsonl",
            R"({"question":"Où?","answer":"Skarv","document":"Été été né à Skarv. Il y reste.","evidence":[)" +
                evidence + "]}");
        const auto data = load_dataset(options);
        EXPECT_TRUE(data.ok()) << data.error().message;
        return data.ok() && !data->notes.empty() ? data->notes[0] : std::string();
    };
    EXPECT_EQ(notes(R"("né à Skarv")"), "");
    const std::string as_bytes = notes("[12,18]");
    EXPECT_NE(as_bytes.find("1 of 1 questions"), std::string::npos);
    EXPECT_NE(as_bytes.find("--offsets chars"), std::string::npos);
    EXPECT_EQ(notes("[12,18]", Offsets::kChars), "");
    EXPECT_EQ(notes(R"("Il y reste")").find("--offsets"), std::string::npos);
    EXPECT_NE(notes(R"("Il y reste")"), "");
}

TEST_F(Datasets, ValuesOfOtherKindsAreErrorsNotCrashes) {
    const std::vector<Json> others{nullptr,
                                   -1,
                                   1e300,
                                   "",
                                   "text",
                                   true,
                                   Json::array(),
                                   Json::object(),
                                   Json::array({1, 2}),
                                   18446744073709551615u};
    for (const char* sample : kSamples) {
        Json whole = Json::parse(sample);
        std::vector<Json*> nodes;
        collect(whole, nodes);
        for (size_t n = 0; n < nodes.size(); ++n) {
            for (const Json& other : others) {
                Json changed = Json::parse(sample);
                std::vector<Json*> places;
                collect(changed, places);
                *places[n] = other;
                expect_sound(from(changed.dump()));
            }
        }
    }
}

TEST_F(Datasets, DamagedBytesAreErrorsNotCrashes) {
    std::mt19937 engine(11);
    for (const char* sample : kSamples) {
        for (int trial = 0; trial < 150; ++trial) {
            std::string text = sample;
            for (uint32_t change = 1 + engine() % 3; change > 0; --change) {
                const size_t at = engine() % text.size();
                if (engine() % 2 == 0) {
                    text[at] = static_cast<char>(engine());
                } else {
                    text.erase(at, 1 + engine() % 4);
                }
            }
            expect_sound(from(text));
        }
    }
}

}  // namespace
}  // namespace s3attn::eval

// Paragraphs with titles and supporting facts: HotpotQA, 2WikiMultihopQA, MuSiQue; and SQuAD with
// answer offsets.
#include <algorithm>
#include <set>

#include "eval/dataset_formats.h"

namespace s3attn::eval {
namespace {

std::string id_of(const Json& record) {
    for (const char* name : {"id", "_id"}) {
        if (!record.contains(name)) continue;
        const Json& id = record[name];
        return id.is_string() ? id.get<std::string>() : dump_json(id);
    }
    return "";
}

void add_answers(const Json& record, std::vector<std::string>& answers) {
    for (const char* name : {"answer", "answers", "answer_aliases"}) {
        if (!record.contains(name)) continue;
        if (record[name].is_string()) answers.push_back(record[name].get<std::string>());
        if (!record[name].is_array()) continue;
        for (const Json& answer : record[name]) {
            if (answer.is_string()) answers.push_back(answer.get<std::string>());
        }
    }
}

struct TitledText {
    std::string title, text;
};

// A text, or the sentences that it is in.
Result<std::string> text_of(const Record& record, const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_array()) return bad_record(record, "a paragraph is neither text nor sentences");
    std::string text;
    for (const Json& sentence : value) {
        if (!sentence.is_string()) return bad_record(record, "a sentence is no string");
        text += sentence.get<std::string>();
    }
    return text;
}

// [{"title", "sentences" or "text"}], [[title, [sentences]]] (official), or
// {"title": [...], "sentences": [[...]]} (as some hubs reshape it).
Result<std::vector<TitledText>> titled_paragraphs(const Record& record) {
    const Json& json = record.json;
    const char* name = json.contains("context") ? "context" : "paragraphs";
    if (!json.contains(name)) return bad_record(record, "no \"context\" and no \"paragraphs\"");
    const Json& list = json[name];
    std::vector<TitledText> paragraphs;
    const auto add = [&](const Json& title, const Json& body) -> Status {
        if (!title.is_string()) return bad_record(record, "a paragraph without a title");
        S3ATTN_TRY(std::string text, text_of(record, body));
        paragraphs.push_back({title.get<std::string>(), std::move(text)});
        return {};
    };
    if (list.is_object() && list.contains("title") && list.contains("sentences") &&
        list["title"].is_array() && list["sentences"].is_array() &&
        list["title"].size() == list["sentences"].size()) {
        for (size_t i = 0; i < list["title"].size(); ++i) {
            S3ATTN_CHECK(add(list["title"][i], list["sentences"][i]));
        }
        return paragraphs;
    }
    if (!list.is_array()) return bad_record(record, "\"" + std::string(name) + "\" is no list");
    for (const Json& paragraph : list) {
        if (paragraph.is_array() && paragraph.size() == 2) {
            S3ATTN_CHECK(add(paragraph[0], paragraph[1]));
        } else if (paragraph.is_object()) {
            const char* body = paragraph.contains("sentences") ? "sentences" : "text";
            S3ATTN_CHECK(add(paragraph.value("title", Json()), paragraph.value(body, Json())));
        } else {
            return bad_record(record, "a paragraph is neither a list nor an object");
        }
    }
    return paragraphs;
}

Result<std::set<std::string>> supporting_titles(const Record& record) {
    const Json& facts = record.json.value("supporting_facts", Json());
    std::set<std::string> titles;
    if (facts.is_object() && facts.contains("title") && facts["title"].is_array()) {
        for (const Json& title : facts["title"]) {
            if (title.is_string()) titles.insert(title.get<std::string>());
        }
        return titles;
    }
    if (!facts.is_array()) return bad_record(record, "no list \"supporting_facts\"");
    for (const Json& fact : facts) {
        if (!fact.is_array() || fact.empty() || !fact[0].is_string()) {
            return bad_record(record, "a supporting fact is not [title, sentence]");
        }
        titles.insert(fact[0].get<std::string>());
    }
    return titles;
}

// The answer's bytes in the context are the evidence.
Status mark_answer(const Record& record, const std::string& id, const Json& start,
                   const std::string& answer, Block& block) {
    const std::string where = id.empty() ? "" : "question " + id + ": ";
    if (!start.is_number_unsigned()) return bad_record(record, where + "no answer offset");
    const size_t begin = byte_of_code_point(block.text(), start.get<uint64_t>());
    if (answer.empty() || begin == std::string::npos ||
        block.text().compare(begin, answer.size(), answer) != 0) {
        return bad_record(record, where + "the context does not hold \"" + answer +
                                      "\" at character " + dump_json(start));
    }
    block.gold.emplace_back(begin, begin + answer.size());
    return {};
}

Result<RawQuestion> read_squad_question(const Record& record, const Json& json,
                                        const std::string& context) {
    RawQuestion question;
    question.place = record.place;
    question.id = json.is_object() ? id_of(json) : "";
    S3ATTN_TRY(question.question, string_field(record, json, "question"));
    const std::string where = question.id.empty() ? "" : "question " + question.id + ": ";
    if (question.question.find_first_not_of(" \t\r\n") == std::string::npos) {
        return bad_record(record, where + "the question is empty");
    }
    Block block{context, {}};
    const Json& answers = json.value("answers", Json());
    if (!answers.is_array()) return bad_record(record, where + "no list \"answers\"");
    const bool marked = json.contains("is_impossible") && json["is_impossible"].is_boolean();
    if (marked) question.group = "answerable";
    // SQuAD 2.0: nothing in the context answers it. The right thing to say is what LongBench's
    // qasper has as its answer to such questions.
    if (answers.empty()) {
        question.group = "unanswerable";
        question.answers.emplace_back("unanswerable");
    }
    for (const Json& answer : answers) {
        S3ATTN_TRY(const std::string text, string_field(record, answer, "text"));
        question.answers.push_back(text);
        // Further answers are other people's marks of the same thing.
        if (!block.gold.empty()) continue;
        S3ATTN_CHECK(
            mark_answer(record, question.id, answer.value("answer_start", Json()), text, block));
    }
    question.blocks.push_back(std::move(block));
    return question;
}

// Steps of MuSiQue's decomposition whose paragraph is not there.
size_t missing_steps(const Json& record) {
    const Json& steps = record.value("question_decomposition", Json());
    if (!steps.is_array()) return 0;
    return static_cast<size_t>(std::count_if(steps.begin(), steps.end(), [](const Json& step) {
        return step.is_object() && step.value("paragraph_support_idx", Json()).is_null();
    }));
}

}  // namespace

Result<RawQuestion> read_hotpot(const Record& record) {
    RawQuestion question;
    question.id = id_of(record.json);
    if (record.json.contains("type") && record.json["type"].is_string()) {
        question.group = record.json["type"].get<std::string>();
    }
    S3ATTN_TRY(question.question, string_field(record, record.json, "question"));
    add_answers(record.json, question.answers);
    S3ATTN_TRY(const auto titles, supporting_titles(record));
    S3ATTN_TRY(const auto paragraphs, titled_paragraphs(record));
    std::set<std::string> present;
    for (const TitledText& paragraph : paragraphs) {
        const bool gold = titles.contains(paragraph.title);
        if (gold) present.insert(paragraph.title);
        question.blocks.push_back(paragraph_block(paragraph.title, paragraph.text, gold));
    }
    question.gold_missing = titles.size() - present.size();
    return question;
}

Result<RawQuestion> read_musique(const Record& record) {
    RawQuestion question;
    question.id = id_of(record.json);
    const size_t hop = question.id.find("hop");  // "2hop__52283_75184", "3hop1__..."
    if (hop != std::string::npos && hop > 0 && hop < 3) {
        question.group = question.id.substr(0, hop + 3);
    }
    S3ATTN_TRY(question.question, string_field(record, record.json, "question"));
    add_answers(record.json, question.answers);
    const Json& paragraphs = record.json.value("paragraphs", Json());
    if (!paragraphs.is_array()) return bad_record(record, "no list \"paragraphs\"");
    for (const Json& paragraph : paragraphs) {
        S3ATTN_TRY(const std::string title, string_field(record, paragraph, "title"));
        const char* name = paragraph.contains("paragraph_text") ? "paragraph_text" : "text";
        S3ATTN_TRY(const std::string text, string_field(record, paragraph, name));
        const Json& supporting = paragraph.value("is_supporting", Json());
        if (!supporting.is_boolean()) return bad_record(record, "no \"is_supporting\"");
        question.blocks.push_back(paragraph_block(title, text, supporting.get<bool>()));
    }
    if (record.json.contains("answerable") && record.json["answerable"] == false) {
        // MuSiQue-Full asks each question twice under one id, the second time without some of the
        // paragraphs that answer it.
        if (!question.id.empty()) question.id += "#unanswerable";
        question.gold_missing = std::max<size_t>(missing_steps(record.json), 1);
    }
    return question;
}

Result<RawQuestion> read_flat_squad(const Record& record) {
    S3ATTN_TRY(const std::string context, string_field(record, record.json, "context"));
    Json json = record.json;
    const Json answers = json.value("answers", Json());
    if (answers.is_object()) {  // {"text": [...], "answer_start": [...]}
        const Json& texts = answers.value("text", Json::array());
        const Json& starts = answers.value("answer_start", Json::array());
        if (!texts.is_array() || !starts.is_array() || texts.size() != starts.size()) {
            return bad_record(record, "\"answers\" needs as many texts as offsets");
        }
        json["answers"] = Json::array();
        for (size_t i = 0; i < texts.size(); ++i) {
            json["answers"].push_back({{"text", texts[i]}, {"answer_start", starts[i]}});
        }
    }
    return read_squad_question(record, json, context);
}

Result<std::vector<RawQuestion>> read_squad(const Record& record, std::vector<std::string>& loose) {
    std::vector<RawQuestion> questions;
    for (const Json& article : record.json["data"]) {
        const Json& paragraphs = article.is_object() ? article.value("paragraphs", Json()) : Json();
        if (!paragraphs.is_array()) return bad_record(record, "an article without \"paragraphs\"");
        std::vector<std::string> contexts;
        const size_t first = questions.size();
        std::vector<size_t> own;  // paragraph of each question
        for (const Json& paragraph : paragraphs) {
            S3ATTN_TRY(std::string context, string_field(record, paragraph, "context"));
            const Json& qas = paragraph.value("qas", Json::array());
            if (!qas.is_array()) return bad_record(record, "\"qas\" is no list");
            for (const Json& qa : qas) {
                S3ATTN_TRY(RawQuestion question, read_squad_question(record, qa, context));
                own.push_back(contexts.size());
                questions.push_back(std::move(question));
            }
            contexts.push_back(std::move(context));
        }
        // A question's own document is its whole article.
        for (size_t q = first; q < questions.size(); ++q) {
            Block answer = std::move(questions[q].blocks.front());
            questions[q].blocks.clear();
            for (size_t p = 0; p < contexts.size(); ++p) {
                questions[q].blocks.push_back(p == own[q - first] ? answer
                                                                  : Block{contexts[p], {}});
            }
        }
        if (questions.size() == first) {
            loose.insert(loose.end(), contexts.begin(), contexts.end());
        }
    }
    return questions;
}

}  // namespace s3attn::eval

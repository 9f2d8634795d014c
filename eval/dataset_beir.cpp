// BEIR's folder form (also what ir_datasets exports), and judgements in BEIR's or TREC's columns.
#include <charconv>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "eval/datasets.h"
#include "eval/records.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;
constexpr uint64_t kMostQrelsBytes = 1ull << 30;

using Numbers = std::map<std::string, size_t>;
// query -> document -> grade
using Qrels = std::map<std::string, std::map<std::string, int>>;

Result<std::string> id_of(const Record& record) {
    for (const char* name : {"_id", "id"}) {
        if (!record.json.contains(name)) continue;
        const Json& id = record.json[name];
        return id.is_string() ? id.get<std::string>() : dump_json(id);
    }
    return bad_record(record, "no \"_id\"");
}

std::string text_or(const Json& json, const char* name) {
    return json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : "";
}

std::vector<std::string_view> fields_of(std::string_view line) {
    std::vector<std::string_view> fields;
    for (size_t at = 0; at < line.size();) {
        const size_t begin = line.find_first_not_of(" \t\r", at);
        if (begin == line.npos) break;
        const size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
        fields.push_back(line.substr(begin, end - begin));
        at = end;
    }
    return fields;
}

bool read_grade(std::string_view text, int& grade) {
    const auto end = std::from_chars(text.data(), text.data() + text.size(), grade);
    return end.ec == std::errc{} && end.ptr == text.data() + text.size();
}

// "query document grade" (BEIR, with a heading) or "query iteration document grade" (TREC).
Result<Qrels> read_qrels(const std::string& path, std::string& hash) {
    S3ATTN_TRY(const std::string bytes, read_file(path, kMostQrelsBytes));
    hash = hash_bytes(bytes);
    Qrels qrels;
    size_t number = 0;
    for (size_t begin = 0; begin < bytes.size();) {
        const size_t end = std::min(bytes.find('\n', begin), bytes.size());
        const auto fields = fields_of(std::string_view(bytes).substr(begin, end - begin));
        begin = end + 1;
        ++number;
        const std::string place = path + ", line " + std::to_string(number) + ": ";
        if (fields.empty()) continue;
        int grade = 0;
        const bool known = fields.size() == 3 || fields.size() == 4;
        if (!known || !read_grade(fields.back(), grade)) {
            if (number == 1 && known) continue;  // BEIR's heading
            return make_error(ErrorCode::kCorrupt,
                              place +
                                  "expected \"query document grade\" or TREC's \"query 0 "
                                  "document grade\"");
        }
        const std::string query(fields[0]), document(fields[fields.size() - 2]);
        if (!qrels[query].emplace(document, grade).second) {
            return make_error(ErrorCode::kCorrupt, place + "query " + query + " and document " +
                                                       document + " are judged twice");
        }
    }
    return qrels;
}

Status read_corpus(const std::string& path, std::string& hash, Collection& collection,
                   Numbers& numbers) {
    S3ATTN_TRY(const std::vector<Record> records, read_records(path, hash));
    for (const Record& record : records) {
        S3ATTN_TRY(const std::string id, id_of(record));
        S3ATTN_TRY(const std::string text, string_field(record, record.json, "text"));
        const std::string title = text_or(record.json, "title");
        if (!numbers.emplace(id, collection.documents.size()).second) {
            return bad_record(record, "the id \"" + id + "\" is there already");
        }
        collection.documents.push_back(title.empty() ? text : title + "\n" + text);
        collection.names.push_back(id);
    }
    return {};
}

// The judged documents of one query. One that the corpus lacks gets a number behind those that are
// there: it is never found, and counts, as trec_eval counts it.
void judge(const std::map<std::string, int>& judged, Collection& collection, Numbers& numbers,
           EvalQuestion& question) {
    for (const auto& [name, grade] : judged) {
        const auto [found, missing] = numbers.emplace(name, collection.names.size());
        if (missing) collection.names.push_back(name);
        question.relevance[found->second] = grade;
        if (found->second >= collection.documents.size()) {
            question.gold_missing += grade > 0 ? 1 : 0;
            continue;
        }
        const std::string& text = collection.documents[found->second];
        const size_t first = text.find_first_not_of(" \t\r\n\v\f");
        if (grade <= 0 || first == text.npos) continue;
        question.gold.push_back({found->second, first, text.find_last_not_of(" \t\r\n\v\f") + 1});
    }
}

// What was judged and is not there.
void note_missing(const Qrels& qrels, const std::map<std::string, std::string>& queries,
                  Dataset& dataset) {
    const Collection& collection = dataset.collections[0];
    const size_t documents = collection.names.size() - collection.documents.size();
    if (documents > 0) {
        dataset.notes.push_back("judged documents that the corpus lacks: " +
                                std::to_string(documents) + "; they count as not found");
    }
    size_t missing = 0;
    for (const auto& [query, judged] : qrels) missing += queries.contains(query) ? 0 : 1;
    if (missing > 0) {
        dataset.notes.push_back("judged queries that queries.jsonl lacks, left out: " +
                                std::to_string(missing) + " of " + std::to_string(qrels.size()));
    }
}

}  // namespace

Result<Dataset> load_beir(const DatasetOptions& options) {
    if (!options.extra.empty() || options.haystack != Haystack::kDefault) {
        return make_error(ErrorCode::kInvalidArgument,
                          "a BEIR folder is searched as it is: leave --haystack and --extra out");
    }
    std::string hashes[3];
    Collection collection;
    Numbers numbers;
    const fs::path folder(options.path);
    S3ATTN_CHECK(read_corpus((folder / "corpus.jsonl").string(), hashes[0], collection, numbers));
    const std::string judgements =
        options.qrels.empty() ? (folder / "qrels" / "test.tsv").string() : options.qrels;
    S3ATTN_TRY(const Qrels qrels, read_qrels(judgements, hashes[1]));
    std::vector<std::string> names = std::move(collection.names);
    Dataset dataset;
    dataset.format = "beir";
    dataset.collections.push_back(make_collection(std::move(collection.documents)));
    dataset.collections[0].names = std::move(names);
    S3ATTN_TRY(const std::vector<Record> queries,
               read_records((folder / "queries.jsonl").string(), hashes[2]));
    std::map<std::string, std::string> places;
    for (const Record& record : queries) {
        EvalQuestion question;
        S3ATTN_TRY(question.id, id_of(record));
        const auto [first, added] = places.emplace(question.id, record.place);
        if (!added) {
            return bad_record(record, "the id \"" + question.id + "\" is that of " + first->second);
        }
        const auto judged = qrels.find(question.id);
        if (judged == qrels.end()) continue;
        S3ATTN_TRY(question.question, string_field(record, record.json, "text"));
        judge(judged->second, dataset.collections[0], numbers, question);
        if (options.limit > 0 && dataset.questions.size() == options.limit) continue;
        dataset.questions.push_back(std::move(question));
    }
    if (dataset.questions.empty()) {
        return make_error(ErrorCode::kCorrupt, judgements + " judges no query of queries.jsonl");
    }
    note_missing(qrels, places, dataset);
    dataset.hash = hash_bytes(hashes[0] + hashes[1] + hashes[2]);
    return dataset;
}

}  // namespace s3attn::eval

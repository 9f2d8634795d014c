#include "eval/datasets.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <numeric>

#include "base/files.h"
#include "eval/dataset_formats.h"
#include "eval/metrics_retrieval.h"
#include "eval/python_random.h"

namespace s3attn::eval {
namespace {

constexpr std::string_view kBetweenBlocks = "\n\n";

std::string without_end_space(const std::string& text) {
    return text.substr(0, text.find_last_not_of(" \t\r\n\v\f") + 1);
}

// Questions whose evidence is partly or wholly absent are told apart; otherwise the file's own
// kinds of questions are.
void set_groups(const RawDataset& raw, std::vector<EvalQuestion>& questions) {
    const bool any_missing = std::any_of(questions.begin(), questions.end(),
                                         [](const auto& q) { return q.gold_missing > 0; });
    for (size_t i = 0; i < questions.size(); ++i) {
        EvalQuestion& question = questions[i];
        question.group = raw.questions[i].group;
        if (!any_missing) continue;
        question.group = question.gold_missing == 0 ? "evidence complete"
                         : question.gold.empty()    ? "evidence absent"
                                                    : "evidence in part";
    }
}

EvalQuestion question_of(const RawQuestion& raw, size_t number) {
    EvalQuestion question;
    question.id = raw.id.empty() ? std::to_string(number + 1) : raw.id;
    question.question = raw.question;
    question.answers = raw.answers;
    question.gold_missing = raw.gold_missing;
    return question;
}

void tidy(std::vector<Gold>& gold) {
    const auto key = [](const Gold& g) { return std::tuple(g.document, g.begin, g.end); };
    std::sort(gold.begin(), gold.end(),
              [&](const Gold& a, const Gold& b) { return key(a) < key(b); });
    gold.erase(std::unique(gold.begin(), gold.end(),
                           [&](const Gold& a, const Gold& b) { return key(a) == key(b); }),
               gold.end());
}

// Every distinct block in a random order as one document.
class Pool {
  public:
    void add(const std::string& block) {
        if (number_.emplace(block, blocks_.size()).second) blocks_.push_back(block);
    }
    std::string join(uint64_t seed) {
        std::vector<size_t> order(blocks_.size());
        std::iota(order.begin(), order.end(), size_t{0});
        PythonRandom(seed).shuffle(order);
        begin_.resize(blocks_.size());
        std::string text;
        for (const size_t block : order) {
            begin_[block] = text.size();
            text += blocks_[block];
            text += kBetweenBlocks;
        }
        return text;
    }
    uint64_t begin_of(const std::string& block) const { return begin_[number_.at(block)]; }

  private:
    std::map<std::string, size_t> number_;
    std::vector<std::string> blocks_;
    std::vector<uint64_t> begin_;
};

void pool_questions(const RawDataset& raw, const std::vector<RawDataset>& extra, uint64_t seed,
                    Dataset& dataset) {
    Pool pool;
    const auto add_all = [&pool](const RawDataset& source) {
        for (const RawQuestion& question : source.questions) {
            for (const Block& block : question.blocks) pool.add(block.text());
        }
        for (const std::string& block : source.loose) pool.add(block);
    };
    add_all(raw);
    for (const RawDataset& other : extra) add_all(other);
    dataset.collections.push_back(make_collection({pool.join(seed)}));
    for (size_t i = 0; i < raw.questions.size(); ++i) {
        EvalQuestion question = question_of(raw.questions[i], i);
        for (const Block& block : raw.questions[i].blocks) {
            const uint64_t at = pool.begin_of(block.text());
            for (const auto& [begin, end] : block.gold) {
                question.gold.push_back({0, at + begin, at + end});
            }
        }
        tidy(question.gold);
        dataset.questions.push_back(std::move(question));
    }
}

// Paragraphs become one document in their own order; documents stay apart.
void own_questions(const RawDataset& raw, Dataset& dataset) {
    std::map<std::string, size_t> known;  // collection id -> index
    for (size_t i = 0; i < raw.questions.size(); ++i) {
        EvalQuestion question = question_of(raw.questions[i], i);
        std::vector<std::string> documents;
        if (raw.paragraphs) documents.emplace_back();
        for (const Block& block : raw.questions[i].blocks) {
            if (!raw.paragraphs) documents.emplace_back();
            std::string& document = documents.back();
            if (!document.empty()) document += kBetweenBlocks;
            for (const auto& [begin, end] : block.gold) {
                question.gold.push_back(
                    {documents.size() - 1, document.size() + begin, document.size() + end});
            }
            document += raw.paragraphs ? without_end_space(block.text()) : block.text();
        }
        Collection collection = make_collection(std::move(documents));
        const auto [place, added] = known.emplace(collection.id, dataset.collections.size());
        if (added) dataset.collections.push_back(std::move(collection));
        question.collection = place->second;
        tidy(question.gold);
        dataset.questions.push_back(std::move(question));
    }
}

Status check_ids(const RawDataset& raw, const Dataset& dataset) {
    std::map<std::string, size_t> seen;
    for (size_t i = 0; i < dataset.questions.size(); ++i) {
        const auto [first, added] = seen.emplace(dataset.questions[i].id, i);
        if (!added) {
            return make_error(ErrorCode::kCorrupt, raw.questions[i].place + ": the id \"" +
                                                       dataset.questions[i].id + "\" is that of " +
                                                       raw.questions[first->second].place);
        }
    }
    return {};
}

// A run goes on only over the same texts, also where they stand in files of their own.
void add_hashes(const DocumentFiles& files, std::string& hashes) {
    for (const auto& [path, text] : files) hashes += hash_bytes(*text);
}

bool holds_text(const Collection& collection) {
    return std::any_of(
        collection.documents.begin(), collection.documents.end(), [](const std::string& document) {
            return !covers({0, 0, document.size()}, {}, document);  // more than white space
        });
}

// What could never be searched for, or would be found whatever a method retrieves.
Status check_documents(const RawDataset& raw, const Dataset& dataset) {
    std::vector<bool> empty;
    for (const Collection& collection : dataset.collections) {
        empty.push_back(!holds_text(collection));
    }
    for (size_t i = 0; i < dataset.questions.size(); ++i) {
        const EvalQuestion& question = dataset.questions[i];
        const auto& documents = dataset.collections[question.collection].documents;
        if (empty[question.collection]) {
            return make_error(ErrorCode::kCorrupt,
                              raw.questions[i].place + ": the documents hold no text");
        }
        for (const Gold& gold : question.gold) {
            if (!covers(gold, {}, documents[gold.document])) continue;
            return make_error(ErrorCode::kCorrupt, raw.questions[i].place +
                                                       ": a piece of evidence is nothing but white "
                                                       "space");
        }
    }
    return {};
}

void note_answers_outside(const RawDataset& raw, std::vector<std::string>& notes) {
    const auto count = [&](bool RawQuestion::*what) {
        return static_cast<size_t>(
            std::count_if(raw.questions.begin(), raw.questions.end(),
                          [what](const RawQuestion& question) { return question.*what; }));
    };
    const size_t outside = count(&RawQuestion::answer_outside);
    if (outside == 0) return;
    std::string note = "in " + std::to_string(outside) + " of " +
                       std::to_string(raw.questions.size()) +
                       " questions the answer stands in the document, but not in the marked "
                       "evidence";
    const size_t as_chars = count(&RawQuestion::inside_as_chars);
    if (as_chars > 0) {
        note += "; in " + std::to_string(as_chars) +
                " of them it would if the offsets counted characters: --offsets chars";
    }
    notes.push_back(std::move(note));
}

}  // namespace

Collection make_collection(std::vector<std::string> documents) {
    std::string all;
    for (const std::string& document : documents) {
        all += std::to_string(document.size()) + ":" + hash_bytes(document) + ";";
    }
    return {hash_bytes(all), std::move(documents)};
}

Result<Dataset> load_dataset(const DatasetOptions& options) {
    std::error_code ignored;
    if (options.format == "beir" ||
        (options.format == "auto" && std::filesystem::is_directory(options.path, ignored))) {
        return load_beir(options);
    }
    if (!options.qrels.empty()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "--qrels judges the documents of a BEIR folder (--format beir)");
    }
    S3ATTN_TRY(RawDataset raw, read_raw_dataset(options.path, options.format, options.offsets));
    std::string hashes = raw.hash;
    std::vector<RawDataset> extra;
    for (const std::string& path : options.extra) {
        S3ATTN_TRY(RawDataset other, read_raw_dataset(path, "auto"));
        hashes += other.hash;
        extra.push_back(std::move(other));
        add_hashes(extra.back().files, hashes);
    }
    add_hashes(raw.files, hashes);
    Dataset dataset;
    dataset.format = raw.format;
    dataset.hash = hashes == raw.hash ? hashes : hash_bytes(hashes);
    const bool pooled = options.haystack == Haystack::kPooled ||
                        (options.haystack == Haystack::kDefault && raw.paragraphs);
    if (!pooled && !options.extra.empty()) {
        return make_error(ErrorCode::kInvalidArgument,
                          "--extra mixes paragraphs into a pooled haystack: --haystack pooled");
    }
    if (pooled) {
        pool_questions(raw, extra, options.seed, dataset);
    } else {
        own_questions(raw, dataset);
    }
    S3ATTN_CHECK(check_ids(raw, dataset));
    S3ATTN_CHECK(check_documents(raw, dataset));
    set_groups(raw, dataset.questions);
    note_answers_outside(raw, dataset.notes);
    if (options.limit > 0 && options.limit < dataset.questions.size()) {
        dataset.questions.resize(options.limit);
    }
    return dataset;
}

}  // namespace s3attn::eval

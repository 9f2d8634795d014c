// Question sets with marked evidence, read from their official files, and the haystacks made of
// them. docs/evaluation.md says which formats there are and how each becomes documents.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "eval/method.h"
#include "s3attn/result.h"

namespace s3attn::eval {

// Bytes [begin, end) of a document of the question's collection.
struct Gold {
    size_t document = 0;
    uint64_t begin = 0, end = 0;
};

struct EvalQuestion {
    std::string id;
    std::string group;  // "2hop", "bridge", "evidence: none", ... ; empty where there is one kind
    std::string question;
    std::vector<std::string> answers;
    size_t collection = 0;            // index into Dataset::collections
    std::vector<Gold> gold;           // in document order, no two alike
    size_t gold_missing = 0;          // pieces of evidence that the haystack lacks
    std::map<size_t, int> relevance;  // document -> grade, as judged; empty where none are
};

struct Dataset {
    std::string format;  // as detected or given
    std::string hash;    // XXH3-128 of the files' bytes, hex
    std::vector<Collection> collections;
    std::vector<EvalQuestion> questions;
    std::vector<std::string> notes;  // what a reader of the figures should know about the data
};

enum class Haystack {
    kDefault,  // pooled where the file holds paragraphs, own where it holds whole documents
    kPooled,   // every distinct paragraph (or document) of the files, shuffled, as one document
    kOwn,      // each question searches its own documents
};

// What the offsets of plain records count.
enum class Offsets { kBytes, kChars };

struct DatasetOptions {
    std::string path;
    std::string format = "auto";  // or one of dataset_formats()
    Haystack haystack = Haystack::kDefault;
    Offsets offsets = Offsets::kBytes;
    std::vector<std::string> extra;  // files whose paragraphs are mixed in, without questions
    uint64_t seed = 0;               // of the shuffle: Python's random.Random(seed).shuffle
    // Of a BEIR folder: the judgements, in its own three columns or TREC's four; empty:
    // qrels/test.tsv there.
    std::string qrels;
    size_t limit = 0;  // only the first so many questions; 0: all
};

const std::vector<std::string>& dataset_formats();

// A folder with corpus.jsonl and queries.jsonl, and judgements. Each document of the corpus is one
// of the collection's; the questions are the queries that are judged.
Result<Dataset> load_beir(const DatasetOptions& options);

// A bad line is kCorrupt and named with its file and number.
Result<Dataset> load_dataset(const DatasetOptions& options);

}  // namespace s3attn::eval

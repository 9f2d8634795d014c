// From the records of each official format to questions over blocks of text.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "eval/datasets.h"
#include "eval/records.h"
#include "s3attn/result.h"

namespace s3attn::eval {

// Documents that questions name by file, read once however many questions there are.
using DocumentFiles = std::map<std::string, std::shared_ptr<const std::string>>;  // by path

// A paragraph or a whole document as a question brings it.
struct Block {
    std::string own_text;
    std::vector<std::pair<uint64_t, uint64_t>> gold;    // byte ranges that are evidence
    std::shared_ptr<const std::string> file = nullptr;  // in place of own_text
    const std::string& text() const { return file ? *file : own_text; }
};

struct RawQuestion {
    std::string id, group, question;
    std::vector<std::string> answers;
    std::vector<Block> blocks;
    size_t gold_missing = 0;  // pieces of evidence that no block holds
    std::string place;
    // An answer stands in the documents, but in no piece of evidence ...
    bool answer_outside = false;
    // ... where it would stand if the offsets counted characters.
    bool inside_as_chars = false;
};

struct RawDataset {
    std::string format;
    bool paragraphs = true;  // blocks are paragraphs; false: whole documents
    std::vector<RawQuestion> questions;
    std::vector<std::string> loose;  // blocks that belong to no question
    DocumentFiles files;
    std::string hash;  // of the file of questions
};

// `format`: "auto" or a name of dataset_formats(). `offsets` is for the plain format alone.
Result<RawDataset> read_raw_dataset(const std::string& path, const std::string& format,
                                    Offsets offsets = Offsets::kBytes);

// One record -> one question. In dataset_qa.cpp and dataset_needles.cpp.
Result<RawQuestion> read_hotpot(const Record& record);  // also 2WikiMultihopQA
Result<RawQuestion> read_musique(const Record& record);
Result<RawQuestion> read_flat_squad(const Record& record);
Result<std::vector<RawQuestion>> read_squad(const Record& record, std::vector<std::string>& loose);
Result<RawQuestion> read_ruler(const Record& record);
Result<RawQuestion> read_kv(const Record& record);
Result<RawQuestion> read_plain(const Record& record, const std::string& path, Offsets offsets,
                               DocumentFiles& files);

// Byte offset of the code point number `offset`; npos when the text is shorter.
size_t byte_of_code_point(std::string_view text, uint64_t offset);

// The text and its range without white space at either end, under a title (which may be empty).
Block paragraph_block(const std::string& title, const std::string& text, bool gold);

}  // namespace s3attn::eval

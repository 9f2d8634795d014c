// Whole documents ranked and judged by grade, as trec_eval does it, and its file formats.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eval/datasets.h"
#include "eval/method.h"
#include "eval/run_record.h"

namespace s3attn::eval {

inline constexpr size_t kTrecDepth = 1000;  // documents of a ranking, as TREC has them

struct RankedDocument {
    size_t document = 0;
    double score = 0;
};
// A document stands where its best unit does.
Result<std::vector<RankedDocument>> rank_documents(const UnitStore& units, const UnitList& ranked);

// doc_ndcg10 (gain: the grade), doc_map, doc_recall100, doc_rr over the first kTrecDepth documents:
// trec_eval's ndcg_cut_10, map, recall_100 and recip_rank. Empty where nothing is relevant.
std::map<std::string, double> document_metrics(const std::map<size_t, int>& relevance,
                                               const std::vector<RankedDocument>& ranked);

// [[name, score], ...] of a row, scores strictly falling in 32 bits: trec_eval sorts by them, and
// would order equal ones by name.
Json trec_json(const std::vector<RankedDocument>& ranked, const Collection& collection);

// DIR/trec/<method>.run of every method and DIR/trec/qrels.
Status write_trec_files(const std::string& directory, const Dataset& data,
                        const std::vector<Json>& rows);

}  // namespace s3attn::eval

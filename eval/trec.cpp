#include "eval/trec.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <set>

#include "base/files.h"

namespace s3attn::eval {
namespace {

std::string file_name(const std::string& method) {
    std::string name;
    for (const char c : method) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
        name += plain ? c : '_';
    }
    return name;
}

std::string score_text(double score) {
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", score);
    return text;
}

}  // namespace

Result<std::vector<RankedDocument>> rank_documents(const UnitStore& units, const UnitList& ranked) {
    std::vector<RankedDocument> out;
    std::set<size_t> seen;
    for (const RankedUnit& unit : ranked) {
        if (out.size() == kTrecDepth) break;
        S3ATTN_TRY(const UnitRow row, units.unit(unit.unit));
        const size_t document = units.document_of(row.doc_id);
        if (seen.insert(document).second) out.push_back({document, unit.score});
    }
    return out;
}

std::map<std::string, double> document_metrics(const std::map<size_t, int>& relevance,
                                               const std::vector<RankedDocument>& ranked) {
    std::vector<int> ideal;
    for (const auto& [document, grade] : relevance) {
        if (grade > 0) ideal.push_back(grade);
    }
    std::sort(ideal.rbegin(), ideal.rend());
    const auto gain = [](int grade, size_t rank) {
        return static_cast<double>(grade) / std::log2(static_cast<double>(rank) + 1);
    };
    double best = 0, found = 0, precision_sum = 0, reciprocal = 0;
    for (size_t i = 0; i < std::min<size_t>(ideal.size(), 10); ++i) best += gain(ideal[i], i + 1);
    size_t relevant = 0, in_hundred = 0;
    for (size_t i = 0; i < std::min(ranked.size(), kTrecDepth); ++i) {
        const auto judged = relevance.find(ranked[i].document);
        if (judged == relevance.end() || judged->second <= 0) continue;
        ++relevant;
        if (i < 10) found += gain(judged->second, i + 1);
        if (i < 100) ++in_hundred;
        if (reciprocal == 0) reciprocal = 1.0 / static_cast<double>(i + 1);
        precision_sum += static_cast<double>(relevant) / static_cast<double>(i + 1);
    }
    // Where nothing is relevant every figure is 0, which means count, as in trec_eval.
    const double n = std::max(1.0, static_cast<double>(ideal.size()));
    return {{"doc_ndcg10", best > 0 ? found / best : 0},
            {"doc_map", precision_sum / n},
            {"doc_recall100", static_cast<double>(in_hundred) / n},
            {"doc_rr", reciprocal}};
}

Json trec_json(const std::vector<RankedDocument>& ranked, const Collection& collection) {
    Json out = Json::array();
    float last = std::numeric_limits<float>::infinity();
    for (const RankedDocument& each : ranked) {
        auto score = static_cast<float>(each.score);
        if (!(score < last)) score = std::nextafter(last, -std::numeric_limits<float>::infinity());
        last = score;
        out.push_back({collection.names[each.document], static_cast<double>(score)});
    }
    return out;
}

Status write_trec_files(const std::string& directory, const Dataset& data,
                        const std::vector<Json>& rows) {
    std::map<std::string, std::string> runs;
    for (const Json& row : rows) {
        if (!row.contains("documents")) continue;
        const auto method = row["method"].get<std::string>();
        const auto id = row["id"].get<std::string>();
        std::string& run = runs[method];
        size_t rank = 0;
        for (const Json& each : row["documents"]) {
            run += id + " Q0 " + each[0].get<std::string>() + " " + std::to_string(++rank) + " " +
                   score_text(each[1].get<double>()) + " " + file_name(method) + "\n";
        }
    }
    if (runs.empty()) return {};
    const std::string folder = directory + "/trec";
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) return make_error(ErrorCode::kIo, "cannot make " + folder + ": " + error.message());
    for (const auto& [method, run] : runs) {
        S3ATTN_CHECK(write_file_atomic(folder + "/" + file_name(method) + ".run", run));
    }
    std::string qrels;
    for (const EvalQuestion& question : data.questions) {
        for (const auto& [document, grade] : question.relevance) {
            qrels += question.id + " 0 " + data.collections[question.collection].names[document] +
                     " " + std::to_string(grade) + "\n";
        }
    }
    return write_file_atomic(folder + "/qrels", qrels);
}

}  // namespace s3attn::eval

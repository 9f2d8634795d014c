// What the report's tables and plots show, taken from a run record. Fields that a record lacks are
// left out, never guessed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/run_record.h"

namespace s3attn::eval {

struct Figure {
    std::string group, method, metric;
    int64_t budget = -1;  // -1: none
    double mean = 0, low = 0, high = 0;
    size_t n = 0;
};
struct PairedFigure {
    std::string group, method, baseline, metric;
    int64_t budget = -1;
    double difference = 0, low = 0, high = 0, ratio = 0;
    bool has_ratio = false;
    size_t n = 0;
};
struct MethodCost {
    std::string name, label;
    int64_t budget = -1;
    double index_bytes = 0, bytes_per_token = 0, index_seconds = 0, peak_rss_bytes = 0;
    double seconds_per_question = 0;  // retrieve + prefill + decode; < 0: unknown
    std::vector<std::pair<std::string, double>> stages;  // name, seconds
};

std::vector<Figure> figures_of(const Json& document);
std::vector<PairedFigure> paired_of(const Json& document);
std::vector<MethodCost> costs_of(const Json& document);

// "ev1024" -> "ev" and 1024; other names: themselves and -1.
std::string metric_family(const std::string& metric, int64_t& budget);
// The metric that plots are about: "score" of answers; of retrieval the evidence recall at the
// budget nearest to 1,024 tokens.
std::string main_metric(const Json& document);
// The groups in order of their first figure, "all"-like ones first.
std::vector<std::string> groups_of(const std::vector<Figure>& figures);

// The list of this name, or an empty one.
const Json& list_of(const Json& json, const char* name);
std::string text_field(const Json& json, const char* name);
double number_field(const Json& json, const char* name, double otherwise = 0);
bool flag_field(const Json& json, const char* name);  // false where it is no true
// For people: "full", "hybrid, 1,024 tokens".
std::string method_at(const std::string& method, int64_t budget);
// ".123" with three digits; "12.3" for larger values.
std::string short_number(double value);

}  // namespace s3attn::eval

// Names the tokens at which a feature fires: the store knows positions and text, the model's
// tokenizer what lies at a position.
#include <algorithm>
#include <map>

#include "base/guarded.h"
#include "model/llama_model.h"
#include "s3attn/engine.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

constexpr uint32_t kPlacesForPreferences = 1000;

Status check_tokenizer(const std::string& store, const InspectReport& report,
                       const std::string& model) {
    S3ATTN_TRY(const ModelInfo info, read_model_info(model));
    const auto stored = report.fingerprint.find("tokenizer_hash");
    if (stored == report.fingerprint.end() || stored->second == info.tokenizer_hash) return {};
    return make_error(ErrorCode::kMismatch, reason::kStoreMismatch, "tokenizer_hash",
                      "store '" + store + "' was made with another " + "tokenizer_hash (" +
                          stored->second + ", '" + info.name + "' has " + info.tokenizer_hash +
                          "): use the model that it was made with");
}

Status find_token(const Tokenizer& tokenizer, FeatureOccurrence& occurrence) {
    S3ATTN_TRY(const Tokens tokens, tokenizer.tokenize(occurrence.context));
    if (occurrence.unit_token >= tokens.ids.size()) return {};
    occurrence.token_begin = tokens.begin[occurrence.unit_token];
    occurrence.token_end = tokens.begin[occurrence.unit_token + 1];
    return {};
}

void rank_tokens(InspectReport& report, uint32_t limit) {
    struct Sum {
        uint64_t count = 0;
        double activation = 0;
    };
    std::map<std::string, Sum> sums;
    for (const FeatureOccurrence& o : report.occurrences) {
        std::string token = o.context.substr(o.token_begin, o.token_end - o.token_begin);
        if (o.token_end == 0) token = "(line end)";
        Sum& sum = sums[token];
        ++sum.count;
        sum.activation += o.activation;
    }
    std::vector<std::pair<std::string, Sum>> order(sums.begin(), sums.end());
    std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
        return a.second.activation > b.second.activation;
    });
    order.resize(std::min<size_t>(order.size(), limit));
    for (const auto& [token, sum] : order) {
        report.likes.push_back({token, sum.count, sum.activation / static_cast<double>(sum.count)});
    }
}

Result<InspectReport> inspect_with(const Store& store, const InspectOptions& options,
                                   const std::string& model) {
    InspectOptions wider = options;
    if (options.head_slot >= 0) wider.limit = std::max(options.limit, kPlacesForPreferences);
    S3ATTN_TRY(InspectReport report, store.inspect(wider));
    if (options.head_slot < 0) return report;
    S3ATTN_CHECK(check_tokenizer(store.directory(), report, model));
    S3ATTN_TRY(const auto tokenizer, open_llama_tokenizer(model));
    for (FeatureOccurrence& occurrence : report.occurrences) {
        S3ATTN_CHECK(find_token(*tokenizer, occurrence));
    }
    rank_tokens(report, options.limit);
    report.occurrences.resize(std::min<size_t>(report.occurrences.size(), options.limit));
    return report;
}

}  // namespace

Result<InspectReport> inspect_tokens(const Store& store, const InspectOptions& options,
                                     const std::string& model) {
    return guarded([&] { return inspect_with(store, options, model); });
}

}  // namespace s3attn

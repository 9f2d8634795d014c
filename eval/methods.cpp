#include "eval/methods.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <mutex>
#include <set>
#include <unordered_map>

#include "base/files.h"
#include "eval/json_text.h"
#include "eval/method_parts.h"
#include "model/llama_model.h"

namespace s3attn::eval {
namespace {

constexpr size_t kMostShownBytes = 80;
constexpr size_t kRememberedCounts = 200'000;

bool takes_number(std::string_view name) { return name == "layer0"; }

Result<std::unique_ptr<Method>> method_named(const std::string& name, MethodContext& context) {
    if (name == "s3" || name == "hybrid" || name == "random-codes") {
        return make_s3_method(name, context);
    }
    if (name.starts_with("layer0:")) {
        return make_key_method(name, std::stoi(name.substr(7)), context);
    }
    if (name == "int4" || name == "layer0") return make_key_method(name, -1, context);
    if (name == "dense") return make_dense_method(context);
    if (name == "bm25" || name == "lead" || name == "tail" || name == "random") {
        return make_word_method(name, context);
    }
    std::string known;
    for (const std::string& each : method_names()) known += (known.empty() ? "" : ", ") + each;
    return make_error(ErrorCode::kInvalidArgument,
                      "there is no method '" + shortened(name, kMostShownBytes) +
                          "'; the methods are " + known +
                          ", rrf(A,B), sum(A:WEIGHT,B:WEIGHT), context(A)");
}

// "context(METHOD)" or "context:N(METHOD)": around a whole method, not within a mix.
Result<std::unique_ptr<Method>> context_method(const std::string& spec, MethodContext& context) {
    const auto wrong = [&spec] {
        return make_error(ErrorCode::kInvalidArgument,
                          "method '" + shortened(spec, kMostShownBytes) +
                              "': expected context(METHOD) or context:N(METHOD), N from 1 to 1000");
    };
    const size_t open = spec.find('(');
    if (open == std::string::npos || !spec.ends_with(')')) return wrong();
    uint32_t first = context.rerank;
    if (spec[7] == ':') {
        const char* end = spec.data() + open;
        const auto parsed = std::from_chars(spec.data() + 8, end, first);
        if (parsed.ec != std::errc() || parsed.ptr != end || first == 0 || first > 1000) {
            return wrong();
        }
    } else if (open != 7) {
        return wrong();
    }
    const std::string inner = spec.substr(open + 1, spec.size() - open - 2);
    if (inner.starts_with("context")) return wrong();
    S3ATTN_TRY(auto method, make_method(inner, context));
    return make_context_method(spec, std::move(method), context, first);
}

Result<std::unique_ptr<Method>> method_of(const Mix& mix, MethodContext& context) {
    if (mix.kind == Mix::Kind::kVoice) return method_named(mix.text, context);
    std::vector<FusionPart> parts;
    for (const Mix& part : mix.parts) {
        S3ATTN_TRY(auto method, method_of(part, context));
        parts.push_back({std::move(method), part.weight});
    }
    return make_fusion(mix.text, mix.kind, std::move(parts));
}

}  // namespace

const char* round_query_name(RoundQuery query) {
    switch (query) {
        case RoundQuery::kEvidence: return "evidence";
        case RoundQuery::kContext: return "context";
        case RoundQuery::kAppend: break;
    }
    return "append";
}

const char* scoring_name(Scoring scoring) {
    switch (scoring) {
        case Scoring::kAttention: return "attention";
        case Scoring::kEq7: return "eq7";
        case Scoring::kEq7NoIdf: return "eq7-no-idf";
    }
    return "";
}

const std::vector<std::string>& method_names() {
    static const std::vector<std::string> names{"bm25", "dense",        "s3",     "hybrid",
                                                "int4", "random-codes", "layer0", "lead",
                                                "tail", "random"};
    return names;
}

Result<std::unique_ptr<Method>> make_method(const std::string& spec, MethodContext& context) {
    if (!context.model) context.model = std::make_shared<ScanModel>(context.engine);
    if (spec.starts_with("context(") || spec.starts_with("context:")) {
        return context_method(spec, context);
    }
    S3ATTN_TRY(const Mix mix, parse_mix(spec, takes_number));
    return method_of(mix, context);
}

Status check_lists(const std::vector<std::string>& methods, const std::vector<uint32_t>& budgets) {
    std::set<std::string> names;
    for (const std::string& method : methods) {
        if (names.insert(method).second) continue;
        return make_error(ErrorCode::kInvalidArgument,
                          "a method is named twice: '" + shortened(method, kMostShownBytes) + "'");
    }
    std::set<uint32_t> numbers;
    for (const uint32_t budget : budgets) {
        if (budget == 0) return make_error(ErrorCode::kInvalidArgument, "a budget is 0");
        if (numbers.insert(budget).second) continue;
        return make_error(ErrorCode::kInvalidArgument,
                          "a budget is given twice: " + std::to_string(budget));
    }
    return {};
}

bool any_uses(const std::vector<std::string>& methods,
              std::initializer_list<std::string_view> names) {
    constexpr std::string_view kOfName = "abcdefghijklmnopqrstuvwxyz0123456789-";
    for (const std::string_view method : methods) {
        for (size_t at = method.find_first_of(kOfName); at != method.npos;) {
            const size_t end = std::min(method.find_first_not_of(kOfName, at), method.size());
            const std::string_view part = method.substr(at, end - at);
            for (const std::string_view name : names) {
                if (part.starts_with(name)) return true;
            }
            at = method.find_first_of(kOfName, end);
        }
    }
    return false;
}

Result<Json> embedder_hash(const std::vector<std::string>& methods, const MethodContext& context) {
    std::error_code ignored;
    // A file that is not there is the method's own error, which says how to get it.
    if (!any_uses(methods, {"dense"}) || !std::filesystem::exists(context.embedder, ignored)) {
        return Json();
    }
    S3ATTN_TRY(const std::string hash, hash_file(context.embedder));
    return Json(hash);
}

std::vector<std::string> split_methods(const std::string& list) {
    std::vector<std::string> specs(1);
    int depth = 0;
    for (const char c : list) {
        if (c == '(') ++depth;
        if (c == ')') --depth;
        if (c == ' ') continue;
        if (c == ',' && depth == 0) {
            specs.emplace_back();
        } else {
            specs.back() += c;
        }
    }
    return specs;
}

std::string index_directory(const std::string& directory, const Collection& collection) {
    return directory + "/" + collection.id;
}

std::string units_directory(const std::string& directory, const Collection& collection) {
    return index_directory(directory, collection) + "/units";
}

Result<CountTokens> scan_counter(MethodContext& context) {
    if (!context.model) context.model = std::make_shared<ScanModel>(context.engine);
    S3ATTN_CHECK(context.model->info());
    return CountTokens(
        [model = context.model](std::string_view text) { return model->count(text); });
}

Result<CountTokens> reader_counter(const EngineOptions& engine) {
    struct Memory {
        std::mutex mutex;
        std::unique_ptr<Tokenizer> tokenizer;
        std::unordered_map<std::string, uint32_t> counts;  // the same units come up again and again
    };
    auto memory = std::make_shared<Memory>();
    S3ATTN_TRY(memory->tokenizer,
               open_llama_tokenizer(engine.reader.empty() ? engine.model : engine.reader));
    return CountTokens([memory](std::string_view text) -> Result<uint32_t> {
        const std::lock_guard lock(memory->mutex);
        const auto known = memory->counts.find(std::string(text));
        if (known != memory->counts.end()) return known->second;
        S3ATTN_TRY(const uint32_t n, memory->tokenizer->count(text));
        if (memory->counts.size() < kRememberedCounts) memory->counts.emplace(text, n);
        return n;
    });
}

}  // namespace s3attn::eval

#include "eval/methods.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <mutex>
#include <set>
#include <unordered_map>

#include "eval/json_text.h"
#include "eval/method_parts.h"
#include "model/llama_model.h"

namespace s3attn::eval {
namespace {

constexpr size_t kMostShownBytes = 80;
constexpr int kMaxFusionDepth = 16;  // the parser and the methods recurse
constexpr size_t kRememberedCounts = 200'000;

Error not_understood(const std::string& spec, const std::string& why) {
    return make_error(ErrorCode::kInvalidArgument, "method '" + shortened(spec, kMostShownBytes) +
                                                       "': " + shortened(why, 4 * kMostShownBytes));
}

// Recursive descent over "rrf(bm25,sum(s3:4,dense:1))".
class Parser {
  public:
    Parser(const std::string& spec, MethodContext& context) : spec_(spec), context_(context) {}

    Result<std::unique_ptr<Method>> parse_all() {
        S3ATTN_TRY(auto method, parse());
        if (at_ != spec_.size())
            return not_understood(spec_, "'" + spec_.substr(at_) + "' is left");
        return method;
    }

  private:
    Result<std::unique_ptr<Method>> parse() {
        const size_t begin = at_;
        at_ = std::min(spec_.find_first_of("(),:", at_), spec_.size());
        const std::string name = spec_.substr(begin, at_ - begin);
        if (name == "rrf" || name == "sum") return parse_fusion(name, begin);
        if (name == "context") return parse_context(begin);
        if (name == "layer0" && peek() == ':') {
            ++at_;
            int head = -1;
            if (!number(head) || head < 0)
                return not_understood(spec_, "layer0:HEAD wants a number");
            return make_key_method("layer0:" + std::to_string(head), head, context_);
        }
        return simple(name);
    }

    // "context(METHOD)" or "context:N(METHOD)".
    Result<std::unique_ptr<Method>> parse_context(size_t begin) {
        uint32_t first = context_.rerank;
        if (peek() == ':') {
            ++at_;
            if (!number(first) || first == 0 || first > 1000) {
                return not_understood(spec_, "context:N wants 1 to 1000 units");
            }
        }
        if (peek() != '(') return not_understood(spec_, "context wants a method in parentheses");
        if (++depth_ > kMaxFusionDepth) return not_understood(spec_, "nested too deeply");
        ++at_;
        S3ATTN_TRY(auto inner, parse());
        if (peek() != ')') return not_understood(spec_, "a ')' is missing");
        ++at_;
        --depth_;
        return make_context_method(spec_.substr(begin, at_ - begin), std::move(inner), context_,
                                   first);
    }

    Result<std::unique_ptr<Method>> simple(const std::string& name) {
        if (name == "s3" || name == "hybrid" || name == "random-codes") {
            return make_s3_method(name, context_);
        }
        if (name == "int4" || name == "layer0") return make_key_method(name, -1, context_);
        if (name == "dense") return make_dense_method(context_);
        if (name == "bm25" || name == "lead" || name == "tail" || name == "random") {
            return make_word_method(name, context_);
        }
        std::string known;
        for (const std::string& each : method_names()) known += (known.empty() ? "" : ", ") + each;
        return not_understood(spec_, "there is no '" + name + "'; the methods are " + known +
                                         ", rrf(A,B), sum(A:WEIGHT,B:WEIGHT), context(A)");
    }

    Result<std::unique_ptr<Method>> parse_fusion(const std::string& name, size_t begin) {
        if (peek() != '(') return not_understood(spec_, name + " wants methods in parentheses");
        if (++depth_ > kMaxFusionDepth) return not_understood(spec_, "nested too deeply");
        std::vector<FusionPart> parts;
        do {
            ++at_;
            FusionPart part;
            S3ATTN_TRY(part.method, parse());
            if (peek() == ':') {
                ++at_;
                if (!number(part.weight) || !(part.weight > 0) || part.weight > 1e6) {
                    return not_understood(spec_, "a weight is no number above 0");
                }
            }
            parts.push_back(std::move(part));
        } while (peek() == ',');
        if (peek() != ')') return not_understood(spec_, "a ')' is missing");
        ++at_;
        --depth_;
        if (parts.size() < 2) return not_understood(spec_, name + " wants at least two methods");
        return make_fusion(spec_.substr(begin, at_ - begin),
                           name == "rrf" ? Fusion::kReciprocalRank : Fusion::kWeightedSum,
                           std::move(parts));
    }

    char peek() const { return at_ < spec_.size() ? spec_[at_] : '\0'; }
    template <class T>
    bool number(T& value) {
        const auto parsed = std::from_chars(spec_.data() + at_, spec_.data() + spec_.size(), value);
        at_ = static_cast<size_t>(parsed.ptr - spec_.data());
        return parsed.ec == std::errc{};
    }

    const std::string& spec_;
    MethodContext& context_;
    size_t at_ = 0;
    int depth_ = 0;
};

}  // namespace

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
    return Parser(spec, context).parse_all();
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

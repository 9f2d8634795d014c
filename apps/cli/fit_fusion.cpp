#include "fit_fusion.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "base/files.h"
#include "retrieve/fusion.h"
#include "retrieve/mix.h"
#include "train/corpus.h"

namespace s3attn::cli {
namespace {

// Shares of attention that are tried for each question; between them the worth is interpolated.
constexpr double kStep = 0.1;
constexpr size_t kShares = 11;
constexpr double kPenalty = 0.02;  // of squared weights: few questions, so a model near one weight
const char* const kFitted[] = {"agreement", "bm25_gap", "words"};

// What a question's two lists are worth at each share, and their features.
struct AskedQuestion {
    std::vector<FusionFeature> features;
    double worth[kShares] = {};
};

struct FusionPool {
    std::string text;
    std::vector<std::string> questions;
    std::vector<uint64_t> begin;  // of each question's passage in `text`
};

FusionPool make_pool(const Corpus& corpus, uint32_t wanted, uint64_t seed) {
    FusionPool pool;
    const std::vector<ClozePair> pairs = make_cloze_pairs(corpus.paragraphs, wanted, seed);
    std::vector<bool> used(corpus.paragraphs.size());
    const auto add = [&](const std::string& paragraph) {
        const uint64_t begin = pool.text.size();
        pool.text += paragraph + "\n\n";
        return begin;
    };
    for (const ClozePair& pair : pairs) {
        used[pair.source] = true;
        pool.questions.push_back(pair.question);
        pool.begin.push_back(add(pair.paragraph));
    }
    // As many again that no question asks for.
    size_t more = pairs.size();
    for (size_t p = 0; p < used.size() && more > 0; ++p) {
        if (used[p]) continue;
        add(corpus.paragraphs[p]);
        --more;
    }
    return pool;
}

double worth_of_rank(size_t rank) { return 1 / std::log2(2.0 + static_cast<double>(rank)); }

AskedQuestion weigh_question(const std::string& question, uint64_t target,
                             const SearchResult& found) {
    UnitList attention, words;
    UnitNumber wanted = UINT32_MAX;
    for (UnitNumber u = 0; u < found.spans.size(); ++u) {
        const Span& span = found.spans[u];
        attention.push_back({u, span.score_of("s3")});
        if (span.score_of("bm25") > 0) words.push_back({u, span.score_of("bm25")});
        if (span.byte_begin <= target && target < span.byte_end) wanted = u;
    }
    sort_best_first(attention);
    sort_best_first(words);
    AskedQuestion asked;
    asked.features = fusion_features(attention, words, question);
    for (size_t s = 0; s < kShares; ++s) {
        const double share = std::clamp(static_cast<double>(s) * kStep, 1e-6, 1 - 1e-6);
        const UnitList fused =
            fuse(Mix::Kind::kSum, {&attention, &words}, {share, 1 - share}, found.spans.size());
        const auto at = std::find_if(fused.begin(), fused.end(),
                                     [&](const RankedUnit& unit) { return unit.unit == wanted; });
        if (at != fused.end()) {
            asked.worth[s] = worth_of_rank(static_cast<size_t>(at - fused.begin()));
        }
    }
    return asked;
}

double worth_at(const AskedQuestion& asked, double share) {
    const double at = std::clamp(share, 0.0, 1.0) / kStep;
    const auto low = std::min(static_cast<size_t>(at), kShares - 2);
    const double part = at - static_cast<double>(low);
    return asked.worth[low] * (1 - part) + asked.worth[low + 1] * part;
}

double mean_worth(const std::vector<AskedQuestion>& all, const FusionModel& model) {
    double sum = 0;
    for (const AskedQuestion& each : all) {
        const auto share = attention_share(model, each.features);
        sum += worth_at(each, share.ok() ? *share : 0.5);
    }
    return sum / static_cast<double>(all.size());
}

FusionModel standard_model(const std::vector<AskedQuestion>& all) {
    FusionModel model;
    const auto n = static_cast<double>(all.size());
    for (const char* name : kFitted) {
        FusionModel::Feature feature{name, 0, 0, 0};
        std::vector<double> values;
        for (const AskedQuestion& each : all) {
            for (const FusionFeature& value : each.features) {
                if (value.name == name) values.push_back(value.value);
            }
        }
        for (const double value : values) feature.mean += value / n;
        for (const double value : values) {
            feature.spread += (value - feature.mean) * (value - feature.mean) / n;
        }
        feature.spread = std::max(1e-6, std::sqrt(feature.spread));
        model.features.push_back(feature);
    }
    return model;
}

// Coordinate by coordinate, with ever smaller steps: four numbers need no better.
void climb(const std::vector<AskedQuestion>& all, FusionModel& model) {
    const auto value = [&] {
        double squares = 0;
        for (const FusionModel::Feature& each : model.features)
            squares += each.weight * each.weight;
        return mean_worth(all, model) - kPenalty * squares;
    };
    double best = value();
    for (double step = 1; step > 0.01; step /= 2) {
        for (bool better = true; better;) {
            better = false;
            std::vector<double*> numbers{&model.bias};
            for (FusionModel::Feature& each : model.features) numbers.push_back(&each.weight);
            for (double* number : numbers) {
                for (const double change : {step, -step}) {
                    *number += change;
                    const double now = value();
                    if (now > best + 1e-9) {
                        best = now;
                        better = true;
                    } else {
                        *number -= change;
                    }
                }
            }
        }
    }
}

// A folder that is gone at the end.
class ScratchFolder {
  public:
    explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {
        std::error_code ignored;
        std::filesystem::create_directories(path_, ignored);
    }
    ~ScratchFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    ScratchFolder(const ScratchFolder&) = delete;
    ScratchFolder& operator=(const ScratchFolder&) = delete;
    std::string operator/(const char* name) const { return (path_ / name).string(); }

  private:
    std::filesystem::path path_;
};

Result<std::vector<AskedQuestion>> ask_all(Engine& engine, const FusionPool& pool,
                                           const Store& store, ProgressSink& sink,
                                           const CancelToken& cancel, FusionFit& fit) {
    SearchOptions options;
    options.method = "sum(s3:1,bm25:1)";
    options.budget_tokens = 1u << 30;
    options.cancel = &cancel;
    options.rerank = RerankOptions{RerankOptions::Mode::kOff};
    std::vector<AskedQuestion> all;
    for (size_t q = 0; q < pool.questions.size(); ++q) {
        sink.update({"ask", "", q, pool.questions.size(), "questions", 0});
        S3ATTN_TRY(const SearchResult found, engine.search(store, pool.questions[q], options));
        fit.passages = static_cast<uint32_t>(found.spans.size());
        all.push_back(weigh_question(pool.questions[q], pool.begin[q], found));
    }
    return all;
}

}  // namespace

Result<FusionFit> fit_fusion(const EngineOptions& engine_options, const Adapter& adapter,
                             const std::vector<std::string>& corpus, uint32_t questions,
                             uint64_t seed, ProgressSink& sink, const CancelToken& cancel) {
    S3ATTN_TRY(const Corpus texts, read_corpus(corpus, seed, sink, cancel));
    const FusionPool pool = make_pool(texts, questions, seed);
    if (pool.questions.size() < 50) {
        return make_error(ErrorCode::kInvalidArgument,
                          "the corpus allows " + std::to_string(pool.questions.size()) +
                              " questions; at least 50 are needed to fit weights");
    }
    std::error_code error;
    const ScratchFolder folder(std::filesystem::temp_directory_path(error) /
                               ("s3attn-fusion-" + std::to_string(::getpid())));
    S3ATTN_CHECK(write_file_atomic(folder / "pool.txt", pool.text));
    S3ATTN_TRY(const auto engine, Engine::open(engine_options));
    S3ATTN_TRY(Store store, Store::open(folder / "store", Store::Access::kCreate));
    S3ATTN_TRY(const IndexReport made,
               engine->index(store, {folder / "pool.txt"}, {}, sink, cancel));
    if (made.cancelled) return make_error(ErrorCode::kCancelled, "interrupted");
    FusionFit fit;
    S3ATTN_TRY(const auto all, ask_all(*engine, pool, store, sink, cancel, fit));
    fit.questions = static_cast<uint32_t>(all.size());
    fit.model = standard_model(all);
    const auto one_share = [&](double share) {
        double sum = 0;
        for (const AskedQuestion& each : all) sum += worth_at(each, share);
        return sum / static_cast<double>(all.size());
    };
    const double weight = adapter.hybrid_s3_weight;
    fit.words = one_share(0);
    fit.attention = one_share(1);
    fit.fixed = one_share(weight / (weight + 1));
    fit.model.bias = std::log(std::max(weight, 0.05));
    climb(all, fit.model);
    fit.fitted = mean_worth(all, fit.model);
    for (const AskedQuestion& each : all) {
        S3ATTN_TRY(const double share, attention_share(fit.model, each.features));
        fit.mean_share += share / static_cast<double>(all.size());
    }
    return fit;
}

apps::Json to_json(const FusionFit& fit) {
    apps::Json features = apps::Json::array();
    for (const FusionModel::Feature& each : fit.model.features) {
        features.push_back({{"name", each.name},
                            {"mean", each.mean},
                            {"spread", each.spread},
                            {"weight", each.weight}});
    }
    return {{"questions", fit.questions},
            {"passages", fit.passages},
            {"bias", fit.model.bias},
            {"features", features},
            {"mean_attention_share", fit.mean_share},
            {"worth",
             {{"bm25", fit.words},
              {"s3", fit.attention},
              {"one_weight", fit.fixed},
              {"fitted", fit.fitted}}}};
}

void print_report(const FusionFit& fit, const std::string& out) {
    std::printf("%u sentences asked for their passages among %u\n", fit.questions, fit.passages);
    std::printf(
        "mean of 1 / log2(1 + rank): words %.3f, attention %.3f, one weight %.3f, "
        "fitted %.3f\n",
        fit.words, fit.attention, fit.fixed, fit.fitted);
    std::printf("attention's share: %.2f on average; logit = %.2f", fit.mean_share, fit.model.bias);
    for (const FusionModel::Feature& each : fit.model.features) {
        std::printf(" %+.2f x (%s - %.2f) / %.2f", each.weight, each.name.c_str(), each.mean,
                    each.spread);
    }
    std::printf("\nwritten to %s\n", out.c_str());
}

}  // namespace s3attn::cli

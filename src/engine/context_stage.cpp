#include "engine/context_stage.h"

#include <algorithm>

#include "adapter/adapter_search.h"
#include "adapter/device_encoder.h"
#include "base/device_choice.h"
#include "base/parallel.h"
#include "base/timing.h"
#include "engine/fingerprint.h"
#include "model/llama_model.h"
#include "retrieve/rerank.h"

namespace s3attn {
namespace {

// What a core of a processor of these years multiplies and adds with 8-bit weights, and a card with
// 16-bit ones, in a second: a first guess that the first reading replaces.
constexpr double kCoreOperations = 2e10, kDeviceOperations = 1e14;
constexpr size_t kMaxLinks = 256;

Error without_heads(const std::string& model, const std::string& adapter) {
    return make_error(ErrorCode::kNotFound,
                      "the adapter of " + model + " (" + adapter +
                          ") has no context heads. Add them: s3attn train --context-heads-only "
                          "--model " +
                          model + " --corpus TEXTS");
}

// Largest attention of each question token on each unit, over the mean of the heads' rows.
void find_links(const UnitContext& context, const std::vector<double>& mean_rows,
                const std::vector<Tokens>& unit_tokens, ContextReading& reading) {
    const size_t columns = context.tokens.size(), rows = columns - context.first_row;
    for (size_t r = 0; r < rows; ++r) {
        const double* row = mean_rows.data() + r * columns;
        for (size_t u = 0; u < context.units(); ++u) {
            const double* begin = row + context.unit_begin[u];
            const double* best = std::max_element(begin, row + context.unit_begin[u + 1]);
            const auto token = static_cast<size_t>(best - begin);
            const std::vector<uint64_t>& bytes = unit_tokens[u].begin;
            if (token + 1 >= bytes.size()) continue;  // the empty line between units
            reading.links.push_back({static_cast<uint32_t>(r), static_cast<uint32_t>(u),
                                     bytes[token], bytes[token + 1], *best});
        }
    }
    std::stable_sort(reading.links.begin(), reading.links.end(),
                     [](const ContextLink& a, const ContextLink& b) { return a.mass > b.mass; });
    if (reading.links.size() > kMaxLinks) reading.links.resize(kMaxLinks);
}

}  // namespace

Result<std::unique_ptr<ContextStage>> ContextStage::make(const ContextStageOptions& options) {
    std::unique_ptr<ContextStage> stage(new ContextStage);
    stage->options_ = options;
    S3ATTN_TRY(stage->options_.device,
               choose_device(options.device, built_with_cuda(), cuda_status, llama_cuda_status));
    S3ATTN_TRY(const ModelInfo model, read_model_info(options.model));
    std::string directory = options.adapter;
    if (directory.empty()) {
        S3ATTN_TRY(directory, find_adapter(options.adapter_dirs, model.file_hash));
    }
    S3ATTN_TRY(stage->adapter_, load_adapter(directory));
    S3ATTN_CHECK(check_adapter(model, stage->adapter_));
    const ContextHeads& heads = stage->adapter_.context;
    if (heads.heads.empty()) return without_heads(options.model, directory);
    // Weights of a Q4 file take about 0.6 bytes each; the layers are most of it.
    const double weights = static_cast<double>(model.file_bytes) / 0.6 *
                           (heads.deepest_layer() + 1.0) / std::max(1u, model.n_layer);
    const double threads = options.threads == 0 ? available_threads() : options.threads;
    stage->guessed_ =
        2 * weights / (stage->on_device() ? kDeviceOperations : kCoreOperations * threads);
    return stage;
}

double ContextStage::seconds_for(uint64_t tokens) const {
    return measured_.value_or(guessed_) * static_cast<double>(tokens);
}

Status ContextStage::open(ProgressSink* sink) {
    if (model_) return {};
    ContextModelOptions open;
    open.model_path = options_.model;
    open.threads = options_.threads;
    open.context_tokens = options_.context_tokens;
    open.deepest_layer = static_cast<int32_t>(adapter_.context.deepest_layer());
    open.cache_dir = options_.cache_dir;
    open.device = options_.device;
    S3ATTN_TRY(model_, open_context_model(open, sink));
    return {};
}

Result<ContextReading> ContextStage::read(const std::string& question,
                                          const std::vector<std::string>& units,
                                          std::span<const double> first_scores, bool with_links,
                                          const CancelToken* cancel, ProgressSink* sink) {
    if (units.size() != first_scores.size()) {
        return make_error(ErrorCode::kInvalidArgument, "as many scores as units are needed");
    }
    S3ATTN_CHECK(open(sink));
    const Stopwatch watch;
    S3ATTN_TRY(const UnitContext context, lay_out_units(*model_, units, question));
    std::vector<ContextHead> heads;
    for (const ContextHeads::Head& head : adapter_.context.heads) {
        heads.push_back({head.layer, head.query_head});
    }
    std::vector<double> mean_rows;
    OnHeadRows on_rows;
    if (with_links) {
        on_rows = [&](size_t, const std::vector<float>& rows) {
            mean_rows.resize(rows.size());
            for (size_t i = 0; i < rows.size(); ++i) {
                mean_rows[i] += rows[i] / static_cast<double>(heads.size());
            }
        };
    }
    S3ATTN_TRY(const auto spread,
               read_units(*model_, context, heads, options_.threads, cancel, on_rows));
    ContextReading reading;
    std::vector<std::vector<double>> attention;
    reading.attention.resize(context.units());
    for (const UnitAttentions& head : spread) {
        attention.push_back(adapter_.context.share ? head.share : head.raw);
        for (size_t u = 0; u < context.units(); ++u) {
            reading.attention[u] += head.share[u] / static_cast<double>(spread.size());
        }
    }
    reading.scores = second_stage_scores(first_scores.first(context.units()), attention,
                                         adapter_.context.first_weight);
    reading.tokens = static_cast<uint32_t>(context.tokens.size());
    if (with_links) {
        std::vector<Tokens> unit_tokens;
        for (size_t u = 0; u < context.units(); ++u) {
            S3ATTN_TRY(Tokens tokens, model_->tokenizer().tokenize(units[u]));
            unit_tokens.push_back(std::move(tokens));
        }
        S3ATTN_TRY(const Tokens asked, model_->tokenizer().tokenize(question));
        for (size_t i = 0; i < asked.ids.size(); ++i) {
            reading.question_tokens.push_back(
                question.substr(asked.begin[i], asked.begin[i + 1] - asked.begin[i]));
        }
        find_links(context, mean_rows, unit_tokens, reading);
    }
    reading.milliseconds = watch.milliseconds();
    measured_ = reading.milliseconds / 1e3 / std::max(1u, reading.tokens);
    return reading;
}

}  // namespace s3attn

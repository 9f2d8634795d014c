// Exact attention scores from 4-bit keys: the control that the sparse codes are measured against.
#include <cmath>
#include <filesystem>

#include "adapter/encoder.h"
#include "engine/question_codes.h"
#include "eval/index_files.h"
#include "eval/json_text.h"
#include "eval/key_file.h"
#include "eval/method_parts.h"
#include "eval/run_record.h"
#include "train/kernels.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;

// Slots and heads without any autoencoder: encode_queries() with unit vectors for a dictionary
// gives the mapped queries themselves.
Adapter with_plain_queries(Adapter adapter) {
    const uint32_t d = adapter.d_head;
    adapter.latents = d;
    adapter.activation_scale = 1.0f;
    for (KeySlot& slot : adapter.slots) {
        slot.sae = SparseAutoencoder{d, d, 1, {}, {}, std::vector<float>(size_t{d} * d, 0.0f), {}};
        for (uint32_t i = 0; i < d; ++i) slot.sae.w_dec[size_t{i} * d + i] = 1.0f;
    }
    return adapter;
}

// Of one slot: its lanes are head by head, token by token.
struct SlotQuestion {
    PackedColumns columns;
    std::vector<double> temperature, share;
};

SlotQuestion gather(const QueryCodes& codes, uint32_t slot, uint32_t d) {
    SlotQuestion out;
    std::vector<float> vectors;
    for (const QueryCodes::Head& head : codes.heads) {
        if (head.slot != slot) continue;
        for (uint32_t t = 0; t < codes.n_tokens; ++t) {
            for (uint32_t i = 0; i < d; ++i) {
                vectors.push_back(head.weight[size_t{i} * codes.n_tokens + t]);
            }
            out.temperature.push_back(head.temperature);
            out.share.push_back(double{head.mixture} * head.token_share[t]);
        }
    }
    out.columns.pack(vectors.data(), static_cast<uint32_t>(out.share.size()), d);
    return out;
}

// mass[u] += share of each lane's softmax over units. `best` is [unit][columns.padded()].
void add_softmax(const SlotQuestion& question, const std::vector<float>& best,
                 std::vector<double>& mass) {
    const size_t stride = question.columns.padded();
    for (size_t lane = 0; lane < question.share.size(); ++lane) {
        double top = -1e30, sum = 0;
        for (size_t u = 0; u < mass.size(); ++u) {
            top = std::max(top, question.temperature[lane] * best[u * stride + lane]);
        }
        const auto weight = [&](size_t u) {
            return std::exp(question.temperature[lane] * best[u * stride + lane] - top);
        };
        for (size_t u = 0; u < mass.size(); ++u) sum += weight(u);
        for (size_t u = 0; u < mass.size(); ++u) mass[u] += question.share[lane] * weight(u) / sum;
    }
}

class KeyRanker final : public Ranker {
  public:
    KeyRanker(std::shared_ptr<ScanModel> model, std::shared_ptr<const Adapter> adapter,
              std::unique_ptr<UnitStore> units, std::unique_ptr<KeyFile> keys)
        : model_(std::move(model)),
          adapter_(std::move(adapter)),
          units_(std::move(units)),
          keys_(std::move(keys)) {}

    Result<UnitList> rank(const std::string& question) override {
        S3ATTN_TRY(Scanner* const scanner, model_->shared_scanner());
        S3ATTN_TRY(const Tokens tokens, scanner->tokenizer().tokenize(question));
        S3ATTN_TRY(const QuestionCodes question_codes,
                   QuestionCodes::make(*scanner, *adapter_, tokens, Scoring::kAttention));
        std::vector<double> mass(units_->size(), 0.0);
        for (uint32_t b = 0; b < question_codes.n_blocks(); ++b) {
            const QueryCodes codes = question_codes.block(b);
            for (uint32_t slot = 0; slot < adapter_->slots.size(); ++slot) {
                add_slot(codes, slot, mass);
            }
        }
        UnitList ranked;
        for (size_t u = 0; u < mass.size(); ++u) {
            ranked.push_back({static_cast<UnitNumber>(u), mass[u]});
        }
        sort_best_first(ranked);
        return ranked;
    }

  private:
    void add_slot(const QueryCodes& codes, uint32_t slot, std::vector<double>& mass) {
        const uint32_t d = adapter_->d_head;
        const SlotQuestion question = gather(codes, slot, d);
        if (question.share.empty()) return;
        const auto& live = units_->reader().live_units();
        const size_t stride = question.columns.padded();
        std::vector<float> best(live.size() * stride);
        for (size_t u = 0; u < live.size(); ++u) {
            rows_.resize(size_t{live[u].n_tokens} * d);
            which_.resize(stride);
            for (uint32_t t = 0; t < live[u].n_tokens; ++t) {
                keys_->read(live[u].position_begin.value + t, slot, rows_.data() + size_t{t} * d);
            }
            kernels().maxima(rows_.data(), live[u].n_tokens, question.columns,
                             best.data() + u * stride, which_.data());
        }
        add_softmax(question, best, mass);
    }

    std::shared_ptr<ScanModel> model_;
    std::shared_ptr<const Adapter> adapter_;
    std::unique_ptr<UnitStore> units_;
    std::unique_ptr<KeyFile> keys_;
    std::vector<float> rows_;
    std::vector<uint32_t> which_;
};

// Layer 0 sees no context: its keys and queries are functions of the token alone.
Adapter layer0_adapter(const ModelInfo& info, const LayerMeans& means, int only_head) {
    Adapter adapter;
    adapter.n_layer = info.n_layer;
    adapter.n_head = info.n_head;
    adapter.n_head_kv = info.n_head_kv;
    adapter.d_head = info.d_head;
    for (uint32_t h = 0; h < info.n_head_kv; ++h) {
        adapter.slots.push_back({0, h, means.keys[h], {}, {}});
    }
    for (uint32_t h = 0; h < info.n_head; ++h) {
        if (only_head >= 0 && h != static_cast<uint32_t>(only_head)) continue;
        QueryHead head;
        head.query_head = h;
        head.slot = h / (info.n_head / info.n_head_kv);
        head.mean_query = means.queries[h];
        head.mixture = only_head >= 0 ? 1.0f : 1.0f / static_cast<float>(info.n_head);
        adapter.heads.push_back(std::move(head));
    }
    return with_plain_queries(std::move(adapter));
}

Status save_means(const std::string& path, const LayerMeans& means) {
    return write_file_atomic(path,
                             dump_json(Json{{"keys", means.keys}, {"queries", means.queries}}));
}

Result<LayerMeans> load_means(const std::string& path, const ModelInfo& info) {
    S3ATTN_TRY(const std::string bytes, read_file(path, 64u << 20));
    const auto parsed = parse_json(bytes);
    const Json json = parsed.ok() ? *parsed : Json();
    LayerMeans means;
    const auto read = [&](const char* name, uint32_t heads, auto& out) {
        if (!json.is_object() || !json.contains(name) || json[name].size() != heads) return false;
        for (const Json& row : json[name]) {
            if (!row.is_array() || row.size() != info.d_head) return false;
            out.emplace_back();
            for (const Json& value : row)
                out.back().push_back(value.is_number() ? float(value) : 0);
        }
        return true;
    };
    if (!read("keys", info.n_head_kv, means.keys) || !read("queries", info.n_head, means.queries)) {
        return make_error(ErrorCode::kCorrupt, path + " is damaged: remove its folder");
    }
    return means;
}

class KeyMethod final : public NamedMethod {
  public:
    KeyMethod(const std::string& name, const std::string& label, bool layer0, int head,
              const MethodContext& context)
        : NamedMethod(name, label), layer0_(layer0), head_(head), context_(context) {}

    Result<IndexCost> prepare(const Collection& collection, const std::string&,
                              const std::string& directory, ProgressSink& sink,
                              const CancelToken& cancel) override {
        S3ATTN_TRY(const ModelInfo info, context_.model->info());
        if (head_ >= static_cast<int>(info.n_head)) {
            return make_error(ErrorCode::kInvalidArgument, info.name + " has query heads 0 to " +
                                                               std::to_string(info.n_head - 1) +
                                                               ", not " + name());
        }
        S3ATTN_TRY(const std::string index, index_of(directory));
        if (auto cost = load_cost(index)) return *cost;
        S3ATTN_TRY(const auto paths, write_documents(collection, directory));
        std::error_code error;
        fs::create_directories(index, error);
        if (layer0_) {
            S3ATTN_TRY(const LayerMeans means,
                       measure_layer0_means(*context_.model, paths, cancel));
            S3ATTN_CHECK(save_means(index + "/means.json", means));
        }
        S3ATTN_TRY(const auto adapter, adapter_of(index));
        std::vector<KeyFileSlot> slots;
        for (const KeySlot& slot : adapter->slots) {
            slots.push_back({slot.layer, slot.kv_head, slot.mean_key});
        }
        S3ATTN_TRY(IndexCost cost, write_key_file(*context_.model, slots, paths,
                                                  index + "/keys.bin", sink, cancel));
        cost.bytes = fs::file_size(index + "/keys.bin", error);
        cost.peak_rss_bytes = peak_memory_bytes();
        S3ATTN_CHECK(save_cost(index, cost));
        return cost;
    }

    Result<std::unique_ptr<Ranker>> open(const std::string& units,
                                         const std::string& directory) override {
        S3ATTN_TRY(const std::string index, index_of(directory));
        S3ATTN_TRY(auto adapter, adapter_of(index));
        S3ATTN_TRY(auto store, UnitStore::open(units));
        S3ATTN_TRY(auto keys,
                   KeyFile::open(index + "/keys.bin", static_cast<uint32_t>(adapter->slots.size()),
                                 adapter->d_head, store->reader().live_tokens()));
        return std::unique_ptr<Ranker>(std::make_unique<KeyRanker>(
            context_.model, std::move(adapter), std::move(store), std::move(keys)));
    }
    double load_seconds() const override { return context_.model->load_seconds(); }

  private:
    Result<std::string> index_of(const std::string& directory) const {
        S3ATTN_TRY(const ModelInfo info, context_.model->info());
        const std::string chunk = "-" + std::to_string(context_.model->chunk_tokens());
        if (layer0_) return directory + "/layer0-" + info.file_hash.substr(0, 12) + chunk;
        S3ATTN_TRY(const auto adapter, context_.model->adapter());
        return directory + "/keys-" + adapter->key_side_hash.substr(0, 12) + chunk;
    }
    Result<std::shared_ptr<const Adapter>> adapter_of(const std::string& index) const {
        if (layer0_) {
            S3ATTN_TRY(const ModelInfo info, context_.model->info());
            S3ATTN_TRY(const LayerMeans means, load_means(index + "/means.json", info));
            return std::make_shared<const Adapter>(layer0_adapter(info, means, head_));
        }
        S3ATTN_TRY(const auto adapter, context_.model->adapter());
        return std::make_shared<const Adapter>(with_plain_queries(*adapter));
    }

    bool layer0_;
    int head_;
    MethodContext context_;
};

}  // namespace

std::unique_ptr<Method> make_key_method(const std::string& name, int layer0_head,
                                        const MethodContext& context) {
    const bool layer0 = name.starts_with("layer0");
    const std::string label = !layer0 ? "exact attention, 4-bit keys"
                              : layer0_head < 0
                                  ? "layer 0 (token identity), all heads"
                                  : "layer 0 (token identity), head " + std::to_string(layer0_head);
    return std::make_unique<KeyMethod>(name, label, layer0, layer0_head, context);
}

}  // namespace s3attn::eval

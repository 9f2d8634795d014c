// Recall of an adapter on pooled haystacks, outside the store and the program: a tool for choosing
// between variants of training, not a test.
// usage: pool_eval MODEL.gguf ADAPTER CACHE_PREFIX FILE.jsonl...
#include <cmath>
#include <cstdio>
#include <set>

#include "adapter/adapter.h"
#include "model/llama_model.h"
#include "pool.h"
#include "row_file.h"
#include "s3attn/model_log.h"
#include "train/coded_keys.h"
#include "train/scoring.h"

namespace s3attn {
namespace {

struct Captured {
    Pool pool;
    TokenText paragraphs, questions;
    RowStore keys, queries;
};

struct Wanted {
    std::vector<HeadKey> keys, queries;
};

bool holds(const RowStore& store, const std::vector<HeadKey>& wanted) {
    for (const HeadKey& key : wanted) {
        if (!store.contains(key)) return false;
    }
    return true;
}

bool from_cache(const std::string& path, const Wanted& wanted, Captured& out) {
    std::FILE* file = std::fopen(path.c_str(), "rb");
    if (!file) return false;
    const bool read = load_rows(file, out.keys) && load_rows(file, out.queries);
    std::fclose(file);
    return read && holds(out.keys, wanted.keys) && holds(out.queries, wanted.queries);
}

Status capture(Scanner& scanner, const std::string& file, const std::string& cache,
               const Wanted& wanted, Captured& out) {
    out.pool = load_pool(file, 0);
    S3ATTN_TRY(out.paragraphs, tokenize_texts(scanner.tokenizer(), out.pool.paragraphs));
    S3ATTN_TRY(out.questions, tokenize_texts(scanner.tokenizer(), out.pool.questions));
    if (from_cache(cache, wanted, out)) return {};
    out.keys.clear();
    out.queries.clear();
    const CancelToken never;
    S3ATTN_CHECK(capture_rows(scanner, out.paragraphs, wanted.keys, Projection::kKey, out.keys,
                              nullptr, never));
    S3ATTN_CHECK(capture_rows(scanner, out.questions, wanted.queries, Projection::kQuery,
                              out.queries, nullptr, never));
    if (std::FILE* f = std::fopen(cache.c_str(), "wb")) {
        save_rows(f, out.keys);
        save_rows(f, out.queries);
        std::fclose(f);
    }
    return {};
}

std::vector<QueryHeadParams> params_of(const Adapter& adapter, bool trained) {
    std::vector<QueryHeadParams> params;
    for (const QueryHead& head : adapter.heads) {
        QueryHeadParams p = identity_params(adapter.d_head);
        if (trained && !head.map.empty()) {
            p.map = head.map;
            p.bias = head.bias;
            p.token_weight = head.token_weight;
            p.log_temperature = std::log(head.temperature);
            p.mixture_logit = std::log(head.mixture);
        }
        params.push_back(std::move(p));
    }
    return params;
}

RetrievalSet set_of(const Adapter& adapter, const Captured& c, bool coded, ThreadPool& pool) {
    RetrievalSet set;
    set.d = adapter.d_head;
    set.units = c.paragraphs.spans;
    set.questions = c.questions.spans;
    set.gold = c.pool.gold;
    for (uint32_t s = 0; s < adapter.slots.size(); ++s) {
        const KeySlot& slot = adapter.slots[s];
        const HalfRows& rows = c.keys.at({slot.layer, slot.kv_head});
        set.keys.push_back(coded ? rebuild_keys(adapter, s, rows, pool.size())
                                 : exact_keys(slot.mean_key, rows));
    }
    for (const QueryHead& head : adapter.heads) {
        const HalfRows& rows = c.queries.at({head.layer, head.query_head});
        std::vector<float> unit(rows.size() * rows.d());
        read_unit(rows, 0, rows.size(), head.mean_query, unit.data());
        set.heads.push_back({head.slot, std::move(unit)});
    }
    return set;
}

Status evaluate(const std::string& model, const std::string& directory, const std::string& prefix,
                const std::vector<std::string>& files) {
    S3ATTN_TRY(const Adapter adapter, load_adapter(directory));
    Wanted wanted;
    for (const KeySlot& slot : adapter.slots) wanted.keys.push_back({slot.layer, slot.kv_head});
    for (const QueryHead& head : adapter.heads) {
        wanted.queries.push_back({head.layer, head.query_head});
    }
    ScannerOptions options;
    options.model_path = model;
    options.deepest_layer = static_cast<int32_t>(adapter.deepest_layer());
    options.cache_dir = prefix + "scan";
    S3ATTN_TRY(const auto scanner, open_llama_scanner(options));
    ThreadPool pool(0);
    for (const std::string& file : files) {
        std::string name = file;
        for (char& c : name) c = c == '/' ? '_' : c;
        Captured captured;
        S3ATTN_CHECK(capture(*scanner, file, prefix + name + ".rows", wanted, captured));
        for (const bool coded : {false, true}) {
            const RetrievalSet set = set_of(adapter, captured, coded, pool);
            for (const bool trained : {false, true}) {
                const Recall r = recall_of(set, params_of(adapter, trained), 0,
                                           static_cast<uint32_t>(set.questions.size()), pool);
                std::printf("%s %s %s R@5/10/20 %.3f %.3f %.3f\n", file.c_str(),
                            coded ? "codes" : "exact", trained ? "trained  " : "untrained", r.at_5,
                            r.at_10, r.at_20);
                std::fflush(stdout);
            }
        }
    }
    return {};
}

}  // namespace
}  // namespace s3attn

int main(int argc, char** argv) {
    s3attn::set_model_log(nullptr);
    if (argc < 5) {
        std::fprintf(stderr, "usage: pool_eval MODEL.gguf ADAPTER CACHE_PREFIX FILE.jsonl...\n");
        return 2;
    }
    const s3attn::Status status = s3attn::evaluate(argv[1], argv[2], argv[3],
                                                   std::vector<std::string>(argv + 4, argv + argc));
    if (status.ok()) return 0;
    std::fprintf(stderr, "%s\n", status.error().message.c_str());
    return 1;
}

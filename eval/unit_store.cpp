#include <filesystem>

#include "base/timing.h"
#include "eval/index_files.h"
#include "eval/method.h"
#include "eval/run_record.h"
#include "s3attn/store.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;

// Codes that say nothing: the store wants some for every token.
constexpr StoreShape kNoCodes{1, 16, 1};

Status add_padding(StoreWriter& writer, uint32_t n_tokens) {
    CodeBatch codes;
    codes.n_tokens = n_tokens;
    codes.n_slots = kNoCodes.n_slots;
    codes.k = kNoCodes.k;
    codes.feature.assign(n_tokens, 0);
    codes.activation.assign(n_tokens, 0);
    return writer.add_codes(codes);
}

Status add_document(const std::string& path, StoreWriter& writer, const CountTokens& count,
                    IndexCost& cost) {
    bool any = false;
    const auto begin = [&](const DocumentHeader& header) -> Status {
        S3ATTN_TRY(const auto begun, writer.begin_document(header));
        (void)begun;
        any = true;
        return {};
    };
    const auto add = [&](const Unit& unit, const std::string& model_text) -> Status {
        S3ATTN_TRY(const uint32_t n, count(model_text));
        cost.tokens += n;
        const Stopwatch watch;
        S3ATTN_CHECK(writer.add_unit(unit, n));
        S3ATTN_CHECK(add_padding(writer, n));
        if (writer.pending_tokens() >= 65536) S3ATTN_CHECK(writer.commit());
        cost.stages.index_write += watch.seconds();
        return {};
    };
    S3ATTN_CHECK(walk_units(path, begin, add));
    return any ? writer.end_document() : Status();
}

Status build_store(const std::vector<std::string>& paths, const std::string& directory,
                   const CountTokens& count) {
    IndexCost cost;
    {
        const Fingerprint fingerprint{{{"eval_units", "1"}}};
        S3ATTN_TRY(auto writer, StoreWriter::open(directory, fingerprint, kNoCodes));
        for (const std::string& path : paths) {
            S3ATTN_CHECK(add_document(path, *writer, count, cost));
        }
        const Stopwatch watch;
        S3ATTN_CHECK(writer->commit());
        S3ATTN_CHECK(writer->settle());
        cost.stages.index_write += watch.seconds();
    }
    cost.seconds = cost.stages.index_write;
    cost.peak_rss_bytes = peak_memory_bytes();
    InspectOptions inspect;
    inspect.stats = true;
    S3ATTN_TRY(const Store store, Store::open(directory));
    S3ATTN_TRY(const InspectReport report, store.inspect(inspect));
    for (const auto& [part, bytes] : report.parts) {
        if (part == "word index") cost.bytes = bytes;
    }
    return save_cost(directory, cost);
}

}  // namespace

Status UnitStore::build(const Collection& collection, const std::string& directory,
                        const CountTokens& count_positions) {
    if (load_cost(directory)) return {};
    S3ATTN_TRY(const auto paths,
               write_documents(collection, fs::path(directory).parent_path().string()));
    // Under another name until it is whole: a killed run leaves nothing that looks finished.
    const std::string partial = directory + ".partial";
    std::error_code error;
    fs::remove_all(partial, error);
    fs::remove_all(directory, error);
    S3ATTN_CHECK(build_store(paths, partial, count_positions));
    fs::rename(partial, directory, error);
    if (error) {
        return make_error(ErrorCode::kIo, "cannot make " + directory + ": " + error.message());
    }
    return {};
}

Result<std::unique_ptr<UnitStore>> UnitStore::open(const std::string& directory) {
    auto store = std::make_unique<UnitStore>();
    S3ATTN_TRY(store->reader_, StoreReader::open(directory, nullptr));
    S3ATTN_TRY(const auto documents, store->reader_->documents());
    for (const DocumentInfo& document : documents) {
        store->documents_[document.doc_id] = document_number(document.path);
    }
    return store;
}

size_t UnitStore::document_of(DocumentId doc_id) const {
    const auto found = documents_.find(doc_id);
    return found == documents_.end() ? SIZE_MAX : found->second;
}

Result<Selection> UnitStore::select(const UnitList& ranked, uint32_t budget_tokens,
                                    uint32_t max_spans, const CountTokens& count) const {
    SelectOptions options;
    options.budget_tokens = budget_tokens;
    options.max_spans = max_spans;
    options.count_tokens = count;
    auto selected = select_spans(*reader_, ranked, options);
    // Here a budget that holds no unit is an outcome, not a mistake of the caller.
    if (!selected.ok() && selected.error().code == ErrorCode::kInvalidArgument &&
        budget_tokens > 0) {
        return Selection();
    }
    return selected;
}

}  // namespace s3attn::eval

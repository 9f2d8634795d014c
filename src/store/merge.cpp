// Several stores into one: the documents are copied with their codes, nothing is scanned again.
#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "base/guarded.h"
#include "s3attn/store.h"
#include "store/code_reader.h"
#include "store/documents.h"
#include "store/merge_vectors.h"
#include "store/snapshot.h"
#include "store/sources.h"

namespace s3attn {
namespace {

constexpr uint64_t kCommitTokens = 65536;
constexpr uint32_t kCopiedTokens = 4096;  // codes in memory

struct Input {
    std::string directory;
    StoreSnapshot snapshot;
    std::vector<std::shared_ptr<const Segment>> segments;
    std::vector<DocumentInfo> documents;
    bool is_shard = false;
};

struct Source {
    size_t input = 0;  // where it is first named; decides its place
    size_t content = 0;
    DocumentInfo info;
};

Result<std::vector<DocumentInfo>> load_documents(const std::string& directory, Database& db) {
    std::vector<DocumentInfo> documents;
    S3ATTN_TRY(Statement rows, db.prepare(std::string("SELECT ") + kDocumentColumns +
                                          " FROM documents ORDER BY doc_id"));
    for (;;) {
        S3ATTN_TRY(const bool row, rows.step());
        if (!row) break;
        documents.push_back(document_of(rows));
        if (documents.back().complete) continue;
        return make_error(ErrorCode::kInvalidArgument,
                          "the store '" + directory + "' holds only a part of '" +
                              documents.back().path +
                              "'; finish it there, or remove it, then merge");
    }
    S3ATTN_CHECK(load_properties(db, documents));
    return documents;
}

Result<Input> open_input(const std::string& directory) {
    Input input;
    input.directory = directory;
    S3ATTN_TRY(input.snapshot, open_store_snapshot(directory, nullptr));
    input.segments.assign(input.snapshot.segments.begin(), input.snapshot.segments.end());
    Database& db = *input.snapshot.catalog.db;
    S3ATTN_TRY(input.documents, load_documents(directory, db));
    S3ATTN_TRY(const auto shard, find_meta(db, "shard_base"));
    input.is_shard = shard.has_value();
    return input;
}

Status check_same(const Input& first, const Input& other) {
    const auto& a = first.snapshot.fingerprint.fields;
    const auto& b = other.snapshot.fingerprint.fields;
    const std::set<std::string> fields =
        binding_fields(first.snapshot.fingerprint, other.snapshot.fingerprint);
    const auto value_of = [](const auto& values, const std::string& field) {
        const auto found = values.find(field);
        return found == values.end() ? std::string("(none)") : "'" + found->second + "'";
    };
    for (const std::string& field : fields) {
        if (value_of(a, field) == value_of(b, field)) continue;
        return make_error(ErrorCode::kMismatch,
                          "the stores '" + first.directory + "' and '" + other.directory +
                              "' cannot be merged: " + field + " is " + value_of(a, field) +
                              " in the first and " + value_of(b, field) +
                              " in the second; index the documents with one model and adapter");
    }
    return check_shape_equal(other.directory, other.snapshot.shape, first.snapshot.shape);
}

Result<std::vector<Input>> open_inputs(const std::string& store,
                                       const std::vector<std::string>& directories) {
    if (directories.empty()) {
        return make_error(ErrorCode::kInvalidArgument, "no stores to merge were named");
    }
    std::vector<Input> inputs;
    for (const std::string& directory : directories) {
        std::error_code ignored;
        if (std::filesystem::equivalent(store, directory, ignored)) {
            return make_error(ErrorCode::kInvalidArgument,
                              "the store '" + store + "' cannot be merged into itself");
        }
        S3ATTN_TRY(Input input, open_input(directory));
        inputs.push_back(std::move(input));
        S3ATTN_CHECK(check_same(inputs.front(), inputs.back()));
    }
    return inputs;
}

// The order of a single run. Shards of one run number their documents by their place in its list;
// stores that are no shards follow one another.
std::vector<Source> plan(const std::vector<Input>& inputs) {
    std::vector<Source> sources;
    for (size_t i = 0; i < inputs.size(); ++i) {
        for (const DocumentInfo& info : inputs[i].documents) {
            sources.push_back({i, i, info});
            // What was uploaded to another store is no file of this one.
            std::string& source = sources.back().info.source;
            if (!source.starts_with('/')) source.clear();
        }
    }
    const bool shards = std::all_of(inputs.begin(), inputs.end(),
                                    [](const Input& input) { return input.is_shard; });
    if (shards) {
        std::stable_sort(sources.begin(), sources.end(), [](const Source& a, const Source& b) {
            return a.info.doc_id < b.info.doc_id;
        });
    }
    // A file that several stores hold: first place, content of the store named last.
    std::map<std::string, size_t> by_path, by_source;
    std::vector<Source> unique;
    for (Source& source : sources) {
        DocumentInfo& info = source.info;
        auto found = info.source.empty() ? by_source.end() : by_source.find(info.source);
        if (found == by_source.end()) {
            found = by_path.find(info.path);
            const bool shown = found != by_path.end();
            if (shown && !may_be_one(unique[found->second].info, info.source, info.source_hash)) {
                info.path = info.source;  // two files that were called alike
                found = by_path.find(info.path);
            }
            if (found == by_path.end()) {
                by_path.emplace(info.path, unique.size());
                if (!info.source.empty()) by_source.emplace(info.source, unique.size());
                unique.push_back(source);
                continue;
            }
        }
        Source& first = unique[found->second];
        if (source.input < first.content) continue;
        info.path = first.info.path;
        first.content = source.input;
        first.info = info;
    }
    return unique;
}

DocumentHeader header_of(const DocumentInfo& info) {
    DocumentHeader header;
    header.path = info.path;
    header.source = info.source;
    header.format = info.format;
    header.encoding = info.encoding;
    header.offsets = info.offsets;
    header.source_bytes = info.source_bytes;
    header.source_hash = info.source_hash;
    header.title = info.title;
    (info.date_of_file ? header.file_date : header.date) = info.date;
    header.properties = info.properties;
    header.described = info.described;
    return header;
}

class Copier {
  public:
    Copier(const Input& input, StoreWriter& writer)
        : input_(input), writer_(writer), codes_(input.snapshot.shape, input.segments) {}

    // Returns the tokens copied.
    Result<uint64_t> copy(const DocumentInfo& info, const StoreWriter::Begin& begin,
                          const CancelToken& cancel) {
        S3ATTN_TRY(Statement rows,
                   input_.snapshot.catalog.db->prepare(
                       "SELECT position_begin, n_tokens, byte_begin, byte_end, line_begin, "
                       "line_end, page, gap, text, heading, columns, time_begin_ms, time_end_ms "
                       "FROM units WHERE doc_id = ?1 ORDER BY unit_id LIMIT -1 OFFSET ?2"));
        rows.bind(1, info.doc_id).bind(2, static_cast<int64_t>(begin.units_done));
        uint64_t copied = 0;
        for (;;) {
            S3ATTN_TRY(const bool row, rows.step());
            if (!row) return copied;
            if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
            S3ATTN_CHECK(copy_unit(rows));
            copied += static_cast<uint64_t>(rows.integer(1));
            if (writer_.pending_tokens() >= kCommitTokens) S3ATTN_CHECK(writer_.commit());
        }
    }

  private:
    Status copy_unit(const Statement& row) {
        const int64_t begin = row.integer(0), tokens = row.integer(1);
        if (begin < 0 || tokens < 0 || tokens > UINT32_MAX) {
            return make_error(ErrorCode::kCorrupt, "the store '" + input_.directory +
                                                       "' has a unit at an impossible position; "
                                                       "verifying it says more");
        }
        Unit unit;
        unit.byte_begin = static_cast<uint64_t>(row.integer(2));
        unit.byte_end = static_cast<uint64_t>(row.integer(3));
        unit.line_begin = static_cast<uint32_t>(row.integer(4));
        unit.line_end = static_cast<uint32_t>(row.integer(5));
        unit.page = static_cast<uint32_t>(row.integer(6));
        unit.gap = row.text(7);
        unit.text = row.text(8);
        unit.heading = row.text(9);
        unit.columns = row.text(10);
        unit.time_begin_ms = static_cast<uint64_t>(row.integer(11));
        unit.time_end_ms = static_cast<uint64_t>(row.integer(12));
        S3ATTN_CHECK(writer_.add_unit(unit, static_cast<uint32_t>(tokens)));
        for (int64_t done = 0; done < tokens;) {
            const auto n = static_cast<uint32_t>(std::min<int64_t>(kCopiedTokens, tokens - done));
            if (const Status status = codes_.read(static_cast<uint64_t>(begin + done), n, batch_);
                !status.ok()) {
                Error error = status.error();
                error.message = "the store '" + input_.directory + "': " + error.message;
                return error;
            }
            S3ATTN_CHECK(writer_.add_codes(batch_));
            done += n;
        }
        return {};
    }

    const Input& input_;
    StoreWriter& writer_;
    CodeReader codes_;
    CodeBatch batch_;
};

Status merge_documents(const std::vector<Input>& inputs, const std::vector<Source>& sources,
                       StoreWriter& writer, ProgressSink& sink, const CancelToken& cancel,
                       MergeReport& report) {
    Progress progress;
    progress.stage = "merge";
    progress.unit = "documents";
    progress.total = sources.size();
    std::vector<std::optional<Copier>> copiers(inputs.size());
    for (const Source& source : sources) {
        if (cancel.cancelled()) return make_error(ErrorCode::kCancelled, "interrupted");
        progress.item = source.info.path;
        sink.update(progress);
        ++progress.done;
        using Kind = StoreWriter::Begin::Kind;
        DocumentHeader header = header_of(source.info);
        if (!header.source.empty()) {
            S3ATTN_TRY([[maybe_unused]] const std::string before, writer.recognise(header));
        }
        S3ATTN_TRY(const StoreWriter::Begin begin, writer.begin_document(header));
        if (begin.kind == Kind::kUnchanged) {
            ++report.unchanged;
            continue;
        }
        auto& copier = copiers[source.content];
        if (!copier.has_value()) copier.emplace(inputs[source.content], writer);
        S3ATTN_TRY(const uint64_t tokens, copier->copy(source.info, begin, cancel));
        S3ATTN_CHECK(writer.end_document());
        report.tokens += tokens;
        ++(begin.kind == Kind::kReplaces ? report.replaced : report.added);
        if (writer.pending_tokens() >= kCommitTokens) S3ATTN_CHECK(writer.commit());
    }
    sink.update(progress);
    return {};
}

std::vector<VectorSource> catalogs_of(const std::vector<Input>& inputs) {
    std::vector<VectorSource> sources;
    for (const Input& input : inputs) {
        sources.push_back({input.directory, input.snapshot.catalog.db.get()});
    }
    return sources;
}

Result<MergeReport> merge_stores(const std::string& store, const std::vector<std::string>& stores,
                                 ProgressSink& sink, const CancelToken& cancel) {
    S3ATTN_TRY(const auto inputs, open_inputs(store, stores));
    const std::vector<Source> sources = plan(inputs);
    MergeReport report;
    {
        S3ATTN_TRY(const auto writer, StoreWriter::open(store, inputs[0].snapshot.fingerprint,
                                                        inputs[0].snapshot.shape));
        Status status = merge_documents(inputs, sources, *writer, sink, cancel, report);
        if (status.ok()) status = writer->commit();
        if (status.ok()) status = copy_vectors(catalogs_of(inputs), *writer, sink, cancel);
        report.cancelled = !status.ok() && status.error().code == ErrorCode::kCancelled;
        if (!status.ok() && !report.cancelled) return status.error();
    }
    S3ATTN_TRY(const auto reader, StoreReader::open(store, nullptr));
    S3ATTN_TRY(const auto documents, reader->documents());
    report.documents = documents.size();
    report.store_tokens = reader->live_tokens();
    report.bytes = reader->bytes_on_disk();
    return report;
}

}  // namespace

Result<MergeReport> Store::merge(const std::string& directory,
                                 const std::vector<std::string>& stores, ProgressSink& sink,
                                 const CancelToken& cancel) {
    return guarded([&] { return merge_stores(directory, stores, sink, cancel); });
}

}  // namespace s3attn

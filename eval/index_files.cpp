#include "eval/index_files.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "engine/indexer.h"
#include "eval/json_text.h"
#include "eval/run_record.h"

namespace s3attn::eval {
namespace {

namespace fs = std::filesystem;

}  // namespace

Result<std::vector<std::string>> write_documents(const Collection& collection,
                                                 const std::string& directory) {
    std::error_code error;
    fs::create_directories(directory + "/documents", error);
    if (error) {
        return make_error(ErrorCode::kIo, "cannot make " + directory + ": " + error.message());
    }
    std::vector<std::string> paths;
    for (size_t i = 0; i < collection.documents.size(); ++i) {
        char name[48];
        std::snprintf(name, sizeof name, "/documents/%06zu.txt", i);
        paths.push_back(directory + name);
        const std::string& text = collection.documents[i];
        if (fs::file_size(paths.back(), error) == text.size() && !error) continue;
        S3ATTN_CHECK(write_file_atomic(paths.back(), text));
    }
    return paths;
}

size_t document_number(const std::string& path) {
    return std::strtoull(fs::path(path).stem().c_str(), nullptr, 10);
}

Status walk_units(const std::string& path, const OnHeader& on_header, const OnUnit& on_unit) {
    S3ATTN_TRY(const auto reader, open_document(path, ReaderOptions{}));
    if (reader->header().format != "text") {
        return make_error(ErrorCode::kUnsupported,
                          "document " + std::to_string(document_number(path)) + " begins like " +
                              reader->header().format +
                              ", so its evidence cannot be found by byte offsets: give its text");
    }
    Unit unit, next;
    S3ATTN_TRY(bool more, reader->next(unit));
    if (!more) return {};
    S3ATTN_CHECK(on_header(reader->header()));
    while (more) {
        S3ATTN_TRY(more, reader->next(next));
        S3ATTN_CHECK(on_unit(unit, unit.text + unit_joiner(more ? next.gap : "\n\n")));
        std::swap(unit, next);
    }
    return {};
}

std::optional<IndexCost> load_cost(const std::string& index) {
    const auto bytes = read_file(index + "/cost.json", 1u << 20);
    if (!bytes.ok()) return std::nullopt;
    const auto parsed = parse_json(*bytes);
    if (!parsed.ok() || !parsed->is_object()) return std::nullopt;
    const Json& json = *parsed;
    // Another program's file, or a damaged one: the index is made anew.
    for (const Json& value : json) {
        if (!value.is_number()) return std::nullopt;
    }
    IndexCost cost;
    cost.bytes = json.value("bytes", uint64_t{0});
    cost.tokens = json.value("tokens", uint64_t{0});
    cost.seconds = json.value("seconds", 0.0);
    cost.stages.scan = json.value("scan", 0.0);
    cost.stages.encode = json.value("encode", 0.0);
    cost.stages.index_write = json.value("index_write", 0.0);
    cost.peak_rss_bytes = json.value("peak_rss_bytes", uint64_t{0});
    return cost;
}

Status save_cost(const std::string& index, const IndexCost& cost) {
    return write_file_atomic(index + "/cost.json",
                             dump_json(Json{{"bytes", cost.bytes},
                                            {"tokens", cost.tokens},
                                            {"seconds", cost.seconds},
                                            {"scan", cost.stages.scan},
                                            {"encode", cost.stages.encode},
                                            {"index_write", cost.stages.index_write},
                                            {"peak_rss_bytes", cost.peak_rss_bytes}}) +
                                 "\n");
}

void IndexCost::add(const IndexCost& other) {
    bytes += other.bytes;
    tokens = std::max(tokens, other.tokens);
    seconds += other.seconds;
    stages.scan += other.stages.scan;
    stages.encode += other.stages.encode;
    stages.index_write += other.stages.index_write;
    peak_rss_bytes = std::max(peak_rss_bytes, other.peak_rss_bytes);
}

}  // namespace s3attn::eval

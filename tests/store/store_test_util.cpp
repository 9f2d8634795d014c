#include "store_test_util.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>

namespace s3attn::store_test {

namespace fs = std::filesystem;

namespace {

template <class T>
T take(Result<T> result) {
    if (!result.ok()) throw std::runtime_error(result.error().message);
    return std::move(result).value();
}
void must(const Status& status) {
    if (!status.ok()) throw std::runtime_error(status.error().message);
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
    // In memory where that is possible: thousands of syncs of a disk would take minutes.
    const bool in_memory =
        std::getenv("TMPDIR") == nullptr && ::access("/dev/shm", W_OK | X_OK) == 0;
    const fs::path root = in_memory ? fs::path("/dev/shm") : fs::temp_directory_path();
    std::string pattern = (root / "s3attn-store-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

Fingerprint fingerprint() {
    return {{{"key_side_hash", "k1"}, {"model_hash", "m1"}, {"tokenizer_hash", "t1"}}};
}

CodeBatch random_codes(std::mt19937& random, uint32_t n_tokens, const StoreShape& shape) {
    CodeBatch codes;
    codes.n_tokens = n_tokens;
    codes.n_slots = shape.n_slots;
    codes.k = shape.k;
    // Squaring makes small ids dense: long and short lists in one block.
    const auto feature = [&] {
        const double u = std::uniform_real_distribution<double>(0, 1)(random);
        return static_cast<uint16_t>(u * u * shape.latents);
    };
    for (uint64_t group = 0; group < static_cast<uint64_t>(n_tokens) * shape.n_slots; ++group) {
        const uint32_t wanted = random() % 8 == 0 ? random() % (shape.k + 1) : shape.k;
        std::set<uint16_t> active;
        while (active.size() < std::min(wanted, shape.latents)) active.insert(feature());
        for (const uint16_t f : active) {
            codes.feature.push_back(f);
            codes.activation.push_back(static_cast<uint8_t>(1 + random() % 255));
        }
        for (size_t i = active.size(); i < shape.k; ++i) {
            codes.feature.push_back(static_cast<uint16_t>(random() % shape.latents));
            codes.activation.push_back(0);
        }
    }
    return codes;
}

CodeBatch codes_of(const std::string& document, uint64_t token, uint32_t n_tokens,
                   const StoreShape& shape) {
    CodeBatch all;
    all.n_slots = shape.n_slots;
    all.k = shape.k;
    for (uint32_t i = 0; i < n_tokens; ++i) {
        std::mt19937 random(
            static_cast<uint32_t>(std::hash<std::string>()(document) * 31 + token + i));
        const CodeBatch one = random_codes(random, 1, shape);
        all.feature.insert(all.feature.end(), one.feature.begin(), one.feature.end());
        all.activation.insert(all.activation.end(), one.activation.begin(), one.activation.end());
    }
    all.n_tokens = n_tokens;
    return all;
}

Postings postings_of(const CodeBatch& codes, uint64_t base) {
    Postings postings;
    for (size_t i = 0; i < codes.feature.size(); ++i) {
        if (codes.activation[i] == 0) continue;
        const size_t group = i / codes.k;
        postings[{static_cast<uint32_t>(group % codes.n_slots), base + group / codes.n_slots,
                  codes.feature[i]}] = codes.activation[i];
    }
    return postings;
}

void read_postings(const Segment& segment, Postings& postings) {
    BlockScratch scratch;
    for (uint32_t block = 0; block < segment.n_blocks(); ++block) {
        for (uint32_t slot = 0; slot < segment.n_slots(); ++slot) {
            const BlockView view = take(segment.read_block(slot, block, scratch));
            if (view.feature_begin.size() != segment.latents() + 1) {
                throw std::runtime_error("feature_begin has a wrong size");
            }
            for (uint32_t f = 0; f < segment.latents(); ++f) {
                for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                    const uint64_t position =
                        segment.base() + uint64_t{block} * kBlockTokens + view.position[i];
                    if (view.position[i] >= view.n_tokens ||
                        !postings.insert({{slot, position, f}, view.activation[i]}).second) {
                        throw std::runtime_error("a posting is out of range or twice there");
                    }
                }
            }
        }
    }
}

Postings live_postings(const StoreReader& reader) {
    Postings all, live;
    for (const auto& segment : reader.segments()) read_postings(*segment, all);
    const auto& units = reader.live_units();
    for (const auto& [key, activation] : all) {
        const TokenPosition position(std::get<1>(key));
        const bool lives = std::any_of(units.begin(), units.end(), [&](const UnitExtent& unit) {
            return position >= unit.position_begin &&
                   position < unit.position_begin + unit.n_tokens;
        });
        if (lives) live[key] = activation;
    }
    return live;
}

DocumentHeader header_of(const TestDocument& document) {
    DocumentHeader header;
    header.path = document.path;
    header.format = "text";
    header.encoding = "UTF-8";
    header.source_bytes = text_of(document).size();
    header.source_hash = "hash-" + document.path + "-" + document.version;
    return header;
}

Unit unit_of(const TestDocument& document, uint32_t index) {
    static const char* const kWords[] = {"whale", "harbour", "running", "castle", "the", "trial"};
    constexpr uint64_t kUnitBytes = 100;  // gap and padding included
    const std::string n = std::to_string(index);
    Unit unit;
    unit.text = "Unit " + n + " of " + document.path + " version v" + document.version + " " +
                kWords[index % 6] + " " + kWords[(index / 6) % 6] + ".";
    unit.text.resize(std::max<size_t>(unit.text.size(), 90), '.');
    unit.gap = index == 0 ? "" : std::string(kUnitBytes - unit.text.size(), '\n');
    unit.byte_begin = index * kUnitBytes;
    unit.byte_end = unit.byte_begin + unit.text.size();
    unit.line_begin = unit.line_end = 1 + 10 * index;
    return unit;
}

std::string text_of(const TestDocument& document) {
    std::string text;
    for (uint32_t i = 0; i < document.n_units; ++i) {
        const Unit unit = unit_of(document, i);
        text += unit.gap + unit.text;
    }
    return text;
}

void add_units(StoreWriter& writer, const TestDocument& document, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; ++i) {
        must(writer.add_unit(unit_of(document, i), document.unit_tokens));
    }
    // Codes lag behind, in batches that do not end where units end.
    const uint64_t end = uint64_t{to} * document.unit_tokens;
    for (uint64_t token = uint64_t{from} * document.unit_tokens; token < end;) {
        const auto n = static_cast<uint32_t>(std::min<uint64_t>(7, end - token));
        must(writer.add_codes(codes_of(document.path + document.version, token, n)));
        token += n;
    }
}

void index_document(StoreWriter& writer, const TestDocument& document, uint32_t commit_units) {
    const auto begin = take(writer.begin_document(header_of(document)));
    if (begin.kind == StoreWriter::Begin::Kind::kUnchanged) return;
    for (auto from = static_cast<uint32_t>(begin.units_done); from < document.n_units;) {
        const uint32_t to = std::min(document.n_units, from + commit_units);
        add_units(writer, document, from, to);
        if (to < document.n_units) must(writer.commit());
        from = to;
    }
    must(writer.end_document());
    must(writer.commit());
}

Content content_of(const std::string& store) {
    const auto reader = open_reader(store);
    Content content;
    const Postings all = live_postings(*reader);
    std::map<uint64_t, std::pair<std::string, uint64_t>> place;  // position -> (path, from 0)
    for (const DocumentInfo& document : take(reader->documents())) {
        must(read_document_text(store, document.doc_id, [&](std::string_view piece) {
            content.texts[document.path] += piece;
            return true;
        }));
    }
    std::map<std::string, uint64_t> next;
    for (const UnitExtent& extent : reader->live_units()) {
        const UnitRow unit = take(reader->unit(extent.unit_id));
        const std::string path = take(reader->document(unit.doc_id)).path;
        for (uint32_t i = 0; i < unit.n_tokens; ++i) {
            place[unit.position_begin.value + i] = {path, next[path]++};
        }
    }
    for (const auto& [key, activation] : all) {
        const auto& [path, position] = place.at(std::get<1>(key));
        content.postings[path][{std::get<0>(key), position, std::get<2>(key)}] = activation;
    }
    for (const auto& match : take(reader->bm25("castle running harbour 3", 1000))) {
        content.words.emplace_back(take(reader->unit(match.unit_id)).text, match.bm25);
    }
    std::sort(content.words.begin(), content.words.end());
    return content;
}

Result<std::vector<DocumentInfo>> list_documents(const std::string& store) {
    S3ATTN_TRY(const Store handle, Store::open(store));
    return handle.list();
}

Status read_document_text(const std::string& store, DocumentId doc_id,
                          const std::function<bool(std::string_view)>& on_text) {
    S3ATTN_TRY(const Store handle, Store::open(store));
    return handle.read_text(doc_id, on_text);
}

DocumentId id_of(const std::string& store, const std::string& path) {
    const auto document = take(take(Store::open(store)).find(path));
    return document.has_value() ? document->doc_id : DocumentId();
}

Result<DocumentInfo> remove_document(const std::string& store, const std::string& path) {
    S3ATTN_TRY(Store handle, Store::open(store, Store::Access::kWrite));
    S3ATTN_TRY(const auto document, handle.find(path));
    return handle.remove(document.has_value() ? document->doc_id : DocumentId());
}

Result<VerifyReport> verify_store(const std::string& store) {
    S3ATTN_TRY(const Store handle, Store::open(store));
    return handle.verify();
}

Result<ExportReport> export_store(const std::string& store, const std::string& file) {
    S3ATTN_TRY(const Store handle, Store::open(store));
    return handle.export_to(file);
}

Result<VerifyReport> import_store(const std::string& file, const std::string& store) {
    return Store::import_from(file, store);
}

std::unique_ptr<StoreWriter> open_writer(const std::string& store) {
    return take(StoreWriter::open(store, fingerprint(), kShape));
}

std::unique_ptr<StoreReader> open_reader(const std::string& store) {
    return take(StoreReader::open(store, nullptr));
}

std::vector<std::string> files_in(const std::string& directory, const std::string& suffix) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory)) {
        const std::string name = entry.path().filename().string();
        if (name.ends_with(suffix)) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

std::string read_all(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_all(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

}  // namespace s3attn::store_test

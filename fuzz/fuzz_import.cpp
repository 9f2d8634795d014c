// An exported store of any bytes: nothing of it, or a store that verifies, lists and reads.
#include <filesystem>

#include "random_codes.h"
#include "s3attn/engine.h"
#include "store/inspect.h"
#include "store/store.h"
#include "target.h"

namespace s3attn::fuzz {
namespace {

namespace fs = std::filesystem;

const Scratch& scratch() {
    static const Scratch directory;
    return directory;
}

constexpr StoreShape kShape{1, 16, 2};

void add(StoreWriter& writer, const std::string& path, uint32_t units) {
    DocumentHeader header;
    header.path = path;
    header.format = "text";
    header.encoding = "UTF-8";
    header.source_hash = "h";
    if (!writer.begin_document(header).ok()) fail("a seed cannot be begun");
    for (uint32_t i = 0; i < units; ++i) {
        Unit unit;
        unit.text = "some words";
        unit.byte_begin = 10 * i;
        unit.byte_end = unit.byte_begin + 10;
        unit.line_begin = unit.line_end = 1 + i;
        if (!writer.add_unit(unit, 3).ok() || !writer.add_codes(random_codes(i, 3, kShape)).ok()) {
            fail("a seed cannot be filled");
        }
    }
    if (!writer.end_document().ok() || !writer.commit().ok()) fail("a seed cannot be committed");
}

}  // namespace

std::vector<std::string> seeds() {
    std::vector<std::string> all;
    for (const uint32_t documents : {0u, 1u, 2u}) {
        const std::string store = scratch() / "seed.s3", file = scratch() / "seed.s3x";
        {
            const auto writer =
                StoreWriter::open(store, Fingerprint{{{"model_hash", "m"}}}, kShape);
            if (!writer.ok()) fail(writer.error().message);
            for (uint32_t i = 0; i < documents; ++i) add(**writer, "d" + std::to_string(i), 2);
        }
        if (const auto done = Store::open(store)->export_to(file); !done.ok())
            fail(done.error().message);
        all.push_back(read_file(file));
        fs::remove_all(store);
        fs::remove(file);
    }
    return all;
}

}  // namespace s3attn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace s3attn;
    const std::string file = fuzz::scratch() / "input.s3x", store = fuzz::scratch() / "input.s3";
    fuzz::write_file(file, data, size);
    const auto report = Store::import_from(file, store);
    if (!report.ok()) {
        if (std::filesystem::exists(store)) fuzz::fail("a refused import left a store");
        if (std::filesystem::exists(store + ".importing"))
            fuzz::fail("a refused import left files");
        return 0;
    }
    const auto made = Store::open(store);
    if (!made.ok() || !made->verify().ok()) fuzz::fail("an imported store does not verify");
    const auto documents = made->list();
    if (!documents.ok()) fuzz::fail("cannot be listed: " + documents.error().message);
    for (const DocumentInfo& document : *documents) {
        (void)made->read_text(document.doc_id, [](std::string_view) { return true; });
    }
    if (const auto reader = StoreReader::open(store, nullptr); reader.ok()) {
        (void)(*reader)->bm25("some words", 5);
    }
    InspectOptions inspection;
    inspection.head_slot = 0;
    inspection.stats = true;
    (void)inspect_postings(store, inspection);
    std::filesystem::remove_all(store);
    return 0;
}

// A process that works on a store, for tests that kill it, make its calls fail or run several:
//   store_worker index STORE ROUNDS | merge STORE STORES... | remove STORE DOCUMENTS...
//   store_worker export STORE FILE | import FILE STORE | read STORE MILLISECONDS
// Exit code 0: done; 1: failed, with a message on standard error; 2: something is wrong.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <stdexcept>

#include "store_test_util.h"
#include "worker_documents.h"

namespace s3attn::store_test {
namespace {

struct Silent final : ProgressSink {
    void update(const Progress&) override {}
    void note(const std::string&) override {}
};

int report(const Status& status) {
    if (status.ok()) return 0;
    std::fprintf(stderr, "error: %s\n", status.error().message.c_str());
    return status.error().message.empty() ? 2 : 1;
}

template <class T>
int report(const Result<T>& result) {
    return report(result.ok() ? Status() : Status(result.error()));
}

int index(const std::string& store, uint32_t rounds) {
    auto writer = StoreWriter::open(store, fingerprint(), kShape);
    if (!writer.ok()) return report(writer);
    for (uint32_t round = 1; round <= rounds; ++round) {
        for (uint32_t i = 0; i < kWorkerDocuments; ++i) {
            index_document(**writer, worker_document(i, round), 2);
        }
    }
    return report((*writer)->settle());
}

// Every document that a snapshot shows is whole, and all of one version or its neighbour.
int read(const std::string& store, int milliseconds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
    int opened = 0;
    while (std::chrono::steady_clock::now() < end) {
        const auto reader = StoreReader::open(store, nullptr);
        if (!reader.ok()) {
            if (reader.error().code == ErrorCode::kNotFound) continue;
            return report(reader) + 1;
        }
        ++opened;
        const auto documents = (*reader)->documents();
        if (!documents.ok()) return 2;
        for (const DocumentInfo& document : *documents) {
            std::string text;
            const auto append = [&](std::string_view piece) {
                text += piece;
                return true;
            };
            const Status whole = read_document_text(store, document.doc_id, append);
            if (!whole.ok() && whole.error().code == ErrorCode::kNotFound) continue;  // by now
            if (!whole.ok()) return report(whole) + 1;
            if (document.complete && text != worker_text(document)) return 2;
        }
        (void)live_postings(**reader);  // throws when a posting cannot be read
    }
    return opened > 0 ? 0 : 2;
}

int run(const std::vector<std::string>& arguments) {
    const std::string& operation = arguments.at(0);
    const std::string& store = arguments.at(1);
    const std::vector<std::string> rest(arguments.begin() + 2, arguments.end());
    if (operation == "index") return index(store, static_cast<uint32_t>(std::stoul(rest.at(0))));
    if (operation == "read") return read(store, std::stoi(rest.at(0)));
    if (operation == "export") return report(export_store(store, rest.at(0)));
    if (operation == "import") return report(import_store(store, rest.at(0)));
    if (operation == "merge") {
        Silent sink;
        return report(Store::merge(store, rest, sink, CancelToken()));
    }
    for (const std::string& document : rest) {
        const auto removed = remove_document(store, document);
        if (!removed.ok() && removed.error().code != ErrorCode::kNotFound) return report(removed);
    }
    return 0;
}

}  // namespace
}  // namespace s3attn::store_test

int main(int argc, char** argv) {
    std::signal(SIGXFSZ, SIG_IGN);
    try {
        return s3attn::store_test::run({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 1;
    }
}

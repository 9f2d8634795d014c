// What store_worker indexes, so that tests know what should be there.
#pragma once

#include <string>

#include "store_test_util.h"

namespace s3attn::store_test {

inline constexpr uint32_t kWorkerDocuments = 10;

// Document i as of a round; in later rounds every second one has changed.
inline TestDocument worker_document(uint32_t i, uint32_t round) {
    const uint32_t version = i % 2 == 0 ? 1 : round;
    return {"d" + std::to_string(i), std::to_string(version), 3 + (i + version) % 4,
            9 + 7 * (i % 3)};
}

// The text of a document of whatever round, found by its hash.
inline std::string worker_text(const DocumentInfo& info) {
    for (uint32_t i = 0; i < kWorkerDocuments; ++i) {
        for (uint32_t round = 1; round < 500; ++round) {
            const TestDocument document = worker_document(i, round);
            if (header_of(document).source_hash == info.source_hash) return text_of(document);
        }
    }
    return "unknown document " + info.path;
}

}  // namespace s3attn::store_test

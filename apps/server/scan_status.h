// What can be asked of a document on its way into a store.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "s3attn/ids.h"
#include "s3attn/progress.h"

namespace s3attn::server {

struct ScanStatus {
    enum class State { kQueued, kScanning, kDone, kFailed, kCancelled };
    uint64_t id = 0;
    std::string store;  // name
    std::string name;   // of the document
    State state = State::kQueued;
    Progress progress;
    double eta_s = -1;  // < 0: not known
    DocumentId doc_id;
    std::string outcome;  // "indexed", "replaced", "unchanged", "resumed"; when done
    std::string error;    // when failed
    uint64_t tokens = 0;  // scanned
    std::vector<std::string> notes;
    uint64_t version = 0;  // grows with every change
    bool ended() const { return state > State::kScanning; }
};
const char* to_string(ScanStatus::State state);

}  // namespace s3attn::server

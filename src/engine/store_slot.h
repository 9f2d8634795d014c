// The store that was searched last stays open until it changes on disk, with what was decoded of
// it.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "adapter/adapter.h"
#include "retrieve/scan_cache.h"
#include "s3attn/result.h"
#include "store/store.h"

namespace s3attn {

// One state of a store. Many searches share it; each keeps it open as long as it runs.
struct Snapshot {
    std::unique_ptr<StoreReader> store;
    ScanCache cache;
    // Read by the first question that wants them.
    std::once_flag vectors_read;
    Result<UnitVectors> vectors = UnitVectors();
    std::string note;  // how it differs from what would be made now; may be empty
};

class StoreSlot {
  public:
    // kMismatch when the store was not made with `engine`'s model and adapter.
    Result<std::shared_ptr<Snapshot>> get(const std::string& directory, const Fingerprint& engine,
                                          const Adapter& adapter);

  private:
    std::mutex mutex_;
    std::string directory_, stamp_;
    std::shared_ptr<Snapshot> snapshot_;
};

}  // namespace s3attn

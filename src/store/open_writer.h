// How a writer comes to be when its caller holds the store's lock, or is to keep it.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "base/cancellable_lock.h"
#include "s3attn/store.h"
#include "store/store.h"
#include "store/writer_lock.h"

namespace s3attn {

// For a store that exists, whatever made it: for removing and repairing. A null `lock` is taken
// first, and is then the caller's too: no other writer comes as long as one of the two lives.
Result<std::unique_ptr<StoreWriter>> open_existing_writer(const std::string& directory,
                                                          std::shared_ptr<WriterLock>& lock);
Result<std::unique_ptr<StoreWriter>> open_existing_writer(const std::string& directory);
// As StoreWriter::open(), likewise.
Result<std::unique_ptr<StoreWriter>> open_writer(const std::string& directory,
                                                 const Fingerprint& fingerprint,
                                                 const StoreShape& shape,
                                                 const WriterOptions& options,
                                                 std::shared_ptr<WriterLock>& lock);

// What a Store for writing holds. One call writes at a time.
struct Store::Writing {
    std::timed_mutex mutex;
    std::shared_ptr<WriterLock> lock;     // null: there is no store yet
    std::unique_ptr<StoreWriter> writer;  // of remove(); made when it is needed
};

// What the engine writes through. The handle's other writing calls wait as long as this lives.
class HandleWriter {
  public:
    // kInvalidArgument for a handle that was opened for reading.
    static Result<HandleWriter> open(Store& store, const Fingerprint& fingerprint,
                                     const StoreShape& shape, const WriterOptions& options,
                                     const CancelToken& cancel);
    StoreWriter& operator*() const { return *writer_; }
    StoreWriter* operator->() const { return writer_.get(); }

  private:
    HandleWriter(CancellableLock turn, std::unique_ptr<StoreWriter> writer)
        : turn_(std::move(turn)), writer_(std::move(writer)) {}
    CancellableLock turn_;
    std::unique_ptr<StoreWriter> writer_;
};

}  // namespace s3attn

// The stores that are served: names, paths, and who is meant.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "outcome.h"
#include "s3attn/store.h"

namespace s3attn::server {

struct NamedStore {
    std::string name, path;
};

// Does not change once it is made: any thread may ask.
class Stores {
  public:
    explicit Stores(const std::vector<std::string>& directories);

    size_t size() const { return stores_.size(); }
    const NamedStore& operator[](size_t i) const { return stores_[i]; }
    auto begin() const { return stores_.begin(); }
    auto end() const { return stores_.end(); }

    // By name; empty: every store.
    Outcome<std::vector<size_t>> choose(const std::vector<std::string>& names) const;
    // The one store, by name; no name: only where there is just one, or `or_first`.
    Outcome<size_t> choose_one(const std::string& name, bool or_first = false) const;

    // Fails where a directory holds something else than a store. One that is not there yet is made
    // by the first upload.
    Status check() const;
    // Documents of a store; none where there is no store yet.
    Outcome<std::vector<DocumentInfo>> documents(size_t store) const;
    // Where a store keeps the files that clients send.
    std::string uploads_of(size_t store) const {
        return stores_[store].path + "/" + kUploadsFolder;
    }
    // The name under which people know a document: an upload's own name, else its path.
    std::string name_of(size_t store, const std::string& path) const;

  private:
    std::vector<NamedStore> stores_;
};

}  // namespace s3attn::server

// Drawn pages of documents: one is drawn at a time, and the last ones are kept, so many bytes of
// them.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "outcome.h"

namespace s3attn::server {

class PageCache {
  public:
    using Bytes = std::shared_ptr<const std::string>;
    // `most_waiting`: requests for what is still to be drawn.
    PageCache(size_t most_bytes, size_t most_waiting)
        : most_bytes_(most_bytes), most_waiting_(most_waiting) {}

    // What is kept under that name, else what `draw` gives. 503 where too many wait already.
    Outcome<Bytes> get(const std::string& name, const std::function<Outcome<std::string>()>& draw);
    size_t bytes() const;
    size_t waiting() const;  // requests, the one that draws among them

  private:
    using Page = std::pair<std::string, Bytes>;
    Bytes find(const std::string& name);
    void keep(const std::string& name, Bytes bytes);

    const size_t most_bytes_, most_waiting_;
    mutable std::mutex mutex_;  // of what follows
    std::mutex drawing_;        // taken before it
    size_t waiting_ = 0, bytes_ = 0;
    std::list<Page> pages_;  // the last used first
    std::unordered_map<std::string, std::list<Page>::iterator> by_name_;
};

}  // namespace s3attn::server

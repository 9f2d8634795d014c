#include "page_cache.h"

namespace s3attn::server {

PageCache::Bytes PageCache::find(const std::string& name) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return nullptr;
    pages_.splice(pages_.begin(), pages_, found->second);
    return found->second->second;
}

void PageCache::keep(const std::string& name, Bytes bytes) {
    if (bytes->size() > most_bytes_) return;
    bytes_ += bytes->size();
    pages_.emplace_front(name, std::move(bytes));
    by_name_[name] = pages_.begin();
    while (bytes_ > most_bytes_) {
        bytes_ -= pages_.back().second->size();
        by_name_.erase(pages_.back().first);
        pages_.pop_back();
    }
}

Outcome<PageCache::Bytes> PageCache::get(const std::string& name,
                                         const std::function<Outcome<std::string>()>& draw) {
    {
        const std::lock_guard lock(mutex_);
        if (auto kept = find(name)) return kept;
        if (waiting_ >= most_waiting_) {
            return Failure{503, "overloaded", "too many pages wait to be drawn; try again", "", 1};
        }
        ++waiting_;
    }
    const std::lock_guard one_at_a_time(drawing_);
    Bytes kept;
    {
        const std::lock_guard lock(mutex_);
        kept = find(name);  // it may have been drawn meanwhile
        if (kept) --waiting_;
    }
    if (kept) return kept;
    auto drawn = draw();
    const std::lock_guard lock(mutex_);
    --waiting_;
    if (const auto* failure = std::get_if<Failure>(&drawn)) return *failure;
    kept = std::make_shared<const std::string>(std::get<std::string>(std::move(drawn)));
    keep(name, kept);
    return kept;
}

size_t PageCache::bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
}

size_t PageCache::waiting() const {
    const std::lock_guard lock(mutex_);
    return waiting_;
}

}  // namespace s3attn::server

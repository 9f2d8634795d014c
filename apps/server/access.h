// Who may do what. Without keys everybody may do everything; a key from a file may read some
// stores and write some, so often and in such sizes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "outcome.h"
#include "stores.h"

namespace s3attn::server {

// The rights of one key. To a key that may not do everything a store without right looks like one
// that is not there: both are 403, in the same words.
class Access {
  public:
    std::string name;        // what logs call it; empty: there are no keys
    bool everything = true;  // all stores, and what concerns the whole server (metrics)
    std::vector<size_t> read, write;
    uint32_t requests_per_minute = 0;  // 0: no limit
    uint64_t upload_bytes = 0;         // of a document; 0: the server's limit

    bool may_read(size_t store) const;
    bool may_write(size_t store) const;
    // As Stores::choose() and choose_one(), among the stores it may read.
    Outcome<std::vector<size_t>> choose(const Stores& stores,
                                        const std::vector<std::string>& names) const;
    Outcome<size_t> choose_one(const Stores& stores, const std::string& name) const;
    // Where to write; no name: the first that it may write.
    Outcome<size_t> choose_to_write(const Stores& stores, const std::string& name) const;
    // Counts a request; the seconds to wait where there were too many.
    std::optional<int> take_request() const;

  private:
    Outcome<size_t> choose_among(const Stores& stores, const std::string& name,
                                 const std::vector<size_t>& mine, bool or_first) const;

    mutable std::mutex mutex_;
    mutable double left_ = -1;  // requests; < 0: none was counted yet
    mutable std::chrono::steady_clock::time_point counted_;
};

// What a request gets that has no right.
Failure no_right();

class Keys {
  public:
    // {"keys": [{"name", "key", "read": ["STORE"] or "*", "write": likewise, "requests_per_minute",
    // "max_upload_mib"}]}. What is wrong is said with the file's and the key's name, never its
    // value; an unknown field is an error, for it may be a limit that is misspelled.
    static Result<Keys> read(const std::string& file, const Stores& stores);
    // One key that may do everything.
    void add_master(const std::string& secret);

    bool empty() const { return keys_.empty(); }
    // Takes as long for any wrong key. Null: there is no such key.
    const Access* find(std::string_view secret) const;

  private:
    struct Key {
        std::string secret;
        std::unique_ptr<Access> access;
    };
    std::vector<Key> keys_;
};

}  // namespace s3attn::server

// Documents that come with a request: a store of their own, which goes when nobody needs it any
// more.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "outcome.h"
#include "s3attn/engine.h"

namespace s3attn::server {

struct InlineDocument {
    std::string title;      // for people; may be empty
    std::string bytes;      // a text in UTF-8, or a file
    std::string extension;  // says what it is: "txt", "pdf"
    std::string where;      // in the request, for messages: "messages[0].content[1]"
};
using InlineDocuments = std::shared_ptr<const std::vector<InlineDocument>>;

class InlineStore {
  public:
    // Scans them into a temporary folder that only this user may read. A text of white space has no
    // place in it; what cannot be read is a failure (400) that names it.
    static Outcome<std::shared_ptr<InlineStore>> scan(Engine& engine,
                                                      const std::vector<InlineDocument>& documents,
                                                      const CancelToken& cancel);
    ~InlineStore();
    InlineStore(const InlineStore&) = delete;
    InlineStore& operator=(const InlineStore&) = delete;

    const std::string& path() const { return store_; }
    bool empty() const { return numbers_.empty(); }
    // Which of the request's documents this is.
    std::optional<size_t> number_of(DocumentId doc_id) const;

  private:
    explicit InlineStore(std::string folder)
        : folder_(std::move(folder)), store_(folder_ + "/inline.s3") {}
    const std::string folder_, store_;
    std::vector<std::pair<DocumentId, size_t>> numbers_;
};

// The last few of them, since each question of a conversation brings its documents again.
class InlineStores {
  public:
    // `owner`: whose they are; what one client sent is never found again by another.
    Outcome<std::shared_ptr<InlineStore>> get(Engine& engine, const std::string& owner,
                                              const InlineDocuments& documents,
                                              const CancelToken& cancel);

  private:
    struct Kept {
        std::string key;
        std::shared_ptr<InlineStore> store;
    };
    std::mutex mutex_;
    std::list<Kept> kept_;  // the newest first
};

}  // namespace s3attn::server

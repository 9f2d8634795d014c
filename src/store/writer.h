// The writer behind StoreWriter. writer.cpp: documents, units and codes; writer_commit.cpp: commits
// and the joining of segments; writer_vectors.cpp: vectors; writer_open.cpp: how one comes to be.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/guarded.h"
#include "store/compact.h"
#include "store/documents.h"
#include "store/merger.h"
#include "store/segment_writer.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/writer_lock.h"

namespace s3attn {

class Writer final : public StoreWriter {
  public:
    // Of the memory allowed: SQLite's pages, mapped pages of segments that are being joined.
    static constexpr uint64_t kCacheShare = 64, kWindowShare = 16;

    Writer(std::string directory, const StoreShape& shape, const WriterOptions& options,
           std::shared_ptr<WriterLock> lock, std::unique_ptr<Database> db)
        : directory_(std::move(directory)),
          shape_(shape),
          options_(options),
          lock_(std::move(lock)),
          db_(std::move(db)),
          merger_(directory_, shape, options.memory_bytes / kWindowShare) {}
    ~Writer() override;

    Status start();
    Status place_next(int64_t list, uint64_t length, uint64_t ordinal) override;
    Result<Begin> begin_document(const DocumentHeader& header) override;
    Result<bool> describe(DocumentId doc_id, const DocumentHeader& header,
                          const std::function<Result<bool>(Unit&)>& next) override;
    Status add_unit(const Unit& unit, uint32_t n_tokens) override;
    Status add_codes(const CodeBatch& codes) override;
    Status end_document() override;
    Status commit() override;
    Status settle() override;
    uint64_t pending_tokens() const override { return pending_units_; }
    Result<std::string> recognise(DocumentHeader& header) override;
    Result<DocumentInfo> remove_document(DocumentId doc_id) override;
    Status drop_interrupted(const std::string& path) override;
    Result<std::optional<EmbedderInfo>> embedder() override;
    Status use_embedder(const EmbedderInfo& embedder) override;
    Result<std::vector<UnitToEmbed>> units_to_embed(UnitId after, uint32_t limit) override;
    Result<uint64_t> count_units_to_embed() override;
    Status add_vectors(const std::vector<UnitToEmbed>& units,
                       const std::vector<std::vector<float>>& vectors) override;

  private:
    struct Current {
        DocumentId doc_id;
        uint64_t tokens = 0, units = 0, byte_end = 0;
        bool visible = true;
    };

    Status drop(const DocumentRow& row);
    Status need_committed(const char* before) const;
    Status remove_orphans();
    Status begin_transaction();
    Status store_counts();
    Status resume(const DocumentRow& row);
    Result<Begin> begin(const DocumentHeader& header);
    Result<int64_t> list_base(int64_t list, uint64_t length);
    Result<std::optional<DocumentId>> if_free(std::optional<DocumentId> place);
    Status insert_unit(const Unit& unit, uint32_t n_tokens);
    Status check_unit(const Unit& unit, uint32_t n_tokens) const;
    Status write_codes(const CodeBatch& codes);
    Status commit_transaction(const std::optional<MergeResult>& merged);
    Result<std::optional<MergeResult>> take_merged();
    Status start_merge();
    Status plan_merge_job();
    // After an error in the middle of a change, memory that ran out included, nothing of the change
    // may stay: gives up what is not committed; every later call returns the same error.
    template <class Change>
    auto attempt(const Change& change) -> decltype(change()) {
        auto result = guarded(change);
        if (!result.ok()) return give_up(result.error());
        return result;
    }
    Error give_up(const Error& error);
    Status usable() const { return failed_.has_value() ? Status(*failed_) : Status(); }

    std::string directory_;
    StoreShape shape_;
    WriterOptions options_;
    std::shared_ptr<WriterLock> lock_;  // released last
    std::unique_ptr<Database> db_;
    Statement insert_unit_, insert_words_;
    std::unique_ptr<SegmentWriter> segment_;  // codes since the last commit
    int64_t segment_id_ = 0;                  // of segment_
    int64_t next_segment_ = 1;                // given out to segment_ and to merges
    uint64_t next_position_ = 0;              // of the next unit
    uint64_t pending_units_ = 0;              // tokens of units since the last commit
    uint64_t pending_codes_ = 0;              // tokens of codes since the last commit
    std::optional<Current> current_;
    std::optional<DocumentId> place_;  // doc_id for the next new document
    bool removed_ = false;             // positions died and no segment was looked at since
    std::optional<Error> failed_;
    BackgroundMerger merger_;  // its thread ends before anything else goes
};

}  // namespace s3attn

// Small stores with known content, and the slow, obvious way to look at them.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "s3attn/store.h"
#include "store/segment.h"
#include "store/store.h"

namespace s3attn::store_test {

class TemporaryDirectory {
  public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

inline constexpr StoreShape kShape{2, 64, 4};
Fingerprint fingerprint();

// Random codes; some tokens have fewer than k active features.
CodeBatch random_codes(std::mt19937& random, uint32_t n_tokens, const StoreShape& shape);
// The same codes whenever, wherever and in whatever batches they are asked for: those of a token
// depend only on `document` and `token`.
CodeBatch codes_of(const std::string& document, uint64_t token, uint32_t n_tokens,
                   const StoreShape& shape = kShape);

// (slot, position, feature) -> activation.
using Postings = std::map<std::tuple<uint32_t, uint64_t, uint32_t>, uint8_t>;
Postings postings_of(const CodeBatch& codes, uint64_t base);
void read_postings(const Segment& segment, Postings& postings);
// Of live units only.
Postings live_postings(const StoreReader& reader);

struct TestDocument {
    std::string path;
    std::string version = "1";  // part of hash and text
    uint32_t n_units = 3;
    uint32_t unit_tokens = 10;
};
DocumentHeader header_of(const TestDocument& document);
Unit unit_of(const TestDocument& document, uint32_t index);
std::string text_of(const TestDocument& document);

// Adds units [from, to) with their codes, uncommitted.
void add_units(StoreWriter& writer, const TestDocument& document, uint32_t from, uint32_t to);
// begin, what is missing, end; commits after every `commit_units` units and at the end.
void index_document(StoreWriter& writer, const TestDocument& document, uint32_t commit_units = 100);

// What a search can see, with positions and ids made relative: equal for equal content.
struct Content {
    std::map<std::string, std::string> texts;           // path -> text
    std::map<std::string, Postings> postings;           // path -> postings, positions from 0
    std::vector<std::pair<std::string, double>> words;  // of a fixed question: unit text, BM25
    bool operator==(const Content&) const = default;
};
Content content_of(const std::string& store);

// A call of s3attn::Store on the store of that name.
Result<std::vector<DocumentInfo>> list_documents(const std::string& store);
Status read_document_text(const std::string& store, DocumentId doc_id,
                          const std::function<bool(std::string_view)>& on_text);
DocumentId id_of(const std::string& store, const std::string& path);  // 0: there is none
Result<DocumentInfo> remove_document(const std::string& store, const std::string& path);
Result<VerifyReport> verify_store(const std::string& store);
Result<ExportReport> export_store(const std::string& store, const std::string& file);
Result<VerifyReport> import_store(const std::string& file, const std::string& store);

std::unique_ptr<StoreWriter> open_writer(const std::string& store);
std::unique_ptr<StoreReader> open_reader(const std::string& store);
std::vector<std::string> files_in(const std::string& directory, const std::string& suffix);
std::string read_all(const std::string& path);
void write_all(const std::string& path, const std::string& bytes);

// Memory and times of a sanitizer build say nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace s3attn::store_test

// Fail the test with the error's message.
template <class T>
testing::AssertionResult is_ok(const s3attn::Result<T>& result) {
    if (result.ok()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << result.error().message;
}
#define ASSERT_OK(expression) ASSERT_TRUE(is_ok(expression))
#define EXPECT_OK(expression) EXPECT_TRUE(is_ok(expression))

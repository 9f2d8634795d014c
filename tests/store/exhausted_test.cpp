// Memory that runs out at any moment is an error of the call, and the store is whole afterwards.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/parallel.h"
#include "failing_memory.h"
#include "store_test_util.h"

namespace s3attn {
namespace {

using namespace store_test;

class Exhausted : public testing::Test {
  protected:
    void SetUp() override {
        for (const char* name : {"a.txt", "b.txt", "c.txt"}) {
            index_document(*open_writer(store_), {name, "1", 4, 10});
        }
    }
    TemporaryDirectory directory_;
    std::string store_ = directory_ / "s";
};

TEST_F(Exhausted, Reading) {
    const auto read = [&]() -> Status {
        S3ATTN_TRY(const Store store, Store::open(store_));
        S3ATTN_TRY(const auto documents, store.list());
        S3ATTN_TRY(const auto document, store.document(DocumentId(1)));
        S3ATTN_TRY(const auto found, store.find("b.txt"));
        S3ATTN_CHECK(store.read_text(DocumentId(1), [](auto) { return true; }));
        return status_of(store.read_range(DocumentId(2), 0, 1000, 1000));
    };
    EXPECT_GT(fail_each(1, read, [] {}), 20);
}

TEST_F(Exhausted, VerifyInspectAndExport) {
    const auto store = Store::open(store_);
    ASSERT_OK(store);
    EXPECT_GT(fail_each(
                  3, [&] { return status_of(store->verify()); }, [] {}),
              20);
    InspectOptions inspect;
    inspect.head_slot = 0;
    inspect.stats = true;
    EXPECT_GT(fail_each(
                  3, [&] { return status_of(store->inspect(inspect)); }, [] {}),
              20);
    const std::string file = directory_ / "e", made = directory_ / "made";
    const auto clear = [&] { std::filesystem::remove(file); };
    EXPECT_GT(fail_each(
                  3, [&] { return status_of(store->export_to(file)); }, clear),
              20);
    clear();
    ASSERT_OK(store->export_to(file));
    const auto drop = [&] { std::filesystem::remove_all(made); };
    const auto import = [&] { return status_of(Store::import_from(file, made)); };
    EXPECT_GT(fail_each(11, import, drop), 20);
}

TEST_F(Exhausted, RemovingLeavesAStoreThatIsWhole) {
    int number = 0;
    const auto remove = [&]() -> Status {
        S3ATTN_TRY(Store store, Store::open(store_, Store::Access::kWrite));
        S3ATTN_TRY(const auto there, store.find("d" + std::to_string(number)));
        if (!there.has_value()) return {};
        const Status first = status_of(store.remove(there->doc_id));
        // After a failure the handle either goes on or says that it is not to be used.
        if (!first.ok()) [[maybe_unused]]
            const auto again = store.remove(there->doc_id);
        return first;
    };
    const auto next = [&] {
        const auto verified = verify_store(store_);
        ASSERT_OK(verified);
        index_document(*open_writer(store_), {"d" + std::to_string(++number), "1", 2, 5});
    };
    next();
    EXPECT_GT(fail_each(7, remove, next), 20);
}

TEST_F(Exhausted, Merging) {
    class Silent final : public ProgressSink {
        void update(const Progress&) override {}
        void note(const std::string&) override {}
    } sink;
    const std::string into = directory_ / "into";
    const auto merge = [&] { return status_of(Store::merge(into, {store_}, sink, CancelToken())); };
    const auto drop = [&] {
        if (std::filesystem::exists(into + "/catalog.db")) {
            EXPECT_OK(verify_store(into));
        }
        std::filesystem::remove_all(into);
    };
    EXPECT_GT(fail_each(29, merge, drop), 20);
}

TEST(ExhaustedBase, APoolIsMadeWithTheThreadsThereIsMemoryFor) {
    const auto make = [] {
        std::atomic<int> done{0};
        ThreadPool pool(6);
        pool.run(100, [&](uint32_t) { ++done; });
        return done == 100 ? Status() : make_error(ErrorCode::kInternal, "tasks were lost");
    };
    EXPECT_GT(fail_each(1, make, [] {}), 1);
}

TEST(ExhaustedBase, ThreadsOfAPoolHandTheExceptionOn) {
    ThreadPool pool(4);
    for (int round = 0; round < 20; ++round) {
        const auto throwing = [](uint32_t i) {
            if (i % 7 == 3) throw std::bad_alloc();
        };
        const Status status = guarded([&]() -> Status {
            pool.run(100, throwing);
            return {};
        });
        ASSERT_FALSE(status.ok());
        EXPECT_EQ(status.error().reason, reason::kNoMemory);
        std::atomic<int> done{0};
        pool.run(100, [&](uint32_t) { ++done; });
        EXPECT_EQ(done, 100) << "it works on";
    }
}

}  // namespace
}  // namespace s3attn

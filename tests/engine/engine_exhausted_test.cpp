// Memory that runs out at any moment of an engine's call is that call's error: nothing is thrown,
// the store is whole, and the engine works on.
#include "../store/failing_memory.h"
#include "engine_fixture.h"

namespace s3attn {
namespace {

class EngineExhausted : public EngineTest {
  protected:
    void SetUp() override {
        EngineTest::SetUp();
        index({file("a.txt", kLighthouse)});
    }
    void expect_whole() {
        const auto verified = store().verify();
        EXPECT_TRUE(verified.ok()) << verified.error().message;
    }
};

TEST_F(EngineExhausted, Searching) {
    const Store there = store();
    for (const char* method : {"s3", "hybrid"}) {
        SearchOptions options;
        options.method = method;
        const auto search = [&] {
            return status_of(engine().search(there, "Who built the lighthouse?", options));
        };
        EXPECT_GT(fail_each(5, search, [] {}), 20);
        EXPECT_TRUE(search().ok());
    }
}

TEST_F(EngineExhausted, Answering) {
    const Store there = store();
    AskOptions options;
    options.max_answer_tokens = 8;
    const auto ask = [&] {
        return status_of(engine().ask(there, "Who built it?", options, nullptr, nullptr));
    };
    EXPECT_GT(fail_each(23, ask, [] {}), 20);
    EXPECT_TRUE(ask().ok());
}

TEST_F(EngineExhausted, IndexingLeavesAStoreThatIsWhole) {
    int number = 0;
    std::string path;
    const auto next = [&] {
        expect_whole();
        path = file("n" + std::to_string(++number) + ".txt", kMill + std::to_string(number));
    };
    next();
    const auto add = [&]() -> Status {
        S3ATTN_TRY(Store made, Store::open(this->path(), Store::Access::kWrite));
        return status_of(engine().index(made, {path}, {}, sink_, cancel_));
    };
    EXPECT_GT(fail_each(37, add, next), 20);
    EXPECT_TRUE(add().ok());
    expect_whole();
}

}  // namespace
}  // namespace s3attn

// SearchOptions::quote over the fake model, and the sums of sentence attention.
#include "engine_fixture.h"

namespace s3attn {
namespace {

TEST_F(EngineTest, AQuoteIsMadeOnRequestAndAlwaysForAnAnswer) {
    const std::string a = file("a.txt", kLighthouse);
    index({a, file("b.txt", kMill)});
    SearchOptions options;
    const std::string question = "Who built the lighthouse on Varn?";
    EXPECT_FALSE(engine().search(store(), question, options)->quote.found);
    options.quote = true;
    for (const char* method : {"s3", "bm25", "hybrid"}) {
        options.method = method;
        const auto found = engine().search(store(), question, options);
        ASSERT_TRUE(found.ok()) << found.error().message;
        const Quote& quote = found->quote;
        ASSERT_TRUE(quote.found) << method;
        EXPECT_EQ(quote.text, "The lighthouse on Varn was built by Ada Solberg in 1871.") << method;
        std::ifstream source(a);
        const std::string text((std::istreambuf_iterator<char>(source)), {});
        EXPECT_EQ(text.substr(quote.byte_begin, quote.byte_end - quote.byte_begin), quote.text);
    }
    bool seen = false;
    const auto answer = engine().ask(store(), question, {}, nullptr,
                                     [&](const SearchResult& found) { seen = found.quote.found; });
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_TRUE(seen);  // before the reader says a word
    EXPECT_TRUE(answer->search.quote.found);
}

}  // namespace
}  // namespace s3attn

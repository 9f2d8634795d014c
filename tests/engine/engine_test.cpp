// Index, search, ask, resume, cancel, mismatch: the engine over the fake model.
#include "s3attn/engine.h"

#include <thread>

#include "engine/fingerprint.h"
#include "engine_fixture.h"
#include "s3attn/reason.h"

namespace s3attn {
namespace {

bool same_spans(const SearchResult& a, const SearchResult& b) {
    if (a.spans.size() != b.spans.size()) return false;
    for (size_t i = 0; i < a.spans.size(); ++i) {
        if (a.spans[i].text != b.spans[i].text || a.spans[i].score != b.spans[i].score) {
            return false;
        }
    }
    return a.evidence_score == b.evidence_score;
}

TEST_F(EngineTest, IndexesSearchesAndAnswers) {
    const IndexReport report = index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    EXPECT_EQ(report.files.size(), 2u);
    EXPECT_GT(report.store_tokens, 20u);
    for (const char* method : {"s3", "bm25", "hybrid", "sum(s3:1,bm25:2)", "rrf(s3,bm25)"}) {
        SearchOptions options;
        options.method = method;
        const auto found = engine().search(store(), "Who built the lighthouse on Varn?", options);
        ASSERT_TRUE(found.ok()) << method << ": " << found.error().message;
        ASSERT_FALSE(found->spans.empty()) << method;
        EXPECT_NE(found->spans[0].text.find("Solberg"), std::string::npos) << method;
        EXPECT_EQ(found->method, method);
        EXPECT_EQ(found->spans[0].scores.size(), std::string(method).size() > 4 ? 2u : 1u);
    }
    EXPECT_EQ(readers_opened_, 0);  // nobody asked for an answer yet
    std::string streamed;
    const auto answer = engine().ask(
        store(), "Who built the lighthouse on Varn?", {},
        [&](std::string_view piece) {
            streamed += piece;
            return true;
        },
        nullptr);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_NE(answer->answer.find("Varn"), std::string::npos) << answer->answer;
    EXPECT_EQ(answer->answer, streamed);
    EXPECT_EQ(readers_opened_, 1);
    EXPECT_EQ(scanners_opened_, 1);
}

TEST_F(EngineTest, AnUnknownMethodIsNamed) {
    index({file("a.txt", kLighthouse)});
    SearchOptions options;
    options.method = "rrf(s3,loud)";
    const auto found = engine().search(store(), "Varn?", options);
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(found.error().message.find("loud"), std::string::npos);
}

TEST_F(EngineTest, UnchangedDocumentsAreNotScannedAgain) {
    const std::string a = file("a.txt", kLighthouse);
    index({a});
    EXPECT_EQ(index({a}).files[0].kind, FileOutcome::Kind::kUnchanged);
    file("a.txt", kMill);
    EXPECT_EQ(index({a}).files[0].kind, FileOutcome::Kind::kReplaced);
    const auto found = engine().search(store(), "lighthouse whale oil", {});
    ASSERT_TRUE(found.ok()) << found.error().message;
    for (const Span& span : found->spans) {
        EXPECT_EQ(span.text.find("whale"), std::string::npos);
    }
}

// A handle to a store that is not there yet leaves the disk alone until something is indexed.
TEST_F(EngineTest, AHandleMakesItsStoreWithTheFirstIndex) {
    Store made = writing();
    EXPECT_FALSE(std::filesystem::exists(path()));
    EXPECT_EQ(made.list().error().reason, reason::kNoStore);
    EXPECT_EQ(engine().search(made, "Varn?", {}).error().reason, reason::kNoStore);
    EXPECT_EQ(made.remove(DocumentId(1)).error().reason, reason::kNoStore);
    EXPECT_FALSE(std::filesystem::exists(path()));

    const std::string a = file("a.txt", kLighthouse), b = file("b.txt", kMill);
    ASSERT_TRUE(engine().index(made, {a}, {}, sink_, cancel_).ok());
    EXPECT_EQ(made.list()->size(), 1u);
    EXPECT_TRUE(engine().search(made, "Varn?", {}).ok());
    // From then on it holds the lock.
    EXPECT_EQ(Store::open(path(), Store::Access::kWrite).error().reason, reason::kStoreBusy);
    EXPECT_EQ(Store::open(path(), Store::Access::kCreate).error().reason, reason::kStoreBusy);
    // Removing and indexing through one handle see each other's work.
    ASSERT_TRUE(made.remove(DocumentId(1)).ok());
    ASSERT_TRUE(engine().index(made, {b}, {}, sink_, cancel_).ok());
    ASSERT_TRUE(engine().index(made, {a}, {}, sink_, cancel_).ok());
    EXPECT_EQ(made.list()->size(), 2u);
    EXPECT_TRUE(made.verify().ok());
}

TEST_F(EngineTest, AHandleForReadingIsNotIndexedInto) {
    index({file("a.txt", kLighthouse)});
    Store reading = store();
    const auto report = engine().index(reading, {file("b.txt", kMill)}, {}, sink_, cancel_);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(reading.list()->size(), 1u);
}

// Whoever waits for another call's index() stops waiting when it is cancelled.
TEST_F(EngineTest, WaitingForTheWriterEndsWithTheToken) {
    Store shared = writing();
    std::atomic<bool> scanning{false}, go_on{false};
    scanned_by_.on_capture = [&]() -> Status {
        scanning = true;
        while (!go_on) std::this_thread::yield();
        return {};
    };
    const std::string a = file("a.txt", kLighthouse), b = file("b.txt", kMill);
    std::thread first([&] { EXPECT_TRUE(engine().index(shared, {a}, {}, sink_, cancel_).ok()); });
    while (!scanning) std::this_thread::yield();
    CancelToken given_up;
    given_up.cancel();
    const auto second = engine().index(shared, {b}, {}, sink_, given_up);
    go_on = true;
    first.join();
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, ErrorCode::kCancelled);
}

// Each capture counts down; at 0 the token fires.
TEST_F(EngineTest, ACancelledIndexGoesOnWhereItStopped) {
    std::string text;
    for (int i = 0; i < 400; ++i) {
        text += "Paragraph " + std::to_string(i) + " tells of the harbour and its ships.\n\n";
    }
    const std::string a = file("long.txt", text);
    int left = 4;
    scanned_by_.on_capture = [&]() -> Status {
        if (--left == 0) cancel_.cancel();
        return {};
    };
    IndexOptions options;
    options.commit_tokens = 256;
    Store store = writing();
    auto report = engine().index(store, {a}, options, sink_, cancel_);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_TRUE(report->cancelled);
    CancelToken fresh;
    report = engine().index(store, {a}, options, sink_, fresh);
    ASSERT_TRUE(report.ok()) << report.error().message;
    EXPECT_EQ(report->files[0].kind, FileOutcome::Kind::kResumed);
    EXPECT_LT(report->tokens, report->store_tokens);
}

TEST_F(EngineTest, ASearchStopsWhereverItIs) {
    index({file("a.txt", kLighthouse)});
    CancelToken token;
    SearchOptions options;
    options.cancel = &token;
    ASSERT_TRUE(engine().search(store(), "Who built it?", options).ok());
    token.cancel();
    for (const char* method : {"s3", "bm25", "hybrid"}) {
        options.method = method;
        const auto found = engine().search(store(), "Who built it?", options);
        ASSERT_FALSE(found.ok()) << method;
        EXPECT_EQ(found.error().code, ErrorCode::kCancelled) << found.error().message;
    }
    AskOptions ask;
    ask.cancel = &token;
    const auto answer = engine().ask(store(), "Who built it?", ask, nullptr, nullptr);
    ASSERT_FALSE(answer.ok());
    EXPECT_EQ(answer.error().code, ErrorCode::kCancelled);
}

// The scanner is what decides, each time it is wanted: no call after the first goes on with keys of
// another model.
TEST_F(EngineTest, EveryCallReportsAModelThatIsNotTheAdapters) {
    index({file("a.txt", kLighthouse)});
    engine_.reset();
    scanned_by_.seed = 2;  // the file was replaced after its header was read
    for (int call = 0; call < 3; ++call) {
        const auto found = engine().search(store(), "Who built it?", {});
        ASSERT_FALSE(found.ok()) << call;
        EXPECT_EQ(found.error().code, ErrorCode::kMismatch) << found.error().message;
        Store same = writing();
        const auto report = engine().index(same, {file("b.txt", kMill)}, {}, sink_, cancel_);
        ASSERT_FALSE(report.ok()) << call;
        EXPECT_EQ(report.error().code, ErrorCode::kMismatch);
    }
    scanned_by_.seed = model_.seed;
    EXPECT_TRUE(engine().search(store(), "Who built it?", {}).ok());
}

TEST_F(EngineTest, AStoreOfAnotherModelIsNamed) {
    index({file("a.txt", kLighthouse)});
    engine_.reset();
    model_.seed = scanned_by_.seed = 3;
    adapter_ = std::make_shared<const Adapter>(fake_adapter(model_));
    const auto found = engine().search(store(), "Who built it?", {});
    ASSERT_FALSE(found.ok());
    EXPECT_EQ(found.error().code, ErrorCode::kMismatch);
    EXPECT_NE(found.error().message.find("model_hash"), std::string::npos);
    EXPECT_EQ(scanners_opened_, 1);  // the wrong store is seen before anything is loaded
}

TEST_F(EngineTest, AStoreOfAnotherQuantisationIsSearchedWithANote) {
    index({file("a.txt", kLighthouse)});
    EXPECT_TRUE(engine().search(store(), "Who built it?", {})->notes.empty());
    engine_.reset();
    model_.quantisation = scanned_by_.quantisation = "Q8_0";  // the adapter stays that of the other
    const auto found = engine().search(store(), "Who built it?", {});
    ASSERT_TRUE(found.ok()) << found.error().message;
    ASSERT_EQ(found->notes.size(), 1u);
    EXPECT_NE(found->notes[0].find("another quantisation"), std::string::npos);
    Store writable = writing();
    const auto added = engine().index(writable, {file("b.txt", kMill)}, {}, sink_, cancel_);
    ASSERT_FALSE(added.ok());
    EXPECT_EQ(added.error().code, ErrorCode::kMismatch);
    EXPECT_NE(added.error().message.find("another quantisation"), std::string::npos);
}

// Stores of programs that knew no identity name the file that made them, and so does the adapter.
TEST_F(EngineTest, AnOlderStoreOfTheAdaptersOwnFileIsKnownToo) {
    Fingerprint store_made, now;
    store_made.fields = {{"model_hash", "q4"}, {"key_side_hash", "k"}, {"tokenizer_hash", "t"}};
    now.fields = {{"model_hash", "q8"},
                  {"key_side_hash", "k"},
                  {"tokenizer_hash", "u"},
                  {kModelIdentityField, "same"}};
    Adapter adapter;
    adapter.model_hash = "q4";
    adapter.model_identity = "same";
    EXPECT_TRUE(is_other_quantisation(store_made, now, adapter));
    EXPECT_TRUE(check_searchable(store_made, now, adapter, "s").ok());
    adapter.model_hash = "another file";
    EXPECT_FALSE(is_other_quantisation(store_made, now, adapter));
    EXPECT_FALSE(check_searchable(store_made, now, adapter, "s").ok());
    adapter.model_hash = "q4";
    store_made.fields["key_side_hash"] = "other";
    EXPECT_FALSE(check_searchable(store_made, now, adapter, "s").ok());
}

// A search has no use for the reader, and does not load it to count; an answer counts as it does.
TEST_F(EngineTest, SearchCountsInTheScannersTokensAndAskInTheReaders) {
    index({file("a.txt", kLighthouse)});
    EngineParts own = parts();
    own.open_reader = [this](const CancelToken*) {
        ++readers_opened_;
        FakeOptions bytes;
        bytes.units = FakeOptions::Units::kBytes;
        return Result<std::unique_ptr<Reader>>(make_fake_reader(bytes));
    };
    engine_ = make_engine(std::move(own));
    const auto found = engine().search(store(), "Who built the lighthouse?", {});
    ASSERT_TRUE(found.ok()) << found.error().message;
    for (const Span& span : found->spans) EXPECT_LT(span.tokens, span.text.size());
    EXPECT_EQ(readers_opened_, 0);
    const auto answer = engine().ask(store(), "Who built the lighthouse?", {}, nullptr, nullptr);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    for (const Span& span : answer->search.spans) EXPECT_EQ(span.tokens, span.text.size());
}

TEST_F(EngineTest, OnlyTheDocumentsThatAreWanted) {
    const std::string a = file("a.txt", kLighthouse), b = file("b.txt", kMill);
    index({a, b});
    SearchOptions options;
    options.method = "s3";
    options.documents = [&](const DocumentInfo& each) { return each.path == b; };
    const auto filtered = engine().search(store(), "the winter of 1903", options);
    ASSERT_TRUE(filtered.ok()) << filtered.error().message;
    for (const Span& span : filtered->spans) EXPECT_EQ(span.path, b);
    // As a store that holds this document alone.
    Store alone = opened(directory_ / "alone.s3", Store::Access::kCreate);
    ASSERT_TRUE(engine().index(alone, {b}, {}, sink_, cancel_).ok());
    options.documents = nullptr;
    const auto other = engine().search(alone, "the winter of 1903", options);
    ASSERT_TRUE(other.ok()) << other.error().message;
    EXPECT_EQ(filtered->spans.size(), other->spans.size());
    EXPECT_TRUE(same_spans(*filtered, *other));
}

// More tokens than one block of weights holds.
TEST_F(EngineTest, ALongQuestionIsAskedInBlocks) {
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    std::string question = "Who built the lighthouse on Varn?";
    for (int i = 0; i < 300; ++i) question += " lighthouse Varn";
    SearchOptions options;
    options.method = "s3";
    options.attention = options.explain = true;
    const auto found = engine().search(store(), question, options);
    ASSERT_TRUE(found.ok()) << found.error().message;
    EXPECT_GT(found->question_tokens, 600u);
    EXPECT_NE(found->spans[0].text.find("Varn"), std::string::npos);
    double mass = 0;
    for (const UnitAttention& unit : found->attention.units) mass += unit.score_of("s3");
    EXPECT_NEAR(mass, 1.0, 1e-4);
    EXPECT_EQ(found->explanation.heads[0].tokens.size(), found->question_tokens);
    question += std::string(5000, 'x');
    for (int i = 0; i < 2000; ++i) question += " y";
    EXPECT_EQ(engine().search(store(), question, options).error().code,
              ErrorCode::kInvalidArgument);
}

// The rule of engine.h, for ThreadSanitizer: searches side by side, beside a writer and an answer.
TEST_F(EngineTest, SearchesRunSideBySide) {
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    const char* questions[] = {"Who built the lighthouse?", "What did the flood take?",
                               "When does the harbour freeze?", "whale oil"};
    std::vector<SearchResult> expected;
    for (const char* question : questions) {
        auto found = engine().search(store(), question, {});
        ASSERT_TRUE(found.ok()) << found.error().message;
        expected.push_back(std::move(*found));
    }
    Store other = opened(directory_ / "other.s3", Store::Access::kCreate);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 8; ++i) {
                const size_t q = static_cast<size_t>(t + i) % 4;
                SearchOptions options;
                options.max_features = i % 2 == 0 ? 0 : 128;  // all of them, either way
                const auto found = engine().search(store(), questions[q], options);
                if (!found.ok() || !same_spans(*found, expected[q])) ++wrong;
            }
        });
    }
    threads.emplace_back([&] {
        for (int i = 0; i < 3; ++i) {
            const auto report = engine().index(
                other, {file("more" + std::to_string(i) + ".txt", kMill)}, {}, sink_, cancel_);
            if (!report.ok()) ++wrong;
        }
    });
    threads.emplace_back([&] {
        if (!engine().ask(store(), questions[0], {}, nullptr, nullptr).ok()) ++wrong;
    });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

TEST_F(EngineTest, AQuestionThatPointsBackIsSearchedWithTheOneBefore) {
    index({file("a.txt", kLighthouse), file("b.txt", kMill)});
    AskOptions options;
    options.history = {{"user", "Who built the lighthouse on Varn?"}, {"assistant", "Ada Solberg"}};
    const auto answer = engine().ask(store(), "And when?", options, nullptr, nullptr);
    ASSERT_TRUE(answer.ok()) << answer.error().message;
    EXPECT_EQ(answer->retrieval_question, "Who built the lighthouse on Varn?\nAnd when?");
    EXPECT_EQ(answer->search.question, "And when?");
    EXPECT_NE(answer->search.spans[0].text.find("Varn"), std::string::npos);
}

}  // namespace
}  // namespace s3attn

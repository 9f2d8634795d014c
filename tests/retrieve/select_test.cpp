// Selection within a budget, and the evidence check.
#include "retrieve/select.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>
#include <set>

#include "memory_store.h"
#include "retrieve/evidence.h"
#include "retrieve/score.h"

namespace s3attn {
namespace {

Result<uint32_t> count_words(std::string_view text) {
    uint32_t n = 0;
    bool inside = false;
    for (const char c : text) {
        if (c != ' ' && !inside) ++n;
        inside = c != ' ';
    }
    return n;
}

SelectOptions select_options(uint32_t budget, uint32_t max_spans = 0) {
    return {budget, max_spans, count_words};
}

MemoryStore word_store(uint32_t seed, uint32_t units) {
    static const char* kWords[] = {"amber", "basalt", "cedar", "dolphin", "ember", "falcon"};
    std::mt19937 rng(seed);
    MemoryStore store;
    for (uint32_t u = 0; u < units; ++u) {
        std::string text;
        const uint32_t n = rng() % 8;
        for (uint32_t i = 0; i < n; ++i) {
            text += kWords[rng() % 6];
            if (i + 1 < n) text += ' ';
        }
        store.add_unit(DocumentId(1 + u % 3), text, n);
    }
    return store;
}

S3Scores random_scores(uint32_t seed, size_t units) {
    std::mt19937 rng(seed);
    S3Scores scores;
    for (size_t u = 0; u < units; ++u) scores.mass.push_back((rng() % 20) / 100.0);
    return scores;
}

RC_GTEST_PROP(SelectSpans, Invariants, ()) {
    const auto n = *rc::gen::inRange<uint32_t>(1, 60);
    const MemoryStore store = word_store(*rc::gen::arbitrary<uint32_t>(), n);
    const S3Scores scores = random_scores(*rc::gen::arbitrary<uint32_t>(), n);
    std::vector<RankedUnit> ranked;
    for (UnitNumber u = 0; u < n; ++u) ranked.push_back({u, scores.mass[u]});
    sort_best_first(ranked);
    const SelectOptions options =
        select_options(*rc::gen::inRange<uint32_t>(1, 40), *rc::gen::inRange<uint32_t>(0, 6));
    const auto selected = select_spans(store, ranked, options);
    if (!selected.ok()) {
        RC_ASSERT(selected.error().code == ErrorCode::kInvalidArgument);
        return;
    }
    const std::vector<Span>* spans = &selected->spans;
    RC_ASSERT(selected->units.size() == spans->size());
    uint32_t used = 0;
    std::set<std::string> texts;
    for (size_t i = 0; i < spans->size(); ++i) {
        const Span& span = (*spans)[i];
        used += span.tokens;
        RC_ASSERT(span.tokens == *count_words(span.text));
        RC_ASSERT(texts.insert(span.text).second);
        if (i > 0) RC_ASSERT((*spans)[i - 1].score >= span.score);
    }
    RC_ASSERT(used <= options.budget_tokens);
    if (options.max_spans > 0) RC_ASSERT(spans->size() <= options.max_spans);
    // Greedy, as the header says: what was passed over did not fit, or is a repeat, or comes after
    // eight that did not fit.
    if (options.max_spans > 0) return;
    uint32_t left = options.budget_tokens, misfits = 0;
    texts.clear();
    for (const RankedUnit& unit : ranked) {
        const std::string& text = store.rows.at(store.extents[unit.unit].unit_id).text;
        const uint32_t tokens = *count_words(text);
        if (left == 0 || (misfits == 8 && !texts.empty())) break;
        if (text.empty() || texts.contains(text)) continue;
        if (tokens / 2 > left && !texts.empty()) continue;
        if (tokens > left) {
            ++misfits;
            continue;
        }
        misfits = 0;
        texts.insert(text);
        left -= tokens;
    }
    RC_ASSERT(options.budget_tokens - left == used);
}

TEST(SelectSpans, FillsEveryField) {
    MemoryStore store;
    store.add_unit(DocumentId(4), "first words here", 3);
    store.add_unit(DocumentId(4), "second words", 2);
    store.rows[UnitId(2)].page = 9;
    store.document_map[DocumentId(4)].offsets = OffsetSpace::kExtracted;
    const auto selected = select_spans(store, {{1, 0.75}, {0, 0.2}}, select_options(100));
    ASSERT_TRUE(selected.ok());
    ASSERT_EQ(selected->spans.size(), 2u);
    EXPECT_EQ(selected->units, (std::vector<UnitNumber>{1, 0}));
    const Span& span = selected->spans[0];
    EXPECT_EQ(span.doc_id, DocumentId(4));
    EXPECT_EQ(span.path, "books/doc4.txt");
    EXPECT_EQ(span.offsets, OffsetSpace::kExtracted);
    EXPECT_EQ(span.byte_begin, 17u);
    EXPECT_EQ(span.byte_end, 29u);
    EXPECT_EQ(span.line_begin, 2u);
    EXPECT_EQ(span.line_end, 2u);
    EXPECT_EQ(span.page, 9u);
    EXPECT_EQ(span.text, "second words");
    EXPECT_EQ(span.score, 0.75);
    EXPECT_EQ(span.tokens, 2u);
    EXPECT_EQ(store.document_lookups, 1);
}

TEST(SelectSpans, TheSameTextWrappedOtherwiseIsTakenOnce) {
    MemoryStore store;
    store.add_unit(DocumentId(1), "amber basalt cedar", 3);
    store.add_unit(DocumentId(2), "amber\n  basalt cedar ", 3);
    const auto selected = select_spans(store, {{0, 1}, {1, 1}}, select_options(100));
    ASSERT_TRUE(selected.ok());
    EXPECT_EQ(selected->spans.size(), 1u);
}

TEST(SelectSpans, NothingFitsNamesTheSmallestCandidate) {
    MemoryStore store;
    store.add_unit(DocumentId(1), "a b c d e f g", 7);
    store.add_unit(DocumentId(1), "a b c d e", 5);
    const auto spans = select_spans(store, {{0, 1}, {1, 0}}, select_options(3));
    ASSERT_FALSE(spans.ok());
    EXPECT_EQ(spans.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(spans.error().message.find("needs 5"), std::string::npos) << spans.error().message;
    EXPECT_FALSE(select_spans(store, {{0, 1}}, select_options(0)).ok());
    EXPECT_TRUE(select_spans(store, {}, select_options(3))->spans.empty());
}

// A budget that holds nothing is found out from the best units, not by counting the whole store.
TEST(SelectSpans, SaysThatTheBestDidNotFit) {
    MemoryStore store;
    store.add_unit(DocumentId(1), "a b c d e f g", 7);
    store.add_unit(DocumentId(1), "a b c d e", 5);
    store.add_unit(DocumentId(1), "a b", 2);
    const std::vector<RankedUnit> ranked = {{0, 3}, {1, 2}, {2, 1}};
    const auto small = select_spans(store, ranked, select_options(3));
    ASSERT_TRUE(small.ok());
    EXPECT_EQ(small->passed_over, 2u);
    EXPECT_EQ(small->passed_over_tokens, 7u);
    const auto enough = select_spans(store, ranked, select_options(9));
    ASSERT_TRUE(enough.ok());
    EXPECT_EQ(enough->passed_over, 0u) << "what no longer fits behind the best is no news";
}

TEST(SelectSpans, GivesUpOnABudgetThatHoldsNone) {
    MemoryStore store;
    std::vector<RankedUnit> ranked;
    for (uint32_t u = 0; u < 1000; ++u) {
        store.add_unit(DocumentId(1), "two words " + std::to_string(u), 3);
        ranked.push_back({u, 1.0 / (u + 1)});
    }
    uint32_t counted = 0;
    SelectOptions options = select_options(1);
    options.count_tokens = [&](std::string_view text) {
        ++counted;
        return count_words(text);
    };
    const auto selected = select_spans(store, ranked, options);
    ASSERT_FALSE(selected.ok());
    EXPECT_NE(selected.error().message.find("needs 3"), std::string::npos);
    EXPECT_LE(counted, 64u);
    CancelToken cancel;
    cancel.cancel();
    options.cancel = &cancel;
    EXPECT_EQ(select_spans(store, ranked, options).error().code, ErrorCode::kCancelled);
}

TEST(Evidence, CosineOrWordsOrNothing) {
    MemoryStore store;
    store.add_unit(DocumentId(1), "The falcon nests on the basalt cliff above the harbour.", 10);
    store.add_unit(DocumentId(1), "Cedar and amber were traded every spring.", 8);
    std::optional<double> cosine = 0.4;
    auto evidence = assess_evidence(store, cosine, "Who repairs quantum computers?", 0.3);
    ASSERT_TRUE(evidence.ok());
    EXPECT_TRUE(evidence->found);  // the cosine is above the floor
    EXPECT_EQ(evidence->score, 0.4);
    EXPECT_DOUBLE_EQ(evidence->floor, 0.3 + kMissingWordsPenalty);  // none of the words is there
    EXPECT_EQ(evidence->lexical_coverage, 0.0);
    evidence = assess_evidence(store, cosine, "Who repairs quantum computers?", 0.5);
    EXPECT_FALSE(evidence->found);
    evidence = assess_evidence(store, cosine, "Where does the falcon nest?", 0.5);
    EXPECT_TRUE(evidence->found);  // the words are there
    EXPECT_EQ(evidence->lexical_coverage, 1.0);
    EXPECT_TRUE(assess_evidence(store, std::nullopt, "Where does the falcon nest?", 0.5)->found);
    EXPECT_FALSE(
        assess_evidence(store, std::nullopt, "Who repairs quantum computers?", 0.1)->found);
    EXPECT_TRUE(assess_evidence(store, std::nullopt, "What is it?", 0.5)->found);
    // From the voice's own pass the same as from one for it alone.
    for (const char* question : {"Where does the falcon nest?", "Who repairs quantum computers?",
                                 "Which river freezes, and where does the falcon nest?"}) {
        const auto said = WordVoice().score({question, store, Filter(), 0, nullptr});
        ASSERT_TRUE(said.ok()) << said.error().message;
        EXPECT_EQ(lexical_coverage(store, question, &*said).value(),
                  lexical_coverage(store, question).value())
            << question;
    }
}

TEST(Evidence, TheFloorRisesWithTheWordsThatAreMissing) {
    MemoryStore store;
    store.add_unit(DocumentId(1), "The falcon nests on the basalt cliff above the harbour.", 10);
    store.add_unit(DocumentId(1), "Cedar and amber were traded every spring.", 8);
    std::optional<double> cosine = 0.3 + 0.9 * kMissingWordsPenalty;
    const char* all_missing = "Who repairs quantum computers?";
    const char* some_missing = "Does the falcon repair quantum computers?";
    const auto none = assess_evidence(store, cosine, all_missing, 0.3);
    const auto some = assess_evidence(store, cosine, some_missing, 0.3);
    ASSERT_TRUE(none.ok() && some.ok());
    EXPECT_FALSE(none->found);
    EXPECT_TRUE(some->found);
    EXPECT_GT(some->lexical_coverage, 0.0);
    EXPECT_LT(some->lexical_coverage, kEnoughCoverage);
    EXPECT_LT(some->floor, none->floor);
    // A cosine below the floor is not saved by a few words.
    cosine = 0.29;
    EXPECT_FALSE(assess_evidence(store, cosine, some_missing, 0.3)->found);
    EXPECT_DOUBLE_EQ(assess_evidence(store, cosine, "Where does the falcon nest?", 0.3)->floor,
                     0.3);
}

TEST(Words, StemsStopWordsAndScripts) {
    EXPECT_EQ(content_word_set("The Falcon's nests, and nesting!"),
              (std::vector<std::string>{"falcon", "nest"}));
    EXPECT_EQ(content_word_set("東京 Größe 42"), (std::vector<std::string>{"42", "gross", "東京"}));
    EXPECT_TRUE(content_words("").empty());
    EXPECT_TRUE(content_words("what is the \xff\xfe").empty());
    EXPECT_EQ(content_word_set("b a b zebra zebra"), (std::vector<std::string>{"b", "zebra"}));
}

TEST(Words, AreComparedInOneForm) {
    const auto shares = [](const char* text, const char* word) {
        TextWords words(text);
        const auto asked = content_words(word);
        return asked.size() == 1 && words.has(asked[0]);
    };
    EXPECT_TRUE(shares("the scienti\uFB01c o\uFB03cer", "scientific"));
    EXPECT_TRUE(shares("the quad\u00ADrangle", "QUADRANGLE"));
    EXPECT_TRUE(shares("the quad\u200Brangle", "quadrangle"));
    EXPECT_TRUE(shares("keeps the quadr-\n   angle", "quadrangle"));
    EXPECT_TRUE(shares("Nguye\u0302\u0303n", "Nguy\u1EC5n"));
    EXPECT_TRUE(shares("\uFF34\uFF4F\uFF4B\uFF59\uFF4F", "tokyo"));
    EXPECT_FALSE(shares("the quad rangle", "quadrangle"));
    // A question is stemmed as the text is, in whatever language that is.
    EXPECT_TRUE(
        shares("Die H\u00E4user der alten Stadt wurden von den B\u00FCrgern gebaut, und "
               "viele stehen noch heute an den Ufern des Flusses.",
               "Haus"));
}

}  // namespace
}  // namespace s3attn

#include "adapter/silent_slot.h"

#include <gtest/gtest.h>

namespace s3attn {
namespace {

CodeBatch active_everywhere(uint32_t n_tokens) {
    CodeBatch codes;
    codes.n_tokens = n_tokens;
    codes.n_slots = 3;
    codes.k = 2;
    codes.feature.assign(size_t{n_tokens} * 6, 7);
    codes.activation.assign(size_t{n_tokens} * 6, 1);
    return codes;
}

void silence(CodeBatch& codes, uint32_t begin, uint32_t end, uint32_t slot) {
    for (uint32_t t = begin; t < end; ++t) {
        for (uint32_t i = 0; i < codes.k; ++i) {
            codes.activation[(t * codes.n_slots + slot) * codes.k + i] = 0;
        }
    }
}

TEST(SilentSlot, NoneWhereEveryKeyHasFeatures) {
    EXPECT_FALSE(silent_slot(active_everywhere(20), 8).has_value());
    EXPECT_FALSE(silent_slot(active_everywhere(0), 8).has_value());
}

TEST(SilentSlot, SingleTokensWithoutFeaturesAreNoFault) {
    CodeBatch codes = active_everywhere(20);
    silence(codes, 5, 8, 1);   // three at the end of a chunk
    silence(codes, 8, 15, 1);  // seven, but the last of their chunk has features
    EXPECT_FALSE(silent_slot(codes, 8).has_value());
}

TEST(SilentSlot, NamesTheSlotOfAChunkThatEndsInSilence) {
    CodeBatch codes = active_everywhere(20);
    silence(codes, 12, 16, 2);
    EXPECT_EQ(silent_slot(codes, 8), 2u);
    EXPECT_FALSE(silent_slot(codes, 20).has_value());  // there it is the middle of a chunk
}

TEST(SilentSlot, AShortChunkIsJudgedFromFourTokensOn) {
    CodeBatch codes = active_everywhere(19);
    silence(codes, 16, 19, 0);
    EXPECT_FALSE(silent_slot(codes, 8).has_value());
    codes = active_everywhere(20);
    silence(codes, 16, 20, 0);
    EXPECT_EQ(silent_slot(codes, 8), 0u);
}

}  // namespace
}  // namespace s3attn

// The fixture of the tests of a store: an empty directory and one document.
#pragma once

#include <gtest/gtest.h>

#include "store/store.h"
#include "store_test_util.h"

namespace s3attn::store_test {

using testing::HasSubstr;

class StoreTest : public testing::Test {
  protected:
    std::vector<std::string> paths() const {
        std::vector<std::string> paths;
        const auto documents = list_documents(store_);
        EXPECT_OK(documents);
        for (const auto& document : *documents) paths.push_back(document.path);
        return paths;
    }
    void expect_clean() const { EXPECT_OK(verify_store(store_)); }

    TemporaryDirectory directory_;
    std::string store_ = directory_ / "s";
    TestDocument a_{"a.txt", "1", 5, 10};
};

}  // namespace s3attn::store_test

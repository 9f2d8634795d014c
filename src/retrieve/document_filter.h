// A DocumentFilter made ready to be asked of many documents.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "retrieve/voice.h"
#include "s3attn/filter.h"
#include "s3attn/result.h"
#include "s3attn/types.h"

namespace s3attn {

class DocumentMatcher {
  public:
    // kInvalidArgument as check_filter() has it.
    static Result<DocumentMatcher> make(const DocumentFilter& filter);
    bool passes(const DocumentInfo& document) const;
    // Why none of `documents` passes: what was asked for, and what they have instead.
    Error nothing_left(const std::vector<DocumentInfo>& documents) const;

  private:
    struct Glob {
        std::string text;
        std::vector<std::string> names;  // between the slashes
        bool rooted = false;             // begins with "/"
        bool folder = false;             // stands for what lies below, too
    };
    struct Condition {
        std::string text, key, value;
    };
    static Result<Glob> read_glob(const std::string& text);
    static Result<Condition> read_condition(const std::string& text);
    static bool matches(const Glob& glob, const std::string& path);
    bool in_place(const DocumentInfo& document) const;
    bool in_time(const DocumentInfo& document) const;
    static bool holds(const Condition& condition, const DocumentInfo& document);

    std::vector<Glob> globs_;
    std::vector<std::string> formats_;
    std::string from_, to_;  // dates: first that passes, first that does not
    std::vector<Condition> conditions_;
};

// SearchOptions::filter and ::documents, of one store. kNotFound, reason::kFilterEmpty, where the
// first of them leaves nothing.
struct FilteredDocuments {
    Filter filter;
    uint64_t passed = 0, all = 0;  // documents
};
Result<FilteredDocuments> filter_store(const StoreReader& store, const SearchOptions& options,
                                       std::vector<std::string>& notes);

}  // namespace s3attn

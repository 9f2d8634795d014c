// StoreReader and Segment in memory, for tests and benchmarks of what reads a store.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "retrieve/words.h"
#include "store/store.h"

namespace s3attn {

// One token's postings in one slot: (feature, activation), features distinct.
using TokenCode = std::vector<std::pair<uint32_t, uint8_t>>;

class MemorySegment : public Segment {
  public:
    // tokens[slot][token]
    MemorySegment(uint64_t base, uint32_t latents, uint32_t k,
                  std::vector<std::vector<TokenCode>> tokens)
        : base_(base), latents_(latents), k_(k), n_slots_(static_cast<uint32_t>(tokens.size())) {
        n_tokens_ = tokens.empty() ? 0 : tokens[0].size();
        blocks_.resize(n_slots_);
        for (uint32_t slot = 0; slot < n_slots_; ++slot) {
            for (uint32_t b = 0; b < n_blocks(); ++b)
                blocks_[slot].push_back(build(tokens[slot], b));
        }
    }

    uint64_t base() const override { return base_; }
    uint64_t n_tokens() const override { return n_tokens_; }
    uint32_t n_slots() const override { return n_slots_; }
    uint32_t latents() const override { return latents_; }
    uint32_t k() const override { return k_; }
    uint64_t n_postings() const override { return n_postings_; }
    uint64_t bytes() const override { return n_postings_ * 3; }
    uint32_t n_blocks() const override {
        return static_cast<uint32_t>((n_tokens_ + kBlockTokens - 1) / kBlockTokens);
    }
    uint32_t block_postings(uint32_t slot, uint32_t block) const override {
        return static_cast<uint32_t>(blocks_[slot][block].position.size());
    }
    Result<BlockView> read_block(uint32_t slot, uint32_t block, BlockScratch&) const override {
        if (fail_block >= 0 && block == static_cast<uint32_t>(fail_block)) {
            return make_error(ErrorCode::kCorrupt, "block " + std::to_string(block));
        }
        const BlockScratch& data = blocks_[slot][block];
        BlockView view;
        view.n_tokens = static_cast<uint32_t>(
            std::min<uint64_t>(kBlockTokens, n_tokens_ - uint64_t{block} * kBlockTokens));
        view.feature_begin = data.feature_begin;
        view.position = data.position;
        view.activation = data.activation;
        return view;
    }

    Result<BlockView> read_features(uint32_t slot, uint32_t block,
                                    std::span<const uint32_t> features,
                                    BlockScratch& scratch) const override {
        S3ATTN_TRY(BlockView view, read_block(slot, block, scratch));
        scratch.feature_begin = {0};
        scratch.position.clear();
        scratch.activation.clear();
        for (const uint32_t f : features) {
            for (uint32_t i = view.feature_begin[f]; i < view.feature_begin[f + 1]; ++i) {
                scratch.position.push_back(view.position[i]);
                scratch.activation.push_back(view.activation[i]);
            }
            scratch.feature_begin.push_back(static_cast<uint32_t>(scratch.position.size()));
        }
        const size_t n = scratch.position.size();
        scratch.position.resize(n + kReadSlack, 0xffff);
        scratch.activation.resize(n + kReadSlack, 0xff);
        view.feature_begin = scratch.feature_begin;
        view.position = std::span(scratch.position).first(n);
        view.activation = std::span(scratch.activation).first(n);
        return view;
    }

    int fail_block = -1;  // read_block and read_features of it fail

  private:
    BlockScratch build(const std::vector<TokenCode>& tokens, uint32_t block) {
        const size_t begin = size_t{block} * kBlockTokens;
        const size_t end = std::min(tokens.size(), begin + kBlockTokens);
        std::vector<std::vector<std::pair<uint16_t, uint8_t>>> lists(latents_);
        for (size_t t = begin; t < end; ++t) {
            for (const auto& [feature, activation] : tokens[t]) {
                if (activation == 0) continue;
                lists[feature].emplace_back(static_cast<uint16_t>(t - begin), activation);
            }
        }
        BlockScratch data;
        data.feature_begin.push_back(0);
        for (const auto& list : lists) {
            for (const auto& [position, activation] : list) {
                data.position.push_back(position);
                data.activation.push_back(activation);
                ++n_postings_;
            }
            data.feature_begin.push_back(static_cast<uint32_t>(data.position.size()));
        }
        return data;
    }

    uint64_t base_, n_tokens_ = 0, n_postings_ = 0;
    uint32_t latents_, k_, n_slots_;
    std::vector<std::vector<BlockScratch>> blocks_;
};

inline UnitExtent extent(int64_t unit, uint64_t position, uint32_t n_tokens) {
    return {UnitId(unit), TokenPosition(position), n_tokens};
}

class MemoryStore : public StoreReader {
  public:
    StoreShape shape_value;
    std::vector<std::shared_ptr<const Segment>> segment_list;
    std::vector<UnitExtent> extents;
    std::map<UnitId, UnitRow> rows;
    std::map<DocumentId, DocumentInfo> document_map;
    mutable int document_lookups = 0;

    // Appends a live unit with the next free position and id.
    UnitId add_unit(DocumentId doc_id, const std::string& text, uint32_t n_tokens) {
        UnitRow row;
        row.unit_id = UnitId(static_cast<int64_t>(rows.size()) + 1);
        row.doc_id = doc_id;
        row.n_tokens = n_tokens;
        row.position_begin = extents.empty()
                                 ? TokenPosition()
                                 : extents.back().position_begin + extents.back().n_tokens;
        row.byte_begin = next_byte_[doc_id];
        row.byte_end = row.byte_begin + text.size();
        row.line_begin = row.line_end = static_cast<uint32_t>(rows.size()) + 1;
        row.text = text;
        next_byte_[doc_id] = row.byte_end + 1;
        extents.push_back({row.unit_id, row.position_begin, n_tokens});
        rows[row.unit_id] = row;
        if (!document_map.contains(doc_id)) {
            DocumentInfo info;
            info.doc_id = doc_id;
            info.path = "books/doc" + to_string(doc_id) + ".txt";
            document_map[doc_id] = info;
        }
        return row.unit_id;
    }

    const StoreShape& shape() const override { return shape_value; }
    const Fingerprint& fingerprint() const override { return fingerprint_; }
    Result<std::vector<DocumentInfo>> documents() const override {
        std::vector<DocumentInfo> all;
        for (const auto& [id, info] : document_map) all.push_back(info);
        return all;
    }
    Result<DocumentInfo> document(DocumentId doc_id) const override {
        ++document_lookups;
        const auto found = document_map.find(doc_id);
        if (found == document_map.end()) return make_error(ErrorCode::kNotFound, "no document");
        return found->second;
    }
    Result<UnitRow> unit(UnitId unit_id) const override {
        const auto found = rows.find(unit_id);
        if (found == rows.end()) return make_error(ErrorCode::kNotFound, "no unit");
        return found->second;
    }
    const std::vector<UnitExtent>& live_units() const override { return extents; }
    const std::vector<std::shared_ptr<const Segment>>& segments() const override {
        return segment_list;
    }
    uint64_t live_tokens() const override {
        uint64_t sum = 0;
        for (const UnitExtent& extent : extents) sum += extent.n_tokens;
        return sum;
    }
    uint64_t bytes_on_disk() const override { return 0; }
    std::optional<EmbedderInfo> embedder_value;
    UnitVectors vector_values;
    Result<std::optional<EmbedderInfo>> embedder() const override { return embedder_value; }
    Result<UnitVectors> vectors() const override { return vector_values; }

    // Not BM25, but like it: positive, larger with more distinct shared words, matched units only.
    Result<std::vector<Match>> bm25(std::string_view question, uint32_t limit,
                                    const Places* only) const override {
        const std::vector<ContentWord> words = content_words(question);
        std::vector<Match> matches;
        for (uint32_t place = 0; place < extents.size(); ++place) {
            const UnitExtent& extent = extents[place];
            if (only != nullptr && !std::binary_search(only->begin(), only->end(), place)) continue;
            TextWords own(rows.at(extent.unit_id).text);
            double score = 0;
            for (const ContentWord& word : words) score += own.has(word) ? 1.0 : 0.0;
            if (score > 0) matches.push_back({extent.unit_id, score});
        }
        std::stable_sort(matches.begin(), matches.end(),
                         [](const Match& a, const Match& b) { return a.bm25 > b.bm25; });
        if (matches.size() > limit) matches.resize(limit);
        return matches;
    }
    Result<std::vector<WordFrequency>> word_frequencies(std::string_view question,
                                                        const Places* only) const override {
        std::vector<WordFrequency> frequencies;
        for (const ContentWord& word : content_words(question)) {
            WordFrequency frequency{word.form, 0};
            for (uint32_t place = 0; place < extents.size(); ++place) {
                if (only != nullptr && !std::binary_search(only->begin(), only->end(), place)) {
                    continue;
                }
                frequency.units += TextWords(rows.at(extents[place].unit_id).text).has(word);
            }
            frequencies.push_back(frequency);
        }
        return frequencies;
    }
    void rest() override {}
    Result<bool> renew() override { return true; }
    Result<std::vector<UnitPlace>> places() const override {
        std::vector<UnitPlace> all;
        for (const UnitExtent& extent : extents) {
            const UnitRow& row = rows.at(extent.unit_id);
            all.push_back({row.unit_id, row.doc_id, row.byte_begin, row.byte_end});
        }
        return all;
    }

  private:
    Fingerprint fingerprint_;
    std::map<DocumentId, uint64_t> next_byte_;
};

}  // namespace s3attn

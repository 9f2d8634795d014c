#include "engine/question_codes.h"

#include <algorithm>

#include "adapter/encoder.h"
#include "model/finite_rows.h"

namespace s3attn {

Result<Tokens> question_tokens(const Tokenizer& tokenizer, const std::string& question) {
    S3ATTN_TRY(Tokens tokens, tokenizer.tokenize(question));
    if (tokens.ids.size() <= kMaxQuestionTokens) return tokens;
    return make_error(ErrorCode::kInvalidArgument,
                      "the question has " + std::to_string(tokens.ids.size()) +
                          " tokens and at most " + std::to_string(kMaxQuestionTokens) +
                          " can be read: shorten it");
}

Result<QuestionCodes> QuestionCodes::make(Scanner& scanner, const Adapter& adapter,
                                          const Tokens& tokens, Scoring scoring,
                                          const CancelToken* cancel,
                                          std::span<const int32_t> before) {
    QuestionCodes codes;
    codes.adapter_ = &adapter;
    codes.scoring_ = scoring;
    codes.n_ = static_cast<uint32_t>(tokens.ids.size());
    const uint32_t d = adapter.d_head;
    codes.rows_.assign(adapter.heads.size(), std::vector<float>(size_t{codes.n_} * d));
    const std::vector<uint32_t> layers = adapter.query_layers();
    std::vector<int32_t> read(before.begin(), before.end());
    read.insert(read.end(), tokens.ids.begin(), tokens.ids.end());
    const uint32_t window = before.empty() ? scanner.chunk_tokens() : codes.n_;
    const auto skip = static_cast<uint32_t>(before.size());
    for (uint32_t begin = 0; begin < codes.n_; begin += window) {
        const uint32_t count = std::min(window, codes.n_ - begin);
        const auto gather = [&](const ProjectionView& queries) -> Status {
            for (size_t j = 0; j < adapter.heads.size(); ++j) {
                if (adapter.heads[j].layer != queries.layer) continue;
                S3ATTN_CHECK(check_finite(queries, adapter.heads[j].query_head));
                for (uint32_t t = 0; t < count; ++t) {
                    const float* row = queries.data + (skip + t) * queries.token_stride +
                                       adapter.heads[j].query_head * queries.head_stride;
                    std::copy(row, row + d, codes.rows_[j].begin() + size_t{begin + t} * d);
                }
            }
            return {};
        };
        S3ATTN_CHECK(scanner.capture({read.data() + begin, skip + count}, layers,
                                     Projection::kQuery, gather, cancel));
    }
    if (codes.n_blocks() > 1) {
        for (uint32_t j = 0; j < adapter.heads.size(); ++j) {
            codes.share_.push_back(
                query_token_shares(adapter, j, {codes.rows_[j].data(), codes.n_, d, d}));
        }
    }
    return codes;
}

QueryCodes QuestionCodes::block(uint32_t b) const {
    const uint32_t begin = b * kQuestionBlock, d = adapter_->d_head;
    const uint32_t n = std::min(kQuestionBlock, n_ - begin);
    QueryCodes codes;
    codes.n_tokens = n;
    codes.latents = adapter_->latents;
    codes.heads.resize(adapter_->heads.size());
    for (uint32_t j = 0; j < adapter_->heads.size(); ++j) {
        const RowsView view{rows_[j].data() + size_t{begin} * d, n, d, d};
        if (scoring_ != Scoring::kAttention) {
            encode_queries_eq7(*adapter_, j, view, codes);
        } else {
            encode_queries(*adapter_, j, view, codes);
        }
        if (share_.empty()) continue;
        const auto share = share_[j].begin() + begin;
        codes.heads[j].token_share.assign(share, share + n);
    }
    return codes;
}

}  // namespace s3attn

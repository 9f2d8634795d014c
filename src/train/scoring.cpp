#include "train/scoring.h"

#include <algorithm>
#include <cmath>

namespace s3attn {
namespace {

constexpr uint32_t kQuestionsPerBatch = 48;  // enough columns to reuse each key block

// One head's best dot products for the questions of a batch, turned into shares of attention.
class BatchScorer {
  public:
    BatchScorer(const RetrievalSet& set, std::span<const QueryHeadParams> params, uint32_t begin,
                uint32_t end, ThreadPool& pool)
        : set_(set),
          params_(params),
          begin_(begin),
          end_(end),
          pool_(pool),
          mixture_(mixture_of(params)) {
        const size_t cells = static_cast<size_t>(end - begin) * set.units.size();
        mass.assign(cells, 0.0f);
        cosine.assign(cells, 0.0f);
        first_row_ = set.questions[begin].begin;
        n_rows_ = set.questions[end - 1].end - first_row_;
    }

    void add_head(uint32_t j) {
        const uint32_t d = set_.d;
        const float* raw = set_.heads[j].queries.data() + static_cast<size_t>(first_row_) * d;
        std::vector<float> mapped(static_cast<size_t>(n_rows_) * d);
        map_queries(params_[j], d, raw, n_rows_, mapped.data());
        columns_.pack(mapped.data(), n_rows_, d);
        best_.resize(set_.units.size() * columns_.padded());
        pool_.run(static_cast<uint32_t>(set_.units.size()), [&](uint32_t p) {
            const TokenSpan span = set_.units[p];
            std::vector<float> keys(static_cast<size_t>(span.size()) * d);
            std::vector<uint32_t> row(columns_.padded());
            set_.keys[set_.heads[j].slot].read(span.begin, span.size(), keys.data());
            kernels().maxima(keys.data(), span.size(), columns_,
                             best_.data() + static_cast<size_t>(p) * columns_.padded(), row.data());
        });
        pool_.run(end_ - begin_, [&](uint32_t q) { add_question(j, q, raw); });
    }

    std::vector<float> mass, cosine;  // [questions][units]

  private:
    void add_question(uint32_t j, uint32_t q, const float* raw) {
        const TokenSpan span = set_.questions[begin_ + q];
        const uint32_t n = span.size(), first = span.begin - first_row_;
        const size_t n_units = set_.units.size(), stride = columns_.padded();
        std::vector<float> share(n), top(n, -1e30f), sum(n, 0.0f);
        token_shares(params_[j], set_.d, raw + static_cast<size_t>(first) * set_.d, n,
                     share.data());
        const float temperature = std::exp(params_[j].log_temperature);
        for (size_t p = 0; p < n_units; ++p) {
            const float* s = best_.data() + p * stride + first;
            for (uint32_t i = 0; i < n; ++i) top[i] = std::max(top[i], s[i]);
        }
        std::vector<float> weight(n_units * n);
        for (size_t p = 0; p < n_units; ++p) {
            const float* s = best_.data() + p * stride + first;
            float* w = weight.data() + p * n;
            float mean = 0;
            for (uint32_t i = 0; i < n; ++i) {
                w[i] = std::exp(temperature * (s[i] - top[i]));
                sum[i] += w[i];
                mean += share[i] * s[i];
            }
            cosine[q * n_units + p] += mixture_[j] * mean;
        }
        for (uint32_t i = 0; i < n; ++i) share[i] *= mixture_[j] / sum[i];
        for (size_t p = 0; p < n_units; ++p) {
            mass[q * n_units + p] += kernels().dot(share.data(), weight.data() + p * n, n);
        }
    }

    const RetrievalSet& set_;
    std::span<const QueryHeadParams> params_;
    uint32_t begin_, end_, first_row_ = 0, n_rows_ = 0;
    ThreadPool& pool_;
    std::vector<float> mixture_;
    PackedColumns columns_;
    std::vector<float> best_;  // [units][padded columns]
};

}  // namespace

QueryHeadParams identity_params(uint32_t d) {
    QueryHeadParams params;
    params.map.assign(static_cast<size_t>(d) * d, 0.0f);
    for (uint32_t i = 0; i < d; ++i) params.map[static_cast<size_t>(i) * d + i] = 1.0f;
    params.bias.assign(d, 0.0f);
    params.token_weight.assign(d, 0.0f);
    return params;
}

void map_queries(const QueryHeadParams& params, uint32_t d, const float* x, size_t n, float* out) {
    for (size_t t = 0; t < n; ++t) {
        for (uint32_t i = 0; i < d; ++i) {
            out[t * d + i] =
                params.bias[i] +
                kernels().dot(params.map.data() + static_cast<size_t>(i) * d, x + t * d, d);
        }
        normalise(out + t * d, d);
    }
}

std::vector<float> mixture_of(std::span<const QueryHeadParams> params) {
    float top = -1e30f;
    for (const QueryHeadParams& p : params) top = std::max(top, p.mixture_logit);
    std::vector<float> mixture;
    float sum = 0;
    for (const QueryHeadParams& p : params) {
        mixture.push_back(std::exp(p.mixture_logit - top));
        sum += mixture.back();
    }
    for (float& share : mixture) share /= sum;
    return mixture;
}

void token_shares(const QueryHeadParams& params, uint32_t d, const float* x, size_t n, float* out) {
    float top = -1e30f, sum = 0;
    for (size_t i = 0; i < n; ++i) {
        out[i] = kernels().dot(params.token_weight.data(), x + i * d, d);
        top = std::max(top, out[i]);
    }
    for (size_t i = 0; i < n; ++i) {
        out[i] = std::exp(out[i] - top);
        sum += out[i];
    }
    for (size_t i = 0; i < n; ++i) out[i] /= sum;
}

void score_questions(const RetrievalSet& set, std::span<const QueryHeadParams> params,
                     uint32_t begin, uint32_t end, ThreadPool& pool,
                     const OnQuestion& on_question) {
    const size_t n_units = set.units.size();
    for (uint32_t at = begin; at < end; at += kQuestionsPerBatch) {
        const uint32_t stop = std::min(end, at + kQuestionsPerBatch);
        BatchScorer scorer(set, params, at, stop, pool);
        for (uint32_t j = 0; j < set.heads.size(); ++j) scorer.add_head(j);
        for (uint32_t q = at; q < stop; ++q) {
            const size_t first = (q - at) * n_units;
            on_question(q, {scorer.mass.data() + first, n_units},
                        {scorer.cosine.data() + first, n_units});
        }
    }
}

void add_recall(std::span<const float> mass, std::span<const uint32_t> gold, Recall& sums) {
    if (gold.empty()) return;
    ++sums.questions;
    const double share = 1.0 / static_cast<double>(gold.size());
    for (uint32_t g : gold) {
        const auto rank = std::count_if(mass.begin(), mass.end(),
                                        [&](float score) { return !(score < mass[g]); });
        sums.at_5 += rank <= 5 ? share : 0;
        sums.at_10 += rank <= 10 ? share : 0;
        sums.at_20 += rank <= 20 ? share : 0;
    }
}

Recall finished(Recall sums) {
    const double n = std::max(1u, sums.questions);
    return {sums.at_5 / n, sums.at_10 / n, sums.at_20 / n, sums.questions};
}

Recall recall_of(const RetrievalSet& set, std::span<const QueryHeadParams> params, uint32_t begin,
                 uint32_t end, ThreadPool& pool) {
    Recall sums;
    score_questions(set, params, begin, end, pool,
                    [&](uint32_t q, std::span<const float> mass, std::span<const float>) {
                        add_recall(mass, set.gold[q], sums);
                    });
    return finished(sums);
}

}  // namespace s3attn

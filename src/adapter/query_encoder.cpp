#include <Eigen/Core>
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

#include "adapter/encoder.h"
#include "adapter/key_codes.h"

namespace s3attn {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// Rows of unit(q - mean_q); a row without a direction is all zero, so it asks for nothing.
Matrix centred_unit_rows(const QueryHead& head, const RowsView& rows) {
    Matrix x = Matrix::Zero(rows.n_rows, rows.d);
    std::vector<double> row(rows.d);
    for (uint32_t t = 0; t < rows.n_rows; ++t) {
        if (!centre_and_normalise(rows.data + t * rows.stride, head.mean_query.data(), nullptr,
                                  rows.d, row.data())) {
            continue;
        }
        for (uint32_t i = 0; i < rows.d; ++i) x(t, i) = static_cast<float>(row[i]);
    }
    return x;
}

// q^ = unit(M x + b) of every row.
Matrix map_queries(const QueryHead& head, const Matrix& x) {
    const Eigen::Index d = x.cols();
    Matrix mapped = x;
    if (!head.map.empty()) {
        const Eigen::Map<const Matrix> map(head.map.data(), d, d);
        mapped.noalias() = x * map.transpose();
    }
    for (Eigen::Index t = 0; t < mapped.rows(); ++t) {
        if (x.row(t).isZero(0)) {
            mapped.row(t).setZero();
            continue;
        }
        if (!head.bias.empty()) {
            mapped.row(t) += Eigen::Map<const Eigen::RowVectorXf>(head.bias.data(), d);
        }
        const double norm = mapped.row(t).cast<double>().norm();
        if (norm > 0 && std::isfinite(norm)) {
            mapped.row(t) = (mapped.row(t).cast<double>() / norm).cast<float>();
        } else {
            mapped.row(t).setZero();
        }
    }
    return mapped;
}

std::vector<float> equal_shares(uint32_t n) {
    return std::vector<float>(n, n == 0 ? 0.0f : 1.0f / static_cast<float>(n));
}

// Softmax over tokens of u . x.
std::vector<float> token_shares(const QueryHead& head, const Matrix& x) {
    const auto n = static_cast<uint32_t>(x.rows());
    if (head.token_weight.empty() || n == 0) return equal_shares(n);
    const Eigen::Map<const Eigen::VectorXf> u(head.token_weight.data(), x.cols());
    Eigen::VectorXd logits = (x.cast<double>() * u.cast<double>());
    logits = (logits.array() - logits.maxCoeff()).exp();
    logits /= logits.sum();
    std::vector<float> shares(n);
    for (uint32_t t = 0; t < n; ++t) shares[t] = static_cast<float>(logits[t]);
    return shares;
}

QueryCodes::Head& prepare(const Adapter& adapter, uint32_t head_index, const RowsView& rows,
                          QueryCodes& codes) {
    assert(head_index < adapter.heads.size() && rows.d == adapter.d_head);
    codes.n_tokens = rows.n_rows;
    codes.latents = adapter.latents;
    if (codes.heads.size() < adapter.heads.size()) codes.heads.resize(adapter.heads.size());
    QueryCodes::Head& out = codes.heads[head_index];
    out.slot = adapter.heads[head_index].slot;
    out.temperature = adapter.heads[head_index].temperature;
    out.mixture = adapter.heads[head_index].mixture;
    out.weight.assign(size_t{adapter.latents} * rows.n_rows, 0.0f);
    return out;
}

}  // namespace

std::vector<float> query_token_shares(const Adapter& adapter, uint32_t head, const RowsView& rows) {
    return token_shares(adapter.heads[head], centred_unit_rows(adapter.heads[head], rows));
}

void encode_queries(const Adapter& adapter, uint32_t head_index, const RowsView& rows,
                    QueryCodes& codes) {
    const QueryHead& head = adapter.heads[head_index];
    QueryCodes::Head& out = prepare(adapter, head_index, rows, codes);
    const SparseAutoencoder& sae = adapter.slots[head.slot].sae;
    const Matrix x = centred_unit_rows(head, rows);
    out.token_share = token_shares(head, x);
    if (rows.n_rows == 0) return;
    const Matrix q = map_queries(head, x) * adapter.activation_scale;
    const Eigen::Map<const Matrix> decoder(sae.w_dec.data(), sae.latents, sae.d_in);
    Eigen::Map<Matrix> weight(out.weight.data(), sae.latents, rows.n_rows);
    weight.noalias() = decoder * q.transpose();
}

void encode_queries_eq7(const Adapter& adapter, uint32_t head_index, const RowsView& rows,
                        QueryCodes& codes) {
    const QueryHead& head = adapter.heads[head_index];
    QueryCodes::Head& out = prepare(adapter, head_index, rows, codes);
    const SparseAutoencoder& sae = adapter.slots[head.slot].sae;
    out.token_share = equal_shares(rows.n_rows);
    Matrix x = centred_unit_rows(head, rows);
    const Eigen::Map<const Eigen::RowVectorXf> b_dec(sae.b_dec.data(), sae.d_in);
    const Eigen::Map<const Eigen::RowVectorXf> b_enc(sae.b_enc.data(), sae.latents);
    const Eigen::Map<const Matrix> encoder(sae.w_enc.data(), sae.d_in, sae.latents);
    std::vector<uint32_t> order(sae.latents);
    for (uint32_t t = 0; t < rows.n_rows; ++t) {
        if (x.row(t).isZero(0)) continue;
        const Eigen::RowVectorXf pre = (x.row(t) - b_dec) * encoder + b_enc;
        std::iota(order.begin(), order.end(), 0u);
        std::partial_sort(
            order.begin(), order.begin() + sae.k, order.end(),
            [&](uint32_t a, uint32_t b) { return pre[a] != pre[b] ? pre[a] > pre[b] : a < b; });
        for (uint32_t j = 0; j < sae.k; ++j) {
            const float activation = pre[order[j]];
            if (activation > 0) out.weight[size_t{order[j]} * rows.n_rows + t] = activation;
        }
    }
}

}  // namespace s3attn

// Probe: NumPy arrays over what the library captured; nothing is copied.
#include <utility>

#include "bindings.h"
#include "s3attn/research.h"

namespace s3attn::python {
namespace {

using Heads = std::vector<std::pair<uint32_t, uint32_t>>;
template <class Number, int Dimensions>
using Input = nb::ndarray<const Number, nb::ndim<Dimensions>, nb::c_contig, nb::device::cpu>;

class ProbeHandle {
  public:
    explicit ProbeHandle(const EngineOptions& options) {
        refuse_after_fork("a Probe");
        threads_exist();
        probe_ = run_call(nullptr, [&](Call&) { return Probe::open(options); });
    }
    ~ProbeHandle() {
        if (is_forked_child()) static_cast<void>(probe_.release());
    }
    Probe& probe() const { return *probe_; }

  private:
    std::unique_ptr<Probe> probe_;
};

SparseCodes encode(const ProbeHandle& handle, uint32_t slot, const Input<float, 2>& rows) {
    if (rows.shape(1) != handle.probe().info().d_head) {
        throw Failure{make_error(
            ErrorCode::kInvalidArgument,
            "rows of keys have " + std::to_string(handle.probe().info().d_head) + " columns")};
    }
    const std::vector<float> data(rows.data(), rows.data() + rows.size());
    return run_call(nullptr, [&](Call&) { return handle.probe().encode(slot, data); });
}

using Rows = nb::ndarray<nb::numpy, const float, nb::ndim<2>>;
Rows decode(const ProbeHandle& handle, uint32_t slot, const Input<uint16_t, 2>& features,
            const Input<uint8_t, 2>& activations) {
    SparseCodes codes;
    codes.rows = static_cast<uint32_t>(features.shape(0));
    codes.slots = 1;
    codes.k = static_cast<uint32_t>(features.shape(1));
    codes.feature.assign(features.data(), features.data() + features.size());
    codes.activation.assign(activations.data(), activations.data() + activations.size());
    auto rows = std::make_unique<std::vector<float>>(
        run_call(nullptr, [&](Call&) { return handle.probe().decode(slot, codes); }));
    const size_t d = handle.probe().info().d_head;
    nb::capsule owner(rows.get(),
                      [](void* data) noexcept { delete static_cast<std::vector<float>*>(data); });
    const float* data = rows.release()->data();
    return Rows(data, {codes.rows, d}, owner);
}

void bind_records(nb::module_& m) {
    nb::class_<ProbeSlot>(m, "ProbeSlot", "A KV head with a sparse autoencoder.")
        .def_ro("layer", &ProbeSlot::layer)
        .def_ro("kv_head", &ProbeSlot::kv_head);
    nb::class_<ProbeHead>(m, "ProbeHead", "A query head that reads a slot's codes.")
        .def_ro("layer", &ProbeHead::layer)
        .def_ro("query_head", &ProbeHead::query_head)
        .def_ro("slot", &ProbeHead::slot, "Into ProbeInfo.slots.")
        .def_ro("temperature", &ProbeHead::temperature, "Of its softmax over passages.")
        .def_ro("mixture", &ProbeHead::mixture, "Its share of the score; all sum to 1.");
    nb::class_<ProbeInfo>(m, "ProbeInfo", "Model and adapter.")
        .def_ro("model", &ProbeInfo::model)
        .def_ro("model_hash", &ProbeInfo::model_hash, "XXH3-128 of the file, hexadecimal.")
        .def_ro("architecture", &ProbeInfo::architecture)
        .def_ro("adapter", &ProbeInfo::adapter)
        .def_ro("n_layer", &ProbeInfo::n_layer)
        .def_ro("n_head", &ProbeInfo::n_head, "Query heads of a layer.")
        .def_ro("n_head_kv", &ProbeInfo::n_head_kv)
        .def_ro("d_head", &ProbeInfo::d_head)
        .def_ro("chunk_tokens", &ProbeInfo::chunk_tokens, "Tokens of one window of the scan.")
        .def_ro("latents", &ProbeInfo::latents, "Features of each slot.")
        .def_ro("k", &ProbeInfo::k, "Most active features of a key.")
        .def_ro("activation_scale", &ProbeInfo::activation_scale,
                "Activation = stored byte times this.")
        .def_ro("slots", &ProbeInfo::slots)
        .def_ro("heads", &ProbeInfo::heads);
}

// Of a type with a TokenizedText `text`.
template <class Record, class Class>
void bind_tokens(Class& bound) {
    bound
        .def_prop_ro(
            "tokens",
            [](nb::handle_t<Record> self) {
                return view(nb::cast<const Record&>(self).text.ids, self,
                            nb::cast<const Record&>(self).text.ids.size());
            },
            "int32 [tokens]: ids.")
        .def_prop_ro(
            "offsets",
            [](nb::handle_t<Record> self) {
                return view(nb::cast<const Record&>(self).text.begin, self,
                            nb::cast<const Record&>(self).text.begin.size());
            },
            "uint64 [tokens + 1]: token t is bytes offsets[t] to offsets[t + 1] of the "
            "UTF-8 text.");
}

void bind_codes(nb::module_& m) {
    nb::class_<SparseCodes>(m, "SparseCodes", "Sparse codes of keys, of one slot.")
        .def_prop_ro(
            "features",
            [](nb::handle_t<SparseCodes> self) {
                const auto& c = nb::cast<const SparseCodes&>(self);
                return view(c.feature, self, c.rows, c.k);
            },
            "uint16 [rows, k]: ascending.")
        .def_prop_ro(
            "activations",
            [](nb::handle_t<SparseCodes> self) {
                const auto& c = nb::cast<const SparseCodes&>(self);
                return view(c.activation, self, c.rows, c.k);
            },
            "uint8 [rows, k]: times ProbeInfo.activation_scale; 0 is padding.");
    nb::class_<TextCodes> codes(m, "Codes", "What the index would hold of a text.");
    bind_tokens<TextCodes>(codes);
    codes
        .def_prop_ro(
            "features",
            [](nb::handle_t<TextCodes> self) {
                const auto& c = nb::cast<const TextCodes&>(self).codes;
                return view(c.feature, self, c.rows, c.slots, c.k);
            },
            "uint16 [tokens, slots, k]: features of each token's key, ascending.")
        .def_prop_ro(
            "activations",
            [](nb::handle_t<TextCodes> self) {
                const auto& c = nb::cast<const TextCodes&>(self).codes;
                return view(c.activation, self, c.rows, c.slots, c.k);
            },
            "uint8 [tokens, slots, k]: times ProbeInfo.activation_scale; 0 is padding.")
        .def("__len__", [](const TextCodes& c) { return c.codes.rows; });
    nb::class_<CapturedRows> rows(m, "Captured", "Keys or queries of a text, before RoPE.");
    bind_tokens<CapturedRows>(rows);
    rows.def_ro("heads", &CapturedRows::heads, "(layer, head) of each row of `rows`.")
        .def_prop_ro(
            "rows",
            [](nb::handle_t<CapturedRows> self) {
                const auto& c = nb::cast<const CapturedRows&>(self);
                return view(c.rows, self, c.heads.size(), c.text.ids.size(), c.d_head);
            },
            "float32 [heads, tokens, d_head].");
}

void bind_scores(nb::module_& m) {
    nb::class_<QuestionWeights> weights(m, "QueryWeights", "What a question asks of the index.");
    bind_tokens<QuestionWeights>(weights);
    weights
        .def_prop_ro(
            "weights",
            [](nb::handle_t<QuestionWeights> self) {
                const auto& w = nb::cast<const QuestionWeights&>(self);
                return view(w.weight, self, w.heads, w.latents, w.text.ids.size());
            },
            "float32 [heads, latents, tokens], per unit of stored activation.")
        .def_prop_ro(
            "shares",
            [](nb::handle_t<QuestionWeights> self) {
                const auto& w = nb::cast<const QuestionWeights&>(self);
                return view(w.share, self, w.heads, w.text.ids.size());
            },
            "float32 [heads, tokens]: how much each question token counts; sums to 1.");
    nb::class_<LaneScores> lanes(
        m, "LaneScores", "A store under one question. A lane is one question token of one head.");
    bind_tokens<LaneScores>(lanes);
    lanes
        .def_prop_ro(
            "units",
            [](const LaneScores& l) {
                std::vector<int64_t> ids;
                for (const UnitId id : l.units) ids.push_back(id.value);
                return ids;
            },
            "Ids of the passages, in order of document and place.")
        .def_prop_ro(
            "documents",
            [](const LaneScores& l) {
                std::vector<int64_t> ids;
                for (const DocumentId id : l.documents) ids.push_back(id.value);
                return ids;
            },
            "Document of each passage.")
        .def_prop_ro(
            "begin",
            [](nb::handle_t<LaneScores> self) {
                const auto& l = nb::cast<const LaneScores&>(self);
                return view(l.begin, self, l.begin.size());
            },
            "uint64 [units]: first byte of each passage in its document.")
        .def_prop_ro(
            "end",
            [](nb::handle_t<LaneScores> self) {
                const auto& l = nb::cast<const LaneScores&>(self);
                return view(l.end, self, l.end.size());
            },
            "uint64 [units].")
        .def_prop_ro(
            "scores",
            [](nb::handle_t<LaneScores> self) {
                const auto& l = nb::cast<const LaneScores&>(self);
                return view(l.score, self, l.units.size(), l.heads, l.text.ids.size());
            },
            "float32 [units, heads, tokens]: cosine of the passage's best token.")
        .def_prop_ro(
            "log_totals",
            [](nb::handle_t<LaneScores> self) {
                const auto& l = nb::cast<const LaneScores&>(self);
                return view(l.log_total, self, l.heads, l.text.ids.size());
            },
            "float64 [heads, tokens]: logarithm of what each lane's softmax divides by.")
        .def_prop_ro(
            "mass",
            [](nb::handle_t<LaneScores> self) {
                const auto& l = nb::cast<const LaneScores&>(self);
                return view(l.mass, self, l.mass.size());
            },
            "float64 [units]: share of all attention; the voice \"s3\".");
}

}  // namespace

void bind_research(nb::module_& m) {
    bind_records(m);
    bind_codes(m);
    bind_scores(m);
    nb::class_<ProbeHandle>(m, "ProbeHandle")
        .def(nb::init<const EngineOptions&>(), nb::arg("options"))
        .def_prop_ro("info", [](const ProbeHandle& h) { return h.probe().info(); })
        .def(
            "codes",
            [](const ProbeHandle& h, const std::string& text) {
                return run_call(nullptr,
                                [&](Call& call) { return h.probe().codes(text, &call.cancel()); });
            },
            nb::arg("text"))
        .def(
            "keys",
            [](const ProbeHandle& h, const std::string& text, const Heads& heads) {
                return run_call(nullptr, [&](Call& call) {
                    return h.probe().keys(text, heads, &call.cancel());
                });
            },
            nb::arg("text"), nb::arg("heads"))
        .def(
            "queries",
            [](const ProbeHandle& h, const std::string& text, const Heads& heads) {
                return run_call(nullptr, [&](Call& call) {
                    return h.probe().queries(text, heads, &call.cancel());
                });
            },
            nb::arg("text"), nb::arg("heads"))
        .def("encode", &encode, nb::arg("slot"), nb::arg("rows"))
        .def("decode", &decode, nb::arg("slot"), nb::arg("features"), nb::arg("activations"))
        .def(
            "query_weights",
            [](const ProbeHandle& h, const std::string& question) {
                return run_call(nullptr, [&](Call& call) {
                    return h.probe().query_weights(question, &call.cancel());
                });
            },
            nb::arg("question"))
        .def(
            "lane_scores",
            [](const ProbeHandle& h, const StoreHandle& store, const std::string& question) {
                return run_call(nullptr, [&](Call& call) -> Result<LaneScores> {
                    S3ATTN_TRY(const auto opened, store.reading());
                    return h.probe().lane_scores(*opened, question, &call.cancel());
                });
            },
            nb::arg("store"), nb::arg("question"));
}

}  // namespace s3attn::python

// The trainer: options and report of train_adapter().
#include "bindings.h"
#include "s3attn/trainer.h"

namespace s3attn::python {
namespace {

void bind_options(nb::module_& m) {
    nb::enum_<HeadChoice>(m, "HeadChoice")
        .value("RECALL", HeadChoice::kRecall)
        .value("PER_LAYER", HeadChoice::kPerLayer);
    nb::enum_<Negatives>(m, "Negatives")
        .value("RANDOM", Negatives::kRandom)
        .value("BM25", Negatives::kBm25)
        .value("DOCUMENT", Negatives::kDocument)
        .value("ADJACENT", Negatives::kAdjacent);
    nb::class_<ContextHeadOptions>(m, "ContextHeadOptions")
        .def(nb::init<>())
        .def_rw("heads", &ContextHeadOptions::heads)
        .def_rw("questions", &ContextHeadOptions::questions)
        .def_rw("units", &ContextHeadOptions::units)
        .def_rw("max_layer", &ContextHeadOptions::max_layer)
        .def_rw("keep_sentence", &ContextHeadOptions::keep_sentence);
    nb::class_<TrainOptions>(m, "TrainOptions")
        .def(nb::init<>())
        .def_rw("model", &TrainOptions::model)
        .def_rw("corpus", &TrainOptions::corpus)
        .def_rw("out", &TrainOptions::out)
        .def_prop_rw(
            "heads",
            [](const TrainOptions& options) {
                std::vector<std::pair<uint32_t, uint32_t>> heads;
                for (const HeadId& head : options.heads) {
                    heads.emplace_back(head.layer, head.query_head);
                }
                return heads;
            },
            [](TrainOptions& options, const std::vector<std::pair<uint32_t, uint32_t>>& heads) {
                options.heads.clear();
                for (const auto& [layer, head] : heads) options.heads.push_back({layer, head});
            })
        .def_rw("n_heads", &TrainOptions::n_heads)
        .def_rw("max_layer", &TrainOptions::max_layer)
        .def_rw("choice", &TrainOptions::choice)
        .def_rw("latents", &TrainOptions::latents)
        .def_rw("k", &TrainOptions::k)
        .def_rw("sae_steps", &TrainOptions::sae_steps)
        .def_rw("sae_patience", &TrainOptions::sae_patience)
        .def_rw("sae_dir", &TrainOptions::sae_dir)
        .def_rw("sae_tokens", &TrainOptions::sae_tokens)
        .def_rw("cloze_pairs", &TrainOptions::cloze_pairs)
        .def_rw("query_steps", &TrainOptions::query_steps)
        .def_rw("negatives", &TrainOptions::negatives)
        .def_rw("model_questions", &TrainOptions::model_questions)
        .def_rw("question_model", &TrainOptions::question_model)
        .def_rw("context", &TrainOptions::context)
        .def_rw("seed", &TrainOptions::seed)
        .def_rw("threads", &TrainOptions::threads)
        .def_rw("device", &TrainOptions::device)
        .def_rw("chunk_tokens", &TrainOptions::chunk_tokens)
        .def_rw("cache_dir", &TrainOptions::cache_dir)
        .def_rw("work", &TrainOptions::work)
        .def_rw("keep_work", &TrainOptions::keep_work);
}

void bind_reports(nb::module_& m) {
    nb::class_<HeadId>(m, "HeadId", "A query head of the model.")
        .def_ro("layer", &HeadId::layer)
        .def_ro("query_head", &HeadId::query_head)
        .def("__repr__", [](const HeadId& head) {
            return "HeadId(layer=" + std::to_string(head.layer) +
                   ", query_head=" + std::to_string(head.query_head) + ")";
        });
    nb::class_<HeadReport>(m, "HeadReport", "What one head finds by itself (inverse cloze).")
        .def_ro("head", &HeadReport::head)
        .def_ro("recall_at_5", &HeadReport::recall_at_5)
        .def_ro("recall_at_10", &HeadReport::recall_at_10)
        .def_ro("recall_at_20", &HeadReport::recall_at_20)
        .def_ro("questions", &HeadReport::questions);
    nb::class_<SaeReport>(m, "SaeReport", "One trained autoencoder.")
        .def_ro("layer", &SaeReport::layer)
        .def_ro("kv_head", &SaeReport::kv_head)
        .def_ro("fvu", &SaeReport::fvu, "Fraction of variance unexplained, held-out keys.")
        .def_ro("dead_share", &SaeReport::dead_share, "Latents that no held-out key activates.")
        .def_ro("densest", &SaeReport::densest)
        .def_ro("bytes_per_token", &SaeReport::bytes_per_token, "Of the index, estimated.")
        .def_ro("steps", &SaeReport::steps)
        .def_ro("stopped_early", &SaeReport::stopped_early)
        .def_ro("held_out", &SaeReport::held_out, "(step, FVU) while training.");
    nb::class_<TrainReport>(m, "TrainReport", "What train() chose, and how good it is.")
        .def_ro("ranking", &TrainReport::ranking, "Every head tried, best first.")
        .def_ro("paragraphs", &TrainReport::paragraphs, "That each head ranked.")
        .def_ro("chosen", &TrainReport::chosen)
        .def_ro("saes", &TrainReport::saes)
        .def_ro("recall_at_10", &TrainReport::recall_at_10,
                "Chosen heads together, with codes, held-out inverse cloze.")
        .def_ro("evidence_floor", &TrainReport::evidence_floor)
        .def_ro("seconds", &TrainReport::seconds)
        .def_ro("peak_rss_bytes", &TrainReport::peak_rss_bytes)
        .def_ro("heat_map", &TrainReport::heat_map, "SVG: recall of every head.");
}

}  // namespace

void bind_train(nb::module_& m) {
    bind_options(m);
    bind_reports(m);
    m.def(
        "train_adapter",
        [](const TrainOptions& options, nb::object sink, CancelToken* token) {
            refuse_after_fork("train()");
            threads_exist();
            return run_call(token, [&](Call& call) {
                PythonSink progress(call, sink);
                return train_adapter(options, progress, call.cancel());
            });
        },
        nb::arg("options"), nb::arg("progress").none(), nb::arg("cancel").none());
}

}  // namespace s3attn::python

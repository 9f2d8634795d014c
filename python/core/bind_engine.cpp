// Engine: index, search, ask.
#include "bindings.h"
#include "s3attn/engine.h"

namespace s3attn::python {
namespace {

// The library's Engine, which a forked child must neither use nor destroy: its threads are not
// there to be joined.
class EngineHandle {
  public:
    explicit EngineHandle(const EngineOptions& options) {
        refuse_after_fork("an Engine");
        threads_exist();
        engine_ = run_call(nullptr, [&](Call&) { return Engine::open(options); });
    }
    ~EngineHandle() {
        if (is_forked_child()) {
            static_cast<void>(engine_.release());
            return;
        }
        const nb::gil_scoped_release no_gil;
        engine_.reset();
    }
    Engine& engine() const { return *engine_; }

  private:
    std::unique_ptr<Engine> engine_;
};

Error interrupted() {
    return make_error(ErrorCode::kCancelled,
                      "interrupted: what was committed is kept; the same call goes on");
}

IndexReport index(const EngineHandle& handle, const StoreHandle& store,
                  const std::vector<std::string>& inputs, const IndexOptions& options,
                  nb::object sink, CancelToken* token) {
    return run_call(token, [&](Call& call) -> Result<IndexReport> {
        PythonSink progress(call, sink);
        S3ATTN_TRY(Store opened, Store::open(store.directory(), Store::Access::kCreate));
        S3ATTN_TRY(IndexReport report,
                   handle.engine().index(opened, inputs, options, progress, call.cancel()));
        if (report.cancelled) return interrupted();
        return report;
    });
}

// The caller's predicate over documents, which may raise.
std::function<bool(const DocumentInfo&)> filter(Call& call, nb::handle where) {
    if (where.is_none()) return {};
    return [&call, where](const DocumentInfo& document) {
        bool wanted = false;
        call.with_python([&] { wanted = nb::cast<bool>(nb::bool_(where(document))); });
        return wanted;
    };
}

SearchResult search(const EngineHandle& handle, const StoreHandle& store,
                    const std::string& question, SearchOptions options, nb::object where,
                    CancelToken* token) {
    return run_call(token, [&](Call& call) -> Result<SearchResult> {
        S3ATTN_TRY(const auto opened, store.reading());
        options.documents = filter(call, where);
        options.cancel = &call.cancel();
        return handle.engine().search(*opened, question, options);
    });
}

AskResult ask(const EngineHandle& handle, const StoreHandle& store, const std::string& question,
              AskOptions options, nb::object stream, nb::object on_evidence, nb::object where,
              CancelToken* token) {
    return run_call(token, [&](Call& call) -> Result<AskResult> {
        S3ATTN_TRY(const auto opened, store.reading());
        options.search.documents = filter(call, where);
        options.search.cancel = options.cancel = &call.cancel();
        const auto on_piece = [&](std::string_view piece) {
            if (stream.is_none()) return !call.cancel().cancelled();
            bool more = true;
            call.with_python([&] {
                const nb::object said = stream(nb::str(piece.data(), piece.size()));
                more = !said.is(nb::bool_(false));
            });
            return more && !call.cancel().cancelled();
        };
        const auto hand_over = [&](const SearchResult& found) {
            if (!on_evidence.is_none()) call.with_python([&] { on_evidence(found); });
        };
        return handle.engine().ask(*opened, question, options, on_piece, hand_over);
    });
}

void bind_options(nb::module_& m) {
    nb::class_<RerankOptions> rerank(m, "RerankOptions");
    nb::enum_<RerankOptions::Mode>(rerank, "Mode")
        .value("AUTO", RerankOptions::Mode::kAuto)
        .value("OFF", RerankOptions::Mode::kOff)
        .value("ON", RerankOptions::Mode::kOn);
    rerank.def(nb::init<>())
        .def_rw("mode", &RerankOptions::mode)
        .def_rw("units", &RerankOptions::units)
        .def_rw("seconds", &RerankOptions::seconds);
    nb::enum_<Device>(m, "Device")
        .value("AUTO", Device::kAuto)
        .value("CPU", Device::kCpu)
        .value("CUDA", Device::kCuda);
    nb::class_<RemoteOptions>(m, "RemoteOptions")
        .def(nb::init<>())
        .def_rw("key", &RemoteOptions::key)
        .def_rw("connect_seconds", &RemoteOptions::connect_seconds)
        .def_rw("idle_seconds", &RemoteOptions::idle_seconds)
        .def_rw("retries", &RemoteOptions::retries)
        .def_rw("window_tokens", &RemoteOptions::window_tokens)
        .def_rw("offline", &RemoteOptions::offline);
    nb::class_<EngineOptions>(m, "EngineOptions")
        .def(nb::init<>())
        .def_rw("model", &EngineOptions::model)
        .def_rw("adapter", &EngineOptions::adapter)
        .def_rw("adapter_dirs", &EngineOptions::adapter_dirs)
        .def_rw("reader", &EngineOptions::reader)
        .def_rw("remote", &EngineOptions::remote)
        .def_rw("cache_dir", &EngineOptions::cache_dir)
        .def_rw("threads", &EngineOptions::threads)
        .def_rw("chunk_tokens", &EngineOptions::chunk_tokens)
        .def_rw("device", &EngineOptions::device)
        .def_rw("reader_context", &EngineOptions::reader_context)
        .def_rw("rerank", &EngineOptions::rerank)
        .def_rw("rerank_model", &EngineOptions::rerank_model);
    nb::class_<IndexOptions>(m, "IndexOptions")
        .def(nb::init<>())
        .def_rw("recursive", &IndexOptions::recursive)
        .def_rw("commit_tokens", &IndexOptions::commit_tokens)
        .def_rw("memory_mib", &IndexOptions::memory_mib)
        .def_rw("shard", &IndexOptions::shard)
        .def_rw("shards", &IndexOptions::shards)
        .def_rw("prune", &IndexOptions::prune);
    nb::enum_<Scoring>(m, "Scoring")
        .value("ATTENTION", Scoring::kAttention)
        .value("EQ7", Scoring::kEq7)
        .value("EQ7_NO_IDF", Scoring::kEq7NoIdf);
    nb::class_<SearchOptions>(m, "SearchOptions")
        .def(nb::init<>())
        .def_rw("method", &SearchOptions::method)
        .def_rw("scoring", &SearchOptions::scoring)
        .def_rw("budget_tokens", &SearchOptions::budget_tokens)
        .def_rw("max_spans", &SearchOptions::max_spans)
        .def_rw("max_features", &SearchOptions::max_features)
        .def_rw("quote", &SearchOptions::quote)
        .def_rw("rounds", &SearchOptions::rounds)
        .def_rw("round_weight", &SearchOptions::round_weight);
    nb::class_<AskOptions>(m, "AskOptions")
        .def(nb::init<>())
        .def_rw("search", &AskOptions::search)
        .def_prop_rw(
            "history",
            [](const AskOptions& options) {
                std::vector<std::pair<std::string, std::string>> turns;
                for (const ChatTurn& turn : options.history) {
                    turns.emplace_back(turn.role, turn.text);
                }
                return turns;
            },
            [](AskOptions& options, const std::vector<std::pair<std::string, std::string>>& turns) {
                options.history.clear();
                for (const auto& [role, text] : turns) options.history.push_back({role, text});
            })
        .def_rw("history_tokens", &AskOptions::history_tokens)
        .def_rw("max_answer_tokens", &AskOptions::max_answer_tokens)
        .def_rw("withhold_below", &AskOptions::withhold_below)
        .def_rw("temperature", &AskOptions::temperature)
        .def_rw("seed", &AskOptions::seed);
}

}  // namespace

void bind_engine(nb::module_& m) {
    bind_options(m);
    nb::class_<EngineHandle>(m, "EngineHandle")
        .def(nb::init<const EngineOptions&>(), nb::arg("options"))
        .def("index", &index, nb::arg("store"), nb::arg("inputs"), nb::arg("options"),
             nb::arg("progress").none(), nb::arg("cancel").none())
        .def("search", &search, nb::arg("store"), nb::arg("question"), nb::arg("options"),
             nb::arg("where").none(), nb::arg("cancel").none())
        .def("ask", &ask, nb::arg("store"), nb::arg("question"), nb::arg("options"),
             nb::arg("stream").none(), nb::arg("on_evidence").none(), nb::arg("where").none(),
             nb::arg("cancel").none());
}

}  // namespace s3attn::python

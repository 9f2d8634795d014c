// Store: what can be done without a model.
#include "bindings.h"

namespace s3attn::python {
namespace {

nb::bytes read_text(const StoreHandle& handle, int64_t id) {
    const std::string text = run_short([&]() -> Result<std::string> {
        S3ATTN_TRY(const auto store, handle.reading());
        std::string all;
        S3ATTN_CHECK(store->read_text(DocumentId(id), [&](std::string_view piece) {
            all += piece;
            return true;
        }));
        return all;
    });
    return nb::bytes(text.data(), text.size());
}

}  // namespace

Result<std::shared_ptr<const Store>> StoreHandle::reading() const {
    const std::lock_guard lock(mutex_);
    if (!open_) {
        S3ATTN_TRY(Store store, Store::open(directory_));
        open_ = std::make_shared<const Store>(std::move(store));
    }
    return open_;
}

void bind_store(nb::module_& m) {
    nb::class_<CancelToken>(m, "CancelToken",
                            "Ends the calls that it was given to, from another thread.")
        .def(nb::init<>())
        .def("cancel", &CancelToken::cancel, "Ends them soon, with CancelledError.")
        .def("reset", &CancelToken::reset, "For the next call.")
        .def_prop_ro("cancelled", &CancelToken::cancelled);

    nb::class_<StoreHandle>(m, "StoreHandle")
        .def(nb::init<std::string>(), nb::arg("directory"))
        .def_prop_ro("directory", &StoreHandle::directory)
        .def("documents",
             [](const StoreHandle& handle) {
                 return run_short([&]() -> Result<std::vector<DocumentInfo>> {
                     S3ATTN_TRY(const auto store, handle.reading());
                     return store->list();
                 });
             })
        .def(
            "document",
            [](const StoreHandle& handle, int64_t id) {
                return run_short([&]() -> Result<DocumentInfo> {
                    S3ATTN_TRY(const auto store, handle.reading());
                    return store->document(DocumentId(id));
                });
            },
            nb::arg("id"))
        .def(
            "find",
            [](const StoreHandle& handle, const std::string& path) {
                return run_short([&]() -> Result<std::optional<DocumentInfo>> {
                    S3ATTN_TRY(const auto store, handle.reading());
                    return store->find(path);
                });
            },
            nb::arg("path"))
        .def("text", &read_text, nb::arg("id"))
        .def(
            "read",
            [](const StoreHandle& handle, int64_t id, uint64_t begin, uint64_t end, uint64_t most) {
                return run_short([&]() -> Result<DocumentRange> {
                    S3ATTN_TRY(const auto store, handle.reading());
                    return store->read_range(DocumentId(id), begin, end, most);
                });
            },
            nb::arg("id"), nb::arg("begin"), nb::arg("end"), nb::arg("max_bytes"))
        .def("verify",
             [](const StoreHandle& handle) {
                 return run_call(nullptr, [&](Call&) -> Result<VerifyReport> {
                     S3ATTN_TRY(const auto store, handle.reading());
                     return store->verify();
                 });
             })
        .def(
            "export_to",
            [](const StoreHandle& handle, const std::string& file) {
                return run_call(nullptr, [&](Call&) -> Result<ExportReport> {
                    S3ATTN_TRY(const auto store, handle.reading());
                    return store->export_to(file);
                });
            },
            nb::arg("file"))
        .def(
            "remove",
            [](const StoreHandle& handle, const std::vector<int64_t>& ids) {
                return run_call(nullptr, [&](Call&) -> Result<std::vector<DocumentInfo>> {
                    S3ATTN_TRY(Store store, Store::open(handle.directory(), Store::Access::kWrite));
                    std::vector<DocumentId> documents;
                    for (const int64_t id : ids) documents.emplace_back(id);
                    return store.remove(documents);
                });
            },
            nb::arg("ids"));

    m.def(
        "import_store",
        [](const std::string& file, const std::string& directory) {
            return run_call(nullptr, [&](Call&) { return Store::import_from(file, directory); });
        },
        nb::arg("file"), nb::arg("directory"));
    m.def(
        "merge_stores",
        [](const std::string& directory, const std::vector<std::string>& stores, nb::object sink,
           CancelToken* token) {
            return run_call(token, [&](Call& call) -> Result<MergeReport> {
                PythonSink progress(call, sink);
                S3ATTN_TRY(MergeReport report,
                           Store::merge(directory, stores, progress, call.cancel()));
                if (!report.cancelled) return report;
                return make_error(ErrorCode::kCancelled,
                                  "interrupted: what was committed is kept; the same call goes on");
            });
        },
        nb::arg("directory"), nb::arg("stores"), nb::arg("progress").none(),
        nb::arg("cancel").none());
}

}  // namespace s3attn::python

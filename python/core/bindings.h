// The parts of the module; each binds what one public header declares.
#pragma once

#include <nanobind/make_iterator.h>
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calls.h"
#include "s3attn/store.h"
#include "s3attn/types.h"

namespace s3attn::python {

void bind_results(nb::module_& module);   // types.h, store.h: what calls return
void bind_store(nb::module_& module);     // store.h
void bind_engine(nb::module_& module);    // engine.h
void bind_research(nb::module_& module);  // research.h
void bind_train(nb::module_& module);     // trainer.h

// A path, and the handle for reading that the last call opened.
class StoreHandle {
  public:
    explicit StoreHandle(std::string directory) : directory_(std::move(directory)) {}
    const std::string& directory() const { return directory_; }
    Result<std::shared_ptr<const Store>> reading() const;

  private:
    const std::string directory_;
    mutable std::mutex mutex_;
    mutable std::shared_ptr<const Store> open_;
};

// An array over `data`, which `owner` keeps alive: nothing is copied.
template <class Number, class... Sizes>
auto view(const std::vector<Number>& data, nb::handle owner, Sizes... sizes) {
    return nb::ndarray<nb::numpy, const Number, nb::ndim<sizeof...(Sizes)>>(
        data.data(), {static_cast<size_t>(sizes)...}, owner);
}

}  // namespace s3attn::python

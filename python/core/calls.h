// How a call of the library looks from Python: without the GIL, ended by Ctrl-C, errors as
// exceptions, callbacks with the GIL.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "s3attn/progress.h"
#include "s3attn/result.h"

namespace s3attn::python {

namespace nb = nanobind;

// Becomes the exception of s3attn/errors.py that mirrors the code.
struct Failure {
    Error error;
};
void register_failure(nb::module_& module);

// One call under way. Callbacks of the library go through it: what they raise ends the call and
// is raised again by run().
class Call {
  public:
    // `token`: the caller's own s3attn.CancelToken, or null.
    explicit Call(CancelToken* token) : users_(token) {}
    const CancelToken& cancel() const { return cancel_; }

    // Runs `work` without the GIL. On Python's main thread `work` gets a thread of its own, so that
    // Python's signal handlers run meanwhile; what they raise (KeyboardInterrupt) fires cancel().
    // Throws what a handler or a callback raised.
    void run(const std::function<void()>& work);

    // From inside `work`: `call` with the GIL. False once anything was raised: the call shall end.
    bool with_python(const std::function<void()>& call);

  private:
    // Until `done`: signals, the caller's token.
    void attend(const std::function<bool()>& done);
    void give_up(nb::python_error& error);

    CancelToken cancel_;
    CancelToken* const users_;
    std::optional<nb::python_error> raised_;  // only touched with the GIL
    bool failed_ = false;
};

// value of `work(call)`, which returns a Result; throws Failure.
template <class Work>
auto run_call(CancelToken* token, Work&& work) {
    Call call(token);
    using Outcome = decltype(work(call));
    std::optional<Outcome> outcome;
    call.run([&] { outcome.emplace(work(call)); });
    if (!outcome->ok()) throw Failure{outcome->error()};
    if constexpr (!std::is_same_v<Outcome, Result<void>>) return std::move(**outcome);
}
// For short calls: no thread, no signals.
template <class Work>
auto run_short(Work&& work) {
    using Outcome = decltype(work());
    std::optional<Outcome> outcome;
    {
        nb::gil_scoped_release no_gil;
        outcome.emplace(work());
    }
    if (!outcome->ok()) throw Failure{outcome->error()};
    if constexpr (!std::is_same_v<Outcome, Result<void>>) return std::move(**outcome);
}

// Hands reports to a Python object with update(stage, item, done, total, unit, tokens_per_s) and
// note(message); None: to nobody.
class PythonSink final : public ProgressSink {
  public:
    PythonSink(Call& call, nb::handle object) : call_(call), object_(object) {}
    void update(const Progress& progress) override;
    void note(const std::string& message) override;

  private:
    Call& call_;
    nb::handle object_;
    std::string stage_;
    double last_ = 0;  // seconds of a steady clock
};

// fork(): nothing that has threads outlives it.
void watch_forks();
// Throws where this process is a fork of one that had opened a model.
void refuse_after_fork(const char* what);
// From now on a fork of this process cannot compute.
void threads_exist();
bool is_forked_child();

}  // namespace s3attn::python

#include "calls.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <system_error>
#include <thread>

namespace s3attn::python {
namespace {

constexpr auto kLookUp = std::chrono::milliseconds(20);
constexpr double kReportSeconds = 0.05;

std::atomic<bool> models_opened{false}, forked_since{false};

bool on_main_thread() {
    // Python's own handlers run on the interpreter's main thread alone.
    static const unsigned long main = [] {
        const nb::object thread = nb::module_::import_("threading").attr("main_thread")();
        const nb::object ident = thread.attr("ident");
        return PyLong_AsUnsignedLong(ident.ptr());
    }();
    return PyThread_get_thread_ident() == main;
}

// A thread that runs the main thread's calls, one after another. It stays: libgomp keeps a team of
// threads for each thread that ever computed.
class Runner {
  public:
    // Null while it is at work: a signal handler or a callback calls from inside a call.
    static Runner* idle() {
        // Never destroyed: it may outlive the interpreter. A forked process has its own.
        static Runner* runner = nullptr;
        static pid_t owner = 0;
        if (owner != getpid()) {
            runner = new Runner;
            owner = getpid();
        }
        const std::lock_guard lock(runner->mutex_);
        return runner->work_ == nullptr && runner->start() ? runner : nullptr;
    }
    void begin(const std::function<void()>& work) {
        const std::lock_guard lock(mutex_);
        work_ = &work;
        changed_.notify_all();
    }
    bool wait(std::chrono::milliseconds time) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, time, [&] { return work_ == nullptr; });
    }

  private:
    bool start() {
        if (started_) return true;
        try {
            std::thread([this] { loop(); }).detach();
            started_ = true;
        } catch (const std::system_error&) {
        }
        return started_;
    }
    [[noreturn]] void loop() {
        for (;;) {
            const std::function<void()>* work = nullptr;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return work_ != nullptr; });
                work = work_;
            }
            (*work)();
            const std::lock_guard lock(mutex_);
            work_ = nullptr;
            changed_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    const std::function<void()>* work_ = nullptr;
    bool started_ = false;
};

}  // namespace

void watch_forks() {
    pthread_atfork(nullptr, nullptr, [] {
        if (models_opened) forked_since = true;
    });
}
void threads_exist() { models_opened = true; }
bool is_forked_child() { return forked_since; }
void refuse_after_fork(const char* what) {
    if (!forked_since) return;
    const std::string message =
        std::string(what) +
        " cannot work in a process that was forked after a model was opened: its threads stayed "
        "behind. Start worker processes with multiprocessing's 'spawn' or 'forkserver' method, or "
        "fork before the first s3attn.Engine";
    throw Failure{make_error(ErrorCode::kUnsupported, message)};
}

void Call::give_up(nb::python_error& error) {
    if (!failed_) raised_.emplace(std::move(error));
    failed_ = true;
    cancel_.cancel();
}

bool Call::with_python(const std::function<void()>& call) {
    nb::gil_scoped_acquire gil;
    if (failed_) return false;
    try {
        call();
    } catch (nb::python_error& error) {
        give_up(error);
    }
    return !failed_;
}

void Call::attend(const std::function<bool()>& done) {
    while (!done()) {
        if (users_ != nullptr && users_->cancelled()) cancel_.cancel();
        nb::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() == 0) continue;
        nb::python_error error;
        give_up(error);
    }
}

void Call::run(const std::function<void()>& work) {
    refuse_after_fork("this call");
    Runner* const runner = on_main_thread() ? Runner::idle() : nullptr;
    {
        nb::gil_scoped_release no_gil;
        if (runner != nullptr) {
            runner->begin(work);
            attend([&] { return runner->wait(kLookUp); });
        } else if (users_ != nullptr) {
            // Somebody else's token is looked at beside the work.
            std::mutex mutex;
            std::condition_variable changed;
            bool ended = false;
            std::thread watcher([&] {
                std::unique_lock lock(mutex);
                while (!changed.wait_for(lock, kLookUp, [&] { return ended; })) {
                    if (users_->cancelled()) cancel_.cancel();
                }
            });
            work();
            {
                const std::lock_guard lock(mutex);
                ended = true;
            }
            changed.notify_all();
            watcher.join();
        } else {
            work();
        }
    }
    if (failed_) throw std::move(*raised_);
}

void PythonSink::update(const Progress& progress) {
    if (object_.is_none()) return;
    const double now =
        std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    const bool complete = progress.total > 0 && progress.done >= progress.total;
    if (progress.stage == stage_ && !complete && now - last_ < kReportSeconds) return;
    stage_ = progress.stage;
    last_ = now;
    call_.with_python([&] {
        object_.attr("update")(progress.stage, progress.item, progress.done, progress.total,
                               progress.unit, progress.tokens_per_s);
    });
}

void PythonSink::note(const std::string& message) {
    if (object_.is_none()) return;
    call_.with_python([&] { object_.attr("note")(message); });
}

void register_failure(nb::module_&) {
    nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
        try {
            std::rethrow_exception(pointer);
        } catch (const Failure& failure) {
            const Error& error = failure.error;
            try {
                const nb::object made = nb::module_::import_("s3attn.errors")
                                            .attr("make")(to_string(error.code), error.message,
                                                          error.reason, error.subject);
                PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
            } catch (nb::python_error& other) {
                other.restore();
            }
        }
    });
}

}  // namespace s3attn::python

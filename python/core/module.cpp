// s3attn._core: the library as it is. What people use is s3attn/*.py on top of it.
#include "bindings.h"
#include "s3attn/model_log.h"
#include "s3attn/version.h"

NB_MODULE(_core, m) {
    using namespace s3attn::python;
    m.doc() = "The C++ library; use the package s3attn instead.";
    m.def(
        "version",
        [] {
            return std::to_string(S3ATTN_VERSION_MAJOR) + "." +
                   std::to_string(S3ATTN_VERSION_MINOR) + "." +
                   std::to_string(S3ATTN_VERSION_PATCH);
        },
        "Of the library.");
    // Python's standard error is the program's; errors say what llama.cpp said.
    s3attn::set_model_log(nullptr);
    watch_forks();
    register_failure(m);
    bind_results(m);
    bind_store(m);
    bind_engine(m);
    bind_research(m);
    bind_train(m);
}

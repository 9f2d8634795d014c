// consumer MODEL ADAPTERS STORE FILE QUESTION: indexes the file, prints the best span.
#include <s3attn/s3attn.h>

#include <cstdio>

namespace {

int fail(const s3attn::Error& error) {
    std::fprintf(stderr, "%s\n", error.message.c_str());
    return 1;
}

class Silent final : public s3attn::ProgressSink {
  public:
    void update(const s3attn::Progress&) override {}
    void note(const std::string&) override {}
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) return 2;
    s3attn::set_model_log(nullptr);  // llama.cpp's log is ours to silence
    s3attn::EngineOptions options;
    options.model = argv[1];
    options.adapter_dirs = {argv[2]};
    options.threads = 1;
    const auto engine = s3attn::Engine::open(options);
    if (!engine.ok()) return fail(engine.error());

    Silent no_progress;
    const s3attn::CancelToken cancel;
    auto store = s3attn::Store::open(argv[3], s3attn::Store::Access::kCreate);
    if (!store.ok()) return fail(store.error());
    const auto report = (*engine)->index(*store, {argv[4]}, {}, no_progress, cancel);
    if (!report.ok()) return fail(report.error());
    const auto found = (*engine)->search(*store, argv[5], {});
    if (!found.ok()) return fail(found.error());
    if (found->spans.empty()) return 1;
    const s3attn::Span& span = found->spans.front();
    std::printf("%s %llu-%llu: %s\n", span.path.c_str(),
                static_cast<unsigned long long>(span.byte_begin),
                static_cast<unsigned long long>(span.byte_end), span.text.c_str());
    return 0;
}

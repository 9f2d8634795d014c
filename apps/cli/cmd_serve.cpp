#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>
#include <utility>

#include "commands.h"
#include "http_api.h"
#include "mcp_lines.h"
#include "remote/remote_reader.h"
#include "served_folders.h"
#include "service.h"

namespace s3attn::cli {
namespace {

struct ServeArguments {
    std::vector<std::string> readers;
    server::ServiceOptions service;
    server::HttpOptions http;
    uint64_t max_upload_mib = 256;
    std::string api_key, keys_file;
    std::vector<std::string> watch;
    bool mcp = false;
};

bool is_loopback(const std::string& host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// The keys of the file, and the one that may do everything.
Status read_keys(const server::Service& service, ServeArguments& arguments, bool quiet) {
    if (!arguments.keys_file.empty()) {
        S3ATTN_TRY(arguments.http.keys, server::Keys::read(arguments.keys_file, service.stores()));
        struct stat about {};
        if (!quiet && ::stat(arguments.keys_file.c_str(), &about) == 0 &&
            (about.st_mode & 077) != 0) {
            std::fprintf(stderr, "warning: others on this machine can read %s: chmod 600 it\n",
                         arguments.keys_file.c_str());
        }
    }
    if (!arguments.api_key.empty()) arguments.http.keys.add_master(arguments.api_key);
    return {};
}

int serve_http(server::Service& service, ServeArguments& arguments, const GlobalOptions& options,
               const CancelToken& cancel) {
    if (const Status read = read_keys(service, arguments, options.quiet); !read.ok()) {
        return fail(read.error());
    }
    const bool open_to_all = arguments.http.keys.empty();
    server::HttpApi api(service, std::move(arguments.http));
    const auto port = api.bind();
    if (!port.ok()) return fail(port.error());
    const std::string host = api.host();
    const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
    std::printf("s3attn serves http://%s:%d/ (Ctrl-C ends)\n", shown.c_str(), *port);
    std::fflush(stdout);
    if (!is_loopback(host) && open_to_all && !options.quiet) {
        std::fprintf(stderr,
                     "warning: everybody who reaches %s can read, add and delete documents; "
                     "set --api-key or --keys, and put a proxy with TLS in front\n",
                     host.c_str());
    }
    std::thread thread([&api] { api.listen(); });
    while (!cancel.cancelled()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    api.stop();
    thread.join();
    return 0;
}

// Every model of a server that is named without one is a reader of its own.
Status name_remote_models(ServeArguments& arguments, const GlobalOptions& options,
                          const CancelToken& cancel) {
    EngineOptions& engine = arguments.service.engine;
    std::vector<std::string> readers;
    for (const std::string& reader : arguments.service.readers) {
        if (!arguments.readers.empty()) S3ATTN_CHECK(prepare_remote(options, reader, engine));
        if (!is_reader_url(reader) || reader.find('#') != std::string::npos) {
            readers.push_back(reader);
            continue;
        }
        S3ATTN_TRY(const auto models, list_remote_models(reader, engine.remote, &cancel));
        for (const std::string& model : models) readers.push_back(reader + "#" + model);
        if (models.empty()) {
            return make_error(ErrorCode::kNotFound, "the server " + reader + " has no model");
        }
    }
    arguments.service.readers = std::move(readers);
    return {};
}

int run_serve(ServeArguments& arguments, const GlobalOptions& options, const CancelToken& cancel) {
    if (const Status named = need_model(options.engine); !named.ok()) return fail(named.error());
    arguments.service.engine = options.engine;
    arguments.service.engine.reader.clear();
    arguments.service.readers = arguments.readers;
    if (arguments.readers.empty()) {
        const auto chosen = with_reader(options);
        if (!chosen.ok()) return fail(chosen.error());
        if (!chosen->reader.empty()) arguments.service.readers = {chosen->reader};
        arguments.service.engine.remote = chosen->remote;
    }
    if (!arguments.watch.empty() && arguments.service.stores.size() > 1) {
        return fail(make_error(ErrorCode::kInvalidArgument,
                               "--watch keeps one store in step: serve that one alone"));
    }
    if (const Status known = name_remote_models(arguments, options, cancel); !known.ok()) {
        return fail(known.error());
    }
    arguments.http.limits.body_bytes = arguments.max_upload_mib << 20;
    auto service = server::Service::open(arguments.service);
    if (!service.ok()) return fail(service.error());
    const ServedFolders folders(**service, arguments.watch, options.quiet);
    if (!arguments.mcp) return serve_http(**service, arguments, options, cancel);
    server::Mcp mcp(**service, true);
    return server::serve_mcp_lines(mcp, STDIN_FILENO, stdout, cancel) ? 0 : 1;
}

void add_network_options(CLI::App& command, ServeArguments& arguments) {
    command.add_option("--host", arguments.http.host, "address to listen on")
        ->envname("S3ATTN_HOST")
        ->capture_default_str();
    command.add_option("--port", arguments.http.port, "port to listen on (0: any that is free)")
        ->envname("S3ATTN_PORT")
        ->check(CLI::Range(0, 65535))
        ->capture_default_str();
    command
        .add_option("--api-key", arguments.api_key,
                    "ask every client for this key (Authorization: Bearer KEY)")
        ->envname("S3ATTN_API_KEY")
        ->type_name("KEY");
    command
        .add_option("--keys", arguments.keys_file,
                    "a file of API keys, each with the stores it may read or write and its limits "
                    "(docs/serve.md)")
        ->type_name("FILE");
    command
        .add_option("--log-questions", arguments.service.log_questions,
                    "append every question with its answer to this file, and give it out at "
                    "GET /v1/questions (default: questions are not kept)")
        ->type_name("FILE");
    command
        .add_option("--allow-host", arguments.http.allowed_hosts,
                    "a name that requests may be for, besides --host and localhost, such as that "
                    "of a proxy in front; repeatable")
        ->allow_extra_args(false)
        ->type_name("NAME");
    command
        .add_option("--allow-origin", arguments.http.allowed_origins,
                    "another site whose pages may use the server, such as https://app.example; "
                    "repeatable; *: any")
        ->allow_extra_args(false)
        ->type_name("ORIGIN");
    command
        .add_option("--connections", arguments.http.limits.connections,
                    "most connections at a time; one more gets 503")
        ->check(CLI::Range(1u, 4096u))
        ->capture_default_str();
    command.add_option("--max-upload", arguments.max_upload_mib, "largest document taken, in MiB")
        ->check(CLI::Range(1u, 1u << 20))
        ->capture_default_str()
        ->type_name("MIB");
}

void add_work_options(CLI::App& command, ServeArguments& arguments) {
    command
        .add_option("--reader", arguments.readers,
                    "GGUF file that writes answers; repeatable: a request's `model` chooses, the "
                    "first is the default (default: as for `ask`)")
        ->allow_extra_args(false)
        ->type_name("FILE");
    command
        .add_option("--answers", arguments.service.answers,
                    "answers written at a time; each takes the memory of a reader")
        ->check(CLI::Range(1u, 64u))
        ->capture_default_str();
    command
        .add_option("--queue", arguments.service.queue,
                    "jobs of each kind (answers, searches, scans) that wait; one more gets 503")
        ->check(CLI::Range(0u, 100000u))
        ->capture_default_str();
    command
        .add_option("--commit-tokens", arguments.service.index.commit_tokens,
                    "an uploaded document can be asked about in steps of so many tokens")
        ->check(CLI::Range(256u, 1u << 24))
        ->capture_default_str();
}

}  // namespace

void add_serve_command(Context& context) {
    auto arguments = std::make_shared<ServeArguments>();
    CLI::App* command = add_command(
        context, "serve", "Answer over HTTP, on a web page, and for agents (MCP)",
        "A web page, OpenAI's chat completions, search, documents and MCP (POST /mcp) at one\n"
        "address; docs/serve.md describes them, GET /openapi.json specifies them. A store that is\n"
        "not there yet is made by the first upload.\n\n"
        "Example: s3attn serve notes.s3                then open http://127.0.0.1:8080/\n"
        "         s3attn serve notes.s3 --mcp          for an agent that starts it itself");
    command->add_option("store", arguments->service.stores, "directories of stores")->required();
    add_network_options(*command, *arguments);
    add_work_options(*command, *arguments);
    add_rerank_options(*command, context.options.engine);
    command
        ->add_option("--watch", arguments->watch,
                     "keep the store in step with this folder, as `s3attn sync --watch` does; "
                     "repeatable")
        ->allow_extra_args(false)
        ->type_name("DIR");
    command->add_flag("--mcp", arguments->mcp,
                      "speak MCP on standard input and output instead of HTTP");
    command->callback([arguments, &context] {
        context.run = [arguments, &context] {
            return run_serve(*arguments, context.options, context.cancel);
        };
    });
}

}  // namespace s3attn::cli

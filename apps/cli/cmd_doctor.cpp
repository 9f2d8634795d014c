// `doctor`: what this machine has, what the program would choose and why.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "adapter/adapter_search.h"
#include "base/parallel.h"
#include "commands.h"
#include "machine.h"
#include "model/devices.h"
#include "model/llama_model.h"
#include "output.h"
#include "progress_bar.h"
#include "remote/reader_url.h"
#include "s3attn/version.h"
#include "scan/open_scan.h"

namespace s3attn::cli {
namespace {

namespace fs = std::filesystem;

Json file_json(const std::string& path) {
    std::error_code error;
    const uint64_t bytes = path.empty() ? 0 : fs::file_size(path, error);
    Json json{{"file", path.empty() ? Json() : Json(path)}};
    if (!path.empty() && !error) json["bytes"] = bytes;
    return json;
}

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

Json devices_json() {
    Json devices = Json::array();
    for (const RuntimeDevice& device : runtime_devices()) {
        devices.push_back({{"name", device.name},
                           {"description", device.description},
                           {"kind", device.kind},
                           {"free_bytes", device.free_bytes},
                           {"total_bytes", device.total_bytes}});
    }
    return devices;
}

// `hash`, `identity`: of the scanning model, of which another quantisation's adapter fits too.
Json adapters_json(const std::vector<std::string>& folders, const std::string& hash,
                   const std::string& identity) {
    Json adapters = Json::array();
    for (const std::string& folder : folders) {
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(folder, ignored)) {
            std::ifstream file(entry.path() / "adapter.json");
            const Json adapter = Json::parse(file, nullptr, false);
            if (!adapter.is_object() || !adapter.contains("model")) continue;
            const Json& model = adapter["model"];
            adapters.push_back(
                {{"directory", entry.path().string()},
                 {"model", model.value("name", "")},
                 {"fits", (!hash.empty() && model.value("hash", "") == hash) ||
                              (!identity.empty() && model.value("identity", "") == identity)}});
        }
    }
    return adapters;
}

// Where it would run, which files it would take; "problem": why it could not.
Json scan_json(const GlobalOptions& options, Json& adapters) {
    const EngineOptions& engine = options.engine;
    Json json = file_json(engine.model);
    json["why"] = options.default_model ? "the default" : "named";
    const auto fail_with = [&](const Error& error) {
        json["problem"] = with_advice(error);
        return json;
    };
    adapters = adapters_json(engine.adapter_dirs, "", "");
    const auto device = choose_scan_device(engine.device);
    if (!device.ok()) return fail_with(device.error());
    json["device"] = *device == Device::kCuda ? "cuda" : "cpu";
    json["device_name"] = llama_device_name(*device == Device::kCuda ? *device : Device::kCpu);
    if (const Status named = need_model(engine); !named.ok()) return fail_with(named.error());
    ScanRequest request{engine.model,     engine.adapter, engine.adapter_dirs,
                        engine.cache_dir, engine.threads, *device};
    const auto model = open_scan_info(request);
    if (!model.ok()) return fail_with(model.error());
    json["architecture"] = model->architecture;
    json["hash"] = model->file_hash;
    adapters = adapters_json(engine.adapter_dirs, model->file_hash, model->identity);
    const auto adapter = open_scan_adapter(request, *model);
    if (!adapter.ok()) return fail_with(adapter.error());
    if (engine.adapter.empty()) {
        const auto found = find_adapter(engine.adapter_dirs, model->file_hash, model->identity);
        if (found.ok()) json["adapter"] = *found;
    } else {
        json["adapter"] = engine.adapter;
    }
    json["layers"] = (*adapter)->deepest_layer() + 1;
    json["layers_of"] = model->n_layer;
    return json;
}

Json reader_json(const GlobalOptions& options) {
    std::string reader = options.engine.reader;
    std::string why = "named";
    if (reader.empty() && options.default_model) {
        reader = find_default_reader();
        why = reader.empty() ? "the reader is not there (`make setup` fetches it)" : "the default";
    } else if (reader.empty()) {
        why = "the scanning model, which was named, answers too";
    }
    if (reader.empty()) reader = options.engine.model;
    const bool remote = is_reader_url(reader);
    bool here = false;
    Json json = remote ? Json{{"url", reader}} : file_json(reader);
    if (remote) {
        const auto url = parse_reader_url(reader);
        if (url.ok()) {
            here = url->loopback;
            json["url"] = url->base;
        } else {
            json["problem"] = url.error().message;
        }
        if (options.engine.remote.offline) json["problem"] = "refused: nothing may leave (offline)";
    } else if (!reader.empty() && !json.contains("bytes")) {
        json["problem"] = "there is no file of that name";
    }
    json["why"] = why;
    json["sends_passages_away"] = remote && !here && !options.engine.remote.offline;
    return json;
}

Json report(const GlobalOptions& options) {
    Json adapters;
    const Json scan = scan_json(options, adapters);
    const uint32_t cores = available_threads();
    return {{"versions", {{"s3attn", S3ATTN_VERSION}, {"llama.cpp", runtime_version()}}},
            {"system", system_json()},
            {"processor", processor_json(cores)},
            {"memory", memory_json()},
            {"disk", disk_json({".", options.engine.cache_dir})},
            {"devices", devices_json()},
            {"converters", converters_json()},
            {"openmp",
             {{"OMP_WAIT_POLICY", variable("OMP_WAIT_POLICY")},
              {"GOMP_SPINCOUNT", variable("GOMP_SPINCOUNT")}}},
            {"adapters", adapters},
            {"scan", scan},
            {"reader", reader_json(options)},
            {"threads", options.engine.threads == 0 ? cores : options.engine.threads}};
}

std::string mib(const Json& bytes) {
    return fmt::format("{} MiB", group_digits(bytes.get<uint64_t>() >> 20));
}

std::string text_of(const Json& json, const char* field) {
    return json.contains(field) && json[field].is_string() ? json[field].get<std::string>() : "";
}

void line(const char* name, const std::string& text) {
    std::printf("%-10s %s\n", name, text.c_str());
}

std::string file_line(const Json& json) {
    const std::string url = text_of(json, "url"), file = text_of(json, "file");
    if (url.empty() && file.empty()) return "none";
    std::string text = url.empty() ? file : url;
    if (json.contains("bytes")) text += " (" + mib(json["bytes"]) + ")";
    return text + ", " + text_of(json, "why");
}

void print_machine(const Json& json) {
    const Json &processor = json["processor"], &memory = json["memory"];
    line("versions", "s3attn " + text_of(json["versions"], "s3attn") + ", llama.cpp " +
                         text_of(json["versions"], "llama.cpp"));
    line("system", text_of(json, "system"));
    std::string features;
    for (const auto& feature : processor["features"]) features += " " + feature.get<std::string>();
    line("processor",
         fmt::format("{}, {} cores for this process;{}", text_of(processor, "name"),
                     processor["cores"].get<uint32_t>(),
                     features.empty() ? " none of the features that matter" : features));
    line("memory", mib(memory["available_bytes"]) + " free of " + mib(memory["total_bytes"]));
    for (const Json& disk : json["disk"]) {
        line("disk", mib(disk["free_bytes"]) + " free in " + text_of(disk, "directory"));
    }
    for (const Json& device : json["devices"]) {
        line("device", fmt::format("{} ({}): {}, {} free of {}", text_of(device, "name"),
                                   text_of(device, "kind"), text_of(device, "description"),
                                   mib(device["free_bytes"]), mib(device["total_bytes"])));
    }
    for (const Json& each : json["converters"]) {
        const std::string file = text_of(each, "file");
        line("reads", text_of(each, "for") + ": " +
                          (file.empty() ? text_of(each, "name") + " is missing (apt-get install " +
                                              text_of(each, "package") + ")"
                                        : file));
    }
    line("OpenMP", "OMP_WAIT_POLICY=" + text_of(json["openmp"], "OMP_WAIT_POLICY") +
                       " GOMP_SPINCOUNT=" + text_of(json["openmp"], "GOMP_SPINCOUNT"));
}

void print_choices(const Json& json) {
    const Json &scan = json["scan"], &reader = json["reader"];
    for (const Json& adapter : json["adapters"]) {
        line("adapter", text_of(adapter, "directory") + ", for " + text_of(adapter, "model") +
                            (adapter["fits"].get<bool>() ? ": fits" : ""));
    }
    line("scans", file_line(scan));
    if (scan.contains("device_name")) {
        line("", fmt::format("on {}, {} threads", text_of(scan, "device_name"),
                             json["threads"].get<uint32_t>()));
    }
    if (scan.contains("layers")) {
        line("", fmt::format("{} of {} layers, with {}", scan["layers"].get<uint32_t>(),
                             scan["layers_of"].get<uint32_t>(), text_of(scan, "adapter")));
    }
    line("answers", file_line(reader));
    line("", reader["sends_passages_away"].get<bool>()
                 ? "questions and passages are sent to that server"
                 : "nothing leaves this machine");
    for (const Json* part : {&scan, &reader}) {
        if (part->contains("problem")) line("PROBLEM", text_of(*part, "problem"));
    }
}

int run_doctor(const GlobalOptions& options) {
    const Json json = report(options);
    if (options.json) {
        std::printf("%s\n", dump(json, 2).c_str());
    } else {
        print_machine(json);
        print_choices(json);
    }
    return json["scan"].contains("problem") || json["reader"].contains("problem") ? 1 : 0;
}

}  // namespace

void add_doctor_command(Context& context) {
    CLI::App* command = add_command(
        context, "doctor", "Show what this machine has and what the program would choose",
        "For a bug report, and to see which model, adapter, device and reader a command\n"
        "would take with the same options. No weights are loaded and no server is asked.\n"
        "Exit code 1 where index or ask could not run.\n\n"
        "Example: s3attn doctor --json");
    command->callback(
        [&context] { context.run = [&context] { return run_doctor(context.options); }; });
}

}  // namespace s3attn::cli

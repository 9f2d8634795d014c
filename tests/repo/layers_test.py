"""The include graph: layers point one way, and only src/model/ knows llama.cpp."""
import re

import repository

# Which folders of src/ a folder may include, besides itself and the public headers.
BELOW = {
    "base": set(),
    "text": {"base"},
    "model": {"base"},
    "adapter": {"base"},
    "store": {"base", "text", "model", "adapter"},
    "scan": {"base", "model", "adapter"},
    "train": {"base", "text", "model", "adapter", "scan"},
}
BELOW["retrieve"] = BELOW["store"] | {"store"}
BELOW["answer"] = BELOW["retrieve"] | {"retrieve"}
BELOW["remote"] = {"base"}
BELOW["engine"] = BELOW["answer"] | {"answer", "remote", "scan"}
# Public headers that only these folders of src/ implement, and so may include.
FRONT = {"s3attn/engine.h": {"scan", "engine", "remote"}, "s3attn/trainer.h": {"train", "engine"}}
RUNTIME = re.compile(r"^(llama|llama-cpp|ggml|ggml-[a-z-]+|gguf)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def check_public(path, bracket, target, problems):
    """Public headers: the standard library and s3attn/ only."""
    standard = bracket == "<" and re.fullmatch(r"[a-z_0-9]+", target)
    if not standard and not target.startswith("s3attn/"):
        problems.append(f"{repository.name(path)}: public header includes {target}")


def check_layer(path, layer, target, problems):
    folder = target.split("/")[0]
    if layer not in BELOW:
        problems.append(f"{repository.name(path)}: src/{layer} is no known layer")
    elif folder in BELOW and folder != layer and folder not in BELOW[layer]:
        problems.append(f"{repository.name(path)}: {layer} may not include {target}")
    if layer not in FRONT.get(target, {layer}):
        problems.append(f"{repository.name(path)}: {target} stands above {layer}")


# store and retrieve never see a float key or the runtime's seam: adapter/codes.h only.
def check_codes_only(path, layer, target, problems):
    if layer in ("store", "retrieve") and target.startswith("model/"):
        problems.append(f"{repository.name(path)}: {layer} may not include {target}")
    if layer == "adapter" and target.startswith(("text/", "model/")):
        problems.append(f"{repository.name(path)}: adapter may not include {target}")


def main():
    problems, checked = [], 0
    for path in repository.files(".h", ".cpp", ".cc", ".cu", ".cuh"):
        parts = path.relative_to(repository.root()).parts
        if parts[0] not in ("include", "src", "apps", "eval"):
            continue
        checked += 1
        for bracket, target in INCLUDE.findall(path.read_text(encoding="utf-8")):
            if RUNTIME.match(target.split("/")[-1]) and parts[:2] != ("src", "model"):
                problems.append(f"{repository.name(path)}: only src/model may include {target}")
            if ".." in target.split("/"):
                problems.append(f"{repository.name(path)}: includes {target} by a relative path")
            if parts[0] == "include":
                check_public(path, bracket, target, problems)
            elif parts[0] == "src":
                check_layer(path, parts[1], target, problems)
                check_codes_only(path, parts[1], target, problems)
    repository.finish("layers", problems, checked)


main()

"""Everything about the CUDA device in one go: builds, checks, measures; ends with `name value unit`.

    python3 bench/gpu.py [--build DIR] [--work DIR] [--model REAL.gguf] [--log DIR]

Without --build it builds in build-gpu, with the llama.cpp that `make CUDA=1` sets up or the one in
CMAKE_PREFIX_PATH. Needs an NVIDIA card of 80 GB, 60 GB of memory for files (--work, best in
/dev/shm), and some five minutes.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "s3attn"
QUESTIONS = ("Who lives below the opera house?", "What happened to the chandelier?",
             "Who is the Vicomte in love with?", "Where does the Persian live?",
             "Who hid in the mirror of the dressing room?")


class Log:
    def __init__(self, folder):
        self.folder, self.numbers, self.failures = folder, [], []
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, name, command, limit=300, must=True):
        """Runs a command into LOG/name.txt; its output, also where it fails."""
        begin = time.time()
        try:
            result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, timeout=limit)
            output, code = result.stdout.decode(errors="replace"), result.returncode
        except subprocess.TimeoutExpired as error:
            output, code = (error.stdout or b"").decode(errors="replace") + "\ntimed out\n", 124
        except OSError as error:
            output, code = f"{error}\n", 127
        (self.folder / f"{name}.txt").write_text(output, encoding="utf-8")
        print(f"# {name}: {time.time() - begin:.1f} s, exit {code}", flush=True)
        if code != 0:
            print("\n".join(output.splitlines()[-15:]), flush=True)
            if must:
                self.failures.append(name)
        return output

    def keep(self, output):
        """Notes the lines `name value unit` of a program's output."""
        for line in output.splitlines():
            parts = line.split()
            if len(parts) == 3 and not line.startswith("#"):
                try:
                    self.number(parts[0], float(parts[1]), parts[2])
                except ValueError:
                    continue

    def number(self, name, value, unit):
        self.numbers.append((name, value, unit))

    def value(self, name):
        return next((value for key, value, _ in self.numbers if key == name), None)


def build(options, log):
    if options.build:
        return options.build.resolve()
    folder = ROOT / "build-gpu"
    environment = [f"BUILD={folder}", "CUDA=1"]
    log.run("build", ["make", "-C", ROOT, *environment], limit=3600)
    return folder


def check(programs, log):
    skipped = "SKIPPED"
    for program, tests in (("adapter_tests", "*DeviceEncoder*"), ("train_tests", "DeviceSae*")):
        if not (programs / program).exists():
            continue
        output = log.run("check_" + program, [programs / program, "--gtest_filter=" + tests,
                                              "--gtest_brief=1"])
        passed = [line.split()[3] for line in output.splitlines() if "PASSED" in line]
        log.number(f"{program}_passed", float(passed[0]) if passed else 0, "tests")
        # One test of each says what is missing where there is no card.
        log.number(f"{program}_{skipped.lower()}", output.count("Skipped") - 1, "tests")
    if shutil.which("compute-sanitizer"):
        output = log.run("memcheck", ["compute-sanitizer", "--tool", "memcheck",
                                      programs / "adapter_tests", "--gtest_brief=1",
                                      "--gtest_filter=*OnCard*:*Shapes.EqualsTheReference/[18]"])
        clean = "ERROR SUMMARY: 0 errors" in output
        log.number("memcheck_errors", 0 if clean else 1, "runs")
        if not clean:
            log.failures.append("memcheck")


def profile(programs, log):
    if not shutil.which("ncu"):
        return
    log.run("ncu", ["ncu", "--clock-control", "none", "--section", "SpeedOfLight", "--section",
                    "WarpStateStats", "--section", "Occupancy", "--section",
                    "ComputeWorkloadAnalysis", "--section", "MemoryWorkloadAnalysis",
                    "-k", "regex:select_latents|finish_rows", "--launch-skip", "2",
                    "--launch-count", "4", programs / "gpu_kernels", "--short"], must=False)


def index_book(program, model, adapter, device, store, text, log):
    shutil.rmtree(store, ignore_errors=True)
    command = [program, "--device", device, "--model", model, "--adapter", adapter, "--json",
               "--quiet"]
    output = log.run(f"real_index_{device}", [*command, "index", store, text])
    report = json.loads(output[output.index("{"):])
    spans = []
    for i, question in enumerate(QUESTIONS):
        output = log.run(f"real_search_{device}_{i}",
                         [*command, "search", store, question, "--method", "s3", "--max-spans",
                          "10"])
        found = json.loads(output[output.index("{"):])
        spans.append({(span["byte_begin"], span["byte_end"]) for span in found["spans"]})
    return report, spans


def real_weights(programs, options, log):
    """A real model on both devices: the same passages."""
    adapter = options.adapter or ROOT / "models" / "smollm2-135m-instruct"
    if not options.model.exists() or not (programs / "s3attn").exists():
        print(f"# no real model at {options.model}: not compared", flush=True)
        return
    reports, found = {}, {}
    for device in ("cpu", "cuda"):
        reports[device], found[device] = index_book(programs / "s3attn", options.model, adapter,
                                                    device, options.work / f"real-{device}.s3",
                                                    options.text, log)
        log.number(f"real_{device}_rate", reports[device]["tokens_per_s"], "tokens/s")
    same = sum(len(a & b) for a, b in zip(found["cpu"], found["cuda"]))
    log.number("real_same_top10", same / max(1, sum(len(a) for a in found["cpu"])), "ratio")


def measure(programs, options, log):
    work = options.work
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    model, adapter = work / "model.gguf", work / "adapter"
    writer = subprocess.Popen([sys.executable, str(options.model_writer), str(options.vocabulary),
                               str(model), "--layers", str(options.layers)])
    check(programs, log)
    profile(programs, log)
    real_weights(programs, options, log)
    writer.wait()
    log.keep(log.run("kernels", [programs / "gpu_kernels"]))
    log.run("adapter", [programs / "gpu_adapter", model, adapter])
    peak = log.value("cublas_square_8192") or 790
    log.keep(log.run("scan", [programs / "gpu_scan", model, adapter, work / "cache", work / "stores",
                              options.text, "--peak", peak, "--lengths", options.lengths,
                              "--longest", options.longest], limit=options.limit))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    default_model = CACHE / "SmolLM2-135M-Instruct.Q4_1.gguf"
    parser.add_argument("--build", type=pathlib.Path, help="programs that are built already")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("/dev/shm/s3attn-gpu"))
    parser.add_argument("--log", type=pathlib.Path, default=pathlib.Path("gpu-log"))
    parser.add_argument("--model", type=pathlib.Path, default=default_model,
                        help="a real model, compared between the devices")
    parser.add_argument("--adapter", type=pathlib.Path, help="of that model")
    parser.add_argument("--vocabulary", type=pathlib.Path, help="GGUF whose tokenizer is used")
    parser.add_argument("--text", type=pathlib.Path,
                        default=ROOT / "examples" / "the_phantom_of_the_opera.md")
    parser.add_argument("--model-writer", type=pathlib.Path,
                        default=ROOT / "bench" / "gpu_model.py")
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--lengths", default="8,32,64,128")
    parser.add_argument("--longest", default="1000")
    parser.add_argument("--limit", type=int, default=600, help="seconds for the long measurements")
    options = parser.parse_args()
    options.vocabulary = options.vocabulary or options.model
    log = Log(options.log)
    programs = build(options, log)
    if not log.failures:
        try:
            measure(programs, options, log)
        finally:
            shutil.rmtree(options.work, ignore_errors=True)
    log.run("card", ["nvidia-smi", "--query-gpu=name,driver_version,memory.total",
                     "--format=csv,noheader"], must=False)
    print((log.folder / "card.txt").read_text(encoding="utf-8").strip())
    lines = [f"{name} {value:.6g} {unit}" for name, value, unit in log.numbers]
    (log.folder / "numbers.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    if log.failures:
        print("failed: " + ", ".join(log.failures), file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()

# s3attn: `make help` lists what there is. CMake does the work; scripts/ holds the steps.
BUILD ?= build
BUILD_TYPE ?= Release
JOBS ?=
MODEL ?=
READER ?=
CMAKE_FLAGS ?=
SECONDS_EACH ?= 60
PREFIX ?= /usr/local
export SECONDS_EACH
CUDA ?=
CUDA_ARCH ?=
export BUILD BUILD_TYPE JOBS MODEL READER CMAKE_FLAGS CUDA CUDA_ARCH
# Set on the command line or in the environment, they reach the scripts (make exports both).
ifdef CMAKE_PREFIX_PATH
export CMAKE_PREFIX_PATH
endif

.PHONY: all everything install deb deb-test container-test setup demo demo-large test test-quick test-remote test-python wheel wheel-test test-all tsan fuzz completeness bench bench-gpu bench-index \
        bench-serve bench-rerank bench-quantisation bench-python bench-training eval-smoke docs clean help
.DEFAULT_GOAL := all

all:  ## set up what is missing, then build (the program is build/s3attn)
	@scripts/build.sh

everything:  ## the program, all tests, the benchmarks
	@scripts/build.sh --all

install:  ## program, library, headers and adapters into PREFIX (by default /usr/local)
	@scripts/build.sh --package
	@cmake --install "$(BUILD)" --prefix "$(PREFIX)" --strip

deb:  ## a Debian package, in BUILD
	@scripts/build.sh --package
	@cd "$(BUILD)" && cpack -G DEB

deb-test: deb  ## installs it into a bare Debian 12 and runs index and search there (as root)
	@scripts/deb_test.sh

container-test:  ## builds the container and runs index and search in it, where that can be done
	@scripts/container_test.sh

setup:  ## system packages, model runtime, default model: only what is missing
	@scripts/setup.sh

demo: all  ## index a whole book, ask it a question
	@scripts/demo.sh

demo-large: all  ## the same, answered by a 1.5B model (fetches 1.1 GB once)
	@scripts/demo.sh --large

test: everything  ## all tests, then the unit tests under ASan and UBSan
	@scripts/test.sh

test-quick: everything  ## all tests, without the sanitizer build
	@scripts/test.sh --quick

test-remote: all  ## a reader behind llama-cpp-python's server, and behind our own (fetches 60 MB)
	@scripts/remote_test.sh

test-python: all  ## all tests of the Python package, the frameworks' included
	@scripts/python.sh test

wheel:  ## a Python wheel with everything inside, in BUILD/wheel (CUDA=1: for cards)
	@scripts/python.sh wheel

wheel-test: wheel  ## installs it where there is no compiler, and asks a question
	@scripts/python.sh wheel-test

test-all: test  ## `make test`, then the demo, a sample of every evaluation, the measurements
	@scripts/demo.sh
	@scripts/eval_smoke.sh
	@python3 bench/run.py

eval-smoke: all  ## a small sample of every evaluation task, on the CPU (under 10 minutes)
	@scripts/eval_smoke.sh

tsan: setup  ## readers, writer and background merges under ThreadSanitizer
	@scripts/build.sh --tsan

completeness: everything  ## what is read of documents, word for word against other programs
	@scripts/completeness.py --program "$(BUILD)/print_text"

fuzz:  ## each fuzz target for a minute (SECONDS_EACH=600: ten); needs clang
	@scripts/fuzz.sh

bench: everything  ## measures the numbers of docs/measurements.md (about half an hour on 2 cores)
	@python3 bench/run.py

bench-training: everything  ## what the shipped adapters retrieve, and how long training takes
	@python3 bench/training.py

bench-index: everything  ## measures the index at 100K, 1M and 10M tokens (some minutes, 4 GB of disk)
	@python3 bench/index.py

bench-serve: everything  ## what the server adds to the engine, eight clients at once, the page's load
	@PYTHONPATH="$$(scripts/setup.sh --print-test-packages)" python3 bench/serve.py

bench-rerank: all  ## what the second stage costs a question (some minutes on 2 cores)
	@python3 bench/rerank.py --program "$(BUILD)/s3attn"

bench-quantisation: everything  ## what other quantisations of the model lose (DATA=FILE of questions)
	@python3 bench/quantisation.py --build "$(BUILD)" $(DATA)

bench-python:  ## what the Python package costs over the library
	@scripts/python.sh bench

bench-gpu:  ## builds with CUDA, checks and measures it on a card of 80 GB (docs/gpu.md)
	@python3 bench/gpu.py

docs: all  ## writes docs/cli.md from the program's own help
	@scripts/gen_cli_docs.sh >docs/cli.md

clean:  ## removes what was built here; the cache outside the checkout stays
	@rm -rf "$(BUILD)" "$(BUILD)-asan" "$(BUILD)-tsan" "$(BUILD)-fuzz"

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Variables: BUILD (folder), BUILD_TYPE, JOBS, CMAKE_FLAGS, CMAKE_PREFIX_PATH (a llama.cpp"
	@echo "of your own), MODEL (a GGUF of your own), READER (a GGUF that answers in the demo),"
	@echo "SECONDS_EACH (of each fuzz target), CUDA=1 and CUDA_ARCH (docs/gpu.md)."

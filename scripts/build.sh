#!/usr/bin/env bash
# Sets up, configures and builds. Run by the Makefile; see `make help`.
#   scripts/build.sh            the program, in $BUILD
#   scripts/build.sh --package  the program and the library, for `make install` and `make deb`
#   scripts/build.sh --python   the program and the Python module (scripts/python.sh calls it)
#   scripts/build.sh --all      everything: the program, tests, benchmarks
#   scripts/build.sh --asan     the unit tests with AddressSanitizer and UBSan, in $BUILD-asan
#   scripts/build.sh --tsan     the tests that use threads with ThreadSanitizer, in $BUILD-tsan,
#                               and runs them
# Environment: BUILD, BUILD_TYPE, JOBS, CMAKE_PREFIX_PATH, MODEL, CMAKE_FLAGS, CUDA, CUDA_ARCH.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"

build="${BUILD:-build}" type="${BUILD_TYPE:-Release}" flags=() targets=(s3attn)
if [ "${1:-}" = --all ]; then
    targets=(all)
elif [ "${1:-}" = --package ]; then
    targets=(s3attn s3attn_shared s3attn_static)
elif [ "${1:-}" = --python ]; then
    flags=(-DS3ATTN_PYTHON=ON "-DPython_EXECUTABLE=$PYTHON" "-DS3ATTN_PYTHON_PACKAGES=$PYTHON_PACKAGES")
    targets=(s3attn s3attn_python s3attn_python_stub)
elif [ "${1:-}" = --asan ]; then
    build="$build-asan"
    # Unit tests only: what needs no model runtime. -O1 keeps them fast, no debug info keeps
    # the build small (the sanitizers print line numbers with -g1).
    type=None
    flags=(-DS3ATTN_SANITIZE=ON -DS3ATTN_BENCH=OFF "-DCMAKE_CXX_FLAGS=-O1 -g1")
    targets=()
    for layer in base text adapter store retrieve answer; do
        [ -f "tests/$layer/CMakeLists.txt" ] && targets+=("${layer}_tests")
    done
elif [ "${1:-}" = --tsan ]; then
    build="$build-tsan"
    type=None
    flags=(-DS3ATTN_SANITIZE=thread -DS3ATTN_BENCH=OFF "-DCMAKE_CXX_FLAGS=-O1 -g1")
    targets=(base_tests store_tests engine_tests)
fi

if [ -n "${CUDA:-}" ] && [ "$CUDA" != 0 ]; then
    arch="${CUDA_ARCH:-90}"
    [ "$arch" != 90 ] || arch=90a  # with the matrix instructions that only these cards have
    flags+=(-DS3ATTN_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$arch-real")
fi

"$S3ATTN_ROOT/scripts/setup.sh" --env "$build/setup.env"
. "$build/setup.env"

generator=()
[ -f "$build/CMakeCache.txt" ] || ! command -v ninja >/dev/null 2>&1 || generator=(-G Ninja)
# A changed prefix must not leave the old runtime in CMake's cache.
forget=()
if ! cmp -s "$build/setup.env" "$build/setup.used"; then forget=(-U 'llama_*' -U 'ggml_*' -U 'GGML_*'); fi

read -r -a extra <<<"${CMAKE_FLAGS:-}"
log="$build/configure.log"
if ! cmake -S . -B "$build" "${generator[@]}" "${forget[@]}" -DCMAKE_BUILD_TYPE="$type" \
    -DCMAKE_PREFIX_PATH="$S3ATTN_PREFIX" -DS3ATTN_TEST_MODEL="$S3ATTN_DEFAULT_MODEL" \
    "${flags[@]}" "${extra[@]}" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    die "configuring failed; the whole log: $log"
fi
cp "$build/setup.env" "$build/setup.used"

cmake --build "$build" -j "${JOBS:-$(cores)}" --target "${targets[@]}"

if [ "${1:-}" = --tsan ]; then
    # Nothing is suppressed: SQLite is not instrumented, and its locks are pthread's.
    export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1"
    "$build/base_tests" --gtest_brief=1 --gtest_filter='*Pool*:*Parallel*:*Thread*'
    "$build/engine_tests" --gtest_brief=1
    "$build/store_tests" --gtest_brief=1 \
        --gtest_filter='Concurrent.*:Portable.*:Merge.*:StoreTest.*:-*.EveryFlippedByte*'
fi

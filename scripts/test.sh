#!/usr/bin/env bash
# Runs what scripts/build.sh built; the last line says how it went.
#   scripts/test.sh          every test, then the unit tests under ASan and UBSan
#   scripts/test.sh --quick  without the sanitizer build
# Environment: BUILD, JOBS, MODEL.
set -uo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT" || exit 1

build="${BUILD:-build}"
# libgomp's threads spin while they wait, which starves everything else on a busy machine.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}" GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-2000}"
started=$(date +%s) passed=0 failed=0 skipped=0

# Without them those tests are skipped, and say so.
scripts/setup.sh --test-packages --embedder ||
    say "some tests of the server and of the dense baseline will be skipped"

run_ctest() {  # CTEST-ARGUMENTS...
    local log="$build/ctest.log" line status
    ctest --test-dir "$build" --output-on-failure --no-tests=ignore "$@" 2>&1 | tee "$log" |
        grep -v -E '^( *Start +[0-9]+:|Internal ctest changing|Test project)'
    status=${PIPESTATUS[0]}
    # "97% tests passed, 3 tests failed out of 100"
    line="$(grep -E 'tests passed, [0-9]+ tests failed out of' "$log" | tail -n 1)"
    if [[ "$line" =~ ([0-9]+)\ tests\ failed\ out\ of\ ([0-9]+) ]]; then
        failed=$((failed + BASH_REMATCH[1]))
        passed=$((passed + BASH_REMATCH[2] - BASH_REMATCH[1]))
    elif [ "$status" -ne 0 ]; then
        failed=$((failed + 1))
    fi
    skipped=$((skipped + $(grep -c -E '\*\*\*Skipped' "$log")))
}

# The tests leave processor time over, in which the sanitizer build is made, at the lowest priority.
if [ "${1:-}" != --quick ]; then
    nice -n 19 scripts/build.sh --asan >"$build/asan-build.log" 2>&1 &
    asan_build=$!
    trap 'kill "$asan_build" 2>/dev/null' EXIT
fi

say "== unit and repository tests =="
run_ctest -LE 'model|e2e|python' -j "${JOBS:-$(cores)}"
say "== tests on a real model, one at a time =="
run_ctest -L 'model|e2e' -j 1
say "== the Python package, without frameworks (make test-python) =="
if scripts/python.sh build >"$build/python-build.log" 2>&1; then
    run_ctest -L python -j 1
else
    tail -n 20 "$build/python-build.log" >&2
    say "FAILED: the Python module; the whole log: $build/python-build.log"
    failed=$((failed + 1))
fi

if [ "${1:-}" != --quick ]; then
    say "== unit tests under AddressSanitizer and UndefinedBehaviorSanitizer =="
    if wait "$asan_build"; then
        for test in "$build"-asan/*_tests; do
            [ -x "$test" ] || continue
            say "-- $(basename "$test")"
            if UBSAN_OPTIONS=print_stacktrace=1 "$test" --gtest_brief=1; then
                passed=$((passed + 1))
            else
                failed=$((failed + 1))
                say "FAILED: $test"
            fi
        done
    else
        tail -n 40 "$build/asan-build.log" >&2
        say "FAILED: the sanitizer build; the whole log: $build/asan-build.log"
        failed=$((failed + 1))
    fi
fi

# A fixed number of runs a target, where there is a compiler for it and time: a check of a change.
if [ "${1:-}" != --quick ] && [ "${CI:-}" = true ]; then
    say "== fuzz targets =="
    if [ $(($(date +%s) - started)) -gt 1800 ]; then
        say "skipped: the tests took more than half an hour already"
    elif REPEATABLE=1 scripts/fuzz.sh; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
fi

seconds=$(($(date +%s) - started))
say "took $seconds s"
printf 'tests: %d passed, %d failed, %d skipped\n' "$((passed - skipped))" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]

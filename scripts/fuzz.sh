#!/usr/bin/env bash
# Builds the fuzz targets with clang and runs each of them for a while. See docs/development.md.
#   scripts/fuzz.sh [TARGET...]     by default all: segment block import words adapter config head markup reader
# Environment: SECONDS_EACH (60), BUILD, JOBS. REPEATABLE=1: from one seed and for a number of runs
# instead of a time, so that the check of a change says the same wherever it runs.
# Without clang: says so and does nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"

seconds="${SECONDS_EACH:-60}" repeatable="${REPEATABLE:-0}" build="${BUILD:-build}-fuzz"
targets=("$@")
[ $# -gt 0 ] || targets=(segment block import words adapter config head markup reader)
if ! command -v clang++ >/dev/null 2>&1; then
    say "skipped: fuzzing needs clang (Debian's package is called clang)"
    exit 0
fi
generator=()
[ -f "$build/CMakeCache.txt" ] || ! command -v ninja >/dev/null 2>&1 || generator=(-G Ninja)
mkdir -p "$build"
if ! cmake -S . -B "$build" "${generator[@]}" -DS3ATTN_FUZZ=ON -DS3ATTN_TESTS=OFF \
    -DS3ATTN_BENCH=OFF -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_CXX_FLAGS="-O1 -g1" >"$build/configure.log" 2>&1; then
    tail -n 30 "$build/configure.log" >&2
    die "configuring failed; the whole log: $build/configure.log"
fi
programs=()
for target in "${targets[@]}"; do programs+=("fuzz_$target" "replay_$target"); done
cmake --build "$build" -j "${JOBS:-$(cores)}" --target "${programs[@]}"

failed=0
for target in "${targets[@]}"; do
    corpus="$build/corpus/$target" log="$build/fuzz_$target.log"
    if [ "$repeatable" != 0 ]; then
        corpus="$build/corpus-repeatable/$target"  # without what earlier runs found
        rm -rf "$corpus"
    fi
    "$build/replay_$target" --write-seeds "$corpus"
    mkdir -p "$build/findings"
    if [ "$repeatable" != 0 ]; then
        # The slow ones write files for each run.
        case "$target" in
            markup | reader | import) runs=15000 ;;
            *) runs=100000 ;;
        esac
        bound=(-seed=1 -runs="$runs" -timeout=60)
        say "-- $target, $runs runs"
    else
        bound=(-max_total_time="$seconds" -timeout=20)
        say "-- $target, $seconds s"
    fi
    if "$build/fuzz_$target" "${bound[@]}" -rss_limit_mb=2048 \
        -max_len=200000 -print_final_stats=1 -artifact_prefix="$build/findings/$target-" \
        "$corpus" >"$log" 2>&1; then
        say "no finding: $(grep -E 'number_of_executed_units' "$log" | grep -o '[0-9]*$') runs"
    else
        tail -n 40 "$log" >&2
        say "FOUND in $target; the input is in $build/findings, the log is $log"
        failed=1
    fi
done
exit "$failed"

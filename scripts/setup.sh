#!/usr/bin/env bash
# Gets what the build needs: system packages, the model runtime (llama.cpp), the model that scans
# and the reader that answers.
#
#   scripts/setup.sh                 everything that is missing; quiet when nothing is
#   scripts/setup.sh --env FILE      also writes FILE for the build (shell variables)
#   scripts/setup.sh --print-prefix  prints the runtime's prefix on stdout
#   scripts/setup.sh --print-model   prints the default model's path on stdout
#   scripts/setup.sh --print-reader  prints the reader's path on stdout, nothing when it is not there
#   scripts/setup.sh --large         also the 1.5B reader of `make demo-large` (1.1 GB)
#   scripts/setup.sh --print-large   the same, and prints its path on stdout
#   scripts/setup.sh --embedder      also the embedder of `s3attn eval`'s dense baseline (80 MB)
#   scripts/setup.sh --system        only the system packages
#   scripts/setup.sh --test-packages also a browser and Python packages for the server's tests
#   scripts/setup.sh --print-test-packages  the same, and prints the packages' folder on stdout
#
# Environment: XDG_CACHE_HOME (the cache is $XDG_CACHE_HOME/s3attn, by default ~/.cache/s3attn);
# CMAKE_PREFIX_PATH (a llama.cpp found there is used and none is built); MODEL (a GGUF of your own:
# neither the default model nor the reader is fetched); READER (likewise, of the reader);
# S3ATTN_NO_READER=1 (no reader is fetched: the model that scans answers); S3ATTN_NO_SYSTEM=1 (do
# not look at system packages).
#
# Nothing half-made is ever taken for finished: everything is made under a temporary name, under
# one lock per cache, and gets its final name by rename(2). It can be killed and run again.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$S3ATTN_ROOT/scripts/packages.sh"
. "$S3ATTN_ROOT/scripts/runtime.sh"
. "$S3ATTN_ROOT/scripts/models.sh"
. "$S3ATTN_ROOT/scripts/test_packages.sh"

env_file="" large=0 embedder=0 print="" only_system=0 test_packages=0
while [ $# -gt 0 ]; do
    case "$1" in
        --env)
            [ $# -ge 2 ] || die "--env needs a file name"
            env_file="$2"
            shift
            ;;
        --print-prefix | --print-model | --print-reader) print="${1#--print-}" ;;
        --large) large=1 ;;
        --print-large) large=1 print=large ;;
        --print-test-packages) test_packages=1 print=test-packages ;;
        --embedder) embedder=1 ;;
        --system) only_system=1 ;;
        --test-packages) test_packages=1 ;;
        -h | --help)
            sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *)
            say "unknown option: $1 (see scripts/setup.sh --help)"
            exit 2
            ;;
    esac
    shift
done

fetching="" fetching_reader=""
cleanup() {
    stop_watched
    [ -n "$fetching" ] && kill -TERM "$fetching" 2>/dev/null
    [ -n "$fetching_reader" ] && kill -TERM "$fetching_reader" 2>/dev/null
    [ -n "${work:-}" ] && rm -rf "$work"
    [ -n "${plain_work:-}" ] && rm -rf "$plain_work"
    return 0
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

install_system_packages
[ "$only_system" = 1 ] && exit 0

prefix="$(own_runtime)"
[ -n "$prefix" ] || prefix="$RUNTIME_PREFIX"
model="${MODEL:-$DEFAULT_MODEL}"
[ -z "${MODEL:-}" ] || [ -f "$MODEL" ] || die "MODEL=$MODEL: there is no such file"

# The warm path takes no lock and touches no network.
if ! have_runtime "$prefix" || ! have_model "$model" || { want_reader && ! have_reader; } ||
    { [ "$large" = 1 ] && ! have_large; } ||
    { [ "$embedder" = 1 ] && ! have_embedder; } ||
    { [ "$test_packages" = 1 ] && ! have_test_packages; }; then
    mkdir -p "$S3ATTN_CACHE"
    exec 9>"$S3ATTN_CACHE/setup.lock"
    if ! flock -n 9; then
        say "waiting for another set-up that works on $S3ATTN_CACHE ..."
        flock 9
    fi
    remove_stale_work
    if ! have_runtime "$prefix"; then
        # The models come while the compilers work.
        if ! have_model "$model"; then
            beside fetch_default_model 9>&- &
            fetching=$!
        fi
        if want_reader && ! have_reader; then
            beside fetch_reader 9>&- &
            fetching_reader=$!
        fi
        build_runtime "$prefix"
        [ -z "$fetching" ] || wait "$fetching" || die "the default model could not be fetched"
        fetching=""
        [ -z "$fetching_reader" ] || wait "$fetching_reader" || no_reader
    fi
    have_model "$model" || fetch_default_model
    if [ -z "$fetching_reader" ] && want_reader && ! have_reader; then
        apart fetch_reader 9>&- || no_reader
    fi
    fetching_reader=""
    if [ "$large" = 1 ] && ! have_large; then fetch_large_model; fi
    if [ "$embedder" = 1 ] && ! have_embedder; then fetch_embedder; fi
    if [ "$test_packages" = 1 ] && ! have_test_packages; then fetch_test_packages; fi
    exec 9>&-
fi

if [ -n "$env_file" ]; then
    mkdir -p "$(dirname "$env_file")"
    printf 'S3ATTN_PREFIX=%q\nS3ATTN_DEFAULT_MODEL=%q\n' "$prefix" "$model" >"$env_file.new"
    if cmp -s "$env_file.new" "$env_file"; then rm "$env_file.new"; else mv "$env_file.new" "$env_file"; fi
fi
case "$print" in
    prefix) printf '%s\n' "$prefix" ;;
    model) printf '%s\n' "$model" ;;
    reader) ! have_reader || printf '%s\n' "$READER_MODEL" ;;
    large) printf '%s\n' "$LARGE_MODEL" ;;
    test-packages) printf '%s\n' "$(test_packages_folder)" ;;
esac

# The model runtime: llama.cpp from the PyPI source package llama-cpp-python. Sourced by setup.sh.

RUNTIME_VERSION=0.3.36
RUNTIME_SHA256=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
# A native build would die with SIGILL on the next machine's processor; AVX2 and FMA stay on.
RUNTIME_FLAGS="-DLLAVA_BUILD=OFF -DLLAMA_OPENSSL=OFF -DGGML_NATIVE=OFF"
# CUDA=1: with CUDA, for the cards of compute capability CUDA_ARCH (90: H100 and H200).
if [ -n "${CUDA:-}" ] && [ "$CUDA" != 0 ]; then
    RUNTIME_FLAGS="$RUNTIME_FLAGS -DGGML_CUDA=ON -DGGML_CUDA_NCCL=OFF"
    RUNTIME_FLAGS="$RUNTIME_FLAGS -DCMAKE_CUDA_ARCHITECTURES=${CUDA_ARCH:-90}-real"
fi
# From inside llama.cpp's project() call: the packer forces this on after its own options; and the
# files of src/models, one small one for each kind of model behind the same large headers, are
# compiled sixteen at a time, a quarter of the work.
RUNTIME_INCLUDE='set(LLAMA_BUILD_COMMON OFF)
function(s3attn_unite_models)
  get_target_property(sources llama SOURCES)
  list(FILTER sources EXCLUDE REGEX "models/.*[.]cpp$")
  get_target_property(folder llama SOURCE_DIR)
  list(TRANSFORM sources PREPEND ${folder}/ REGEX "^[^/]")
  set_source_files_properties(${sources} TARGET_DIRECTORY llama
                              PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set_target_properties(llama PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
endfunction()
cmake_language(DEFER CALL s3attn_unite_models)'
RUNTIME_LAYOUT=1  # raise when trim_runtime changes

_runtime_key="$(printf '%s\n' "$RUNTIME_FLAGS" "$RUNTIME_INCLUDE" "$RUNTIME_LAYOUT" "$(uname -m)" \
    | sha256sum | cut -c1-8)"
RUNTIME_PREFIX="$S3ATTN_CACHE/llama-$RUNTIME_VERSION-$_runtime_key"

# True when llama.cpp's CMake package is in this prefix.
has_llama_package() {
    local directory
    for directory in "$1"/lib*/cmake/llama "$1"/lib/*/cmake/llama "$1"/share/cmake/llama; do
        [ -f "$directory/llama-config.cmake" ] && return 0
    done
    return 1
}
have_runtime() { has_llama_package "$1"; }

# Prints the caller's own CMAKE_PREFIX_PATH, as CMake's list, when a llama.cpp is in it.
own_runtime() {
    local list="${CMAKE_PREFIX_PATH:-}" entry entries
    [ -n "$list" ] || return 0
    IFS=';:' read -r -a entries <<<"$list"
    for entry in "${entries[@]}"; do
        if has_llama_package "$entry"; then
            printf '%s' "$entry"
            return 0
        fi
    done
}

# A killed set-up leaves its work directory, and perhaps a running pip in it.
remove_stale_work() {
    local stale leader other
    for stale in "$S3ATTN_CACHE"/work.*; do
        [ -d "$stale" ] || continue
        say "removing what an interrupted set-up left: $stale"
        for leader in $(cat "$stale"/group 2>/dev/null || true); do
            if tr '\0' ' ' <"/proc/$leader/cmdline" 2>/dev/null | grep -qF -- "$stale"; then
                kill -KILL -- "-$leader" 2>/dev/null || true
            fi
        done
        other="$(cat "$stale/plain" 2>/dev/null || true)"
        case "$other" in */s3attn-setup.*) rm -rf "$other" ;; esac
        rm -rf "$stale"
    done
}

# Makes $work in the cache (same file system as the final name, so that rename works) and
# $plain_work, a directory whose path has no white space: neither CMAKE_ARGS nor every build
# tool below pip can carry one.
make_work() {
    work="$(mktemp -d "$S3ATTN_CACHE/work.XXXXXX")" ||
        die "no temporary folder could be made in $S3ATTN_CACHE"
    plain_work="$work/plain"
    case "$work" in
        *[[:space:]]*)
            local base="${TMPDIR:-/tmp}"
            case "$base" in *[[:space:]]*) base=/tmp ;; esac
            plain_work="$(mktemp -d "$base/s3attn-setup.XXXXXX")"
            printf '%s' "$plain_work" >"$work/plain.new"
            mv "$work/plain.new" "$work/plain"
            ;;
        *) mkdir "$plain_work" ;;
    esac
}
drop_work() {
    rm -rf "$work" "$plain_work"
    work="" plain_work=""
}

# pip in its own process group, whose leader's id a later set-up can find.
# The command line carries $work, by which that set-up knows the process as ours.
watched_pip() {  # LABEL LOG ARGUMENTS...
    local label="$1" log="$2"
    shift 2
    # shellcheck disable=SC2016
    watch "$label" "$log" env TMPDIR="$plain_work" PIP_DISABLE_PIP_VERSION_CHECK=1 \
        PIP_ROOT_USER_ACTION=ignore bash -c '
        echo $$ >>"$1/group"; shift; exec python3 -m pip "$@"' pip "$work" "$@"
}

# Keeps headers, libraries and CMake files; three copies of each library become one and two links.
trim_runtime() {  # PREFIX
    local keep entry library real
    find "$1" -mindepth 1 -maxdepth 1 ! -name include ! -name lib ! -name 'llama_cpp_python-*' \
        -exec rm -rf {} +
    keep="$(find "$1/lib" -maxdepth 1 -name '*.so.*.*' -type f)"
    while IFS= read -r library; do
        real="$(basename "$library")"
        for entry in "${library%%.so.*}.so" "${library%%.so.*}.so."*; do
            [ "$entry" = "$library" ] && continue
            if [ -e "$entry" ] && cmp -s "$entry" "$library"; then ln -sfn "$real" "$entry"; fi
        done
    done <<<"$keep"
}

# nvcc, on the PATH or where CUDA's installer puts it; empty: there is none.
find_nvcc() {
    command -v nvcc 2>/dev/null || { [ -x /usr/local/cuda/bin/nvcc ] && echo /usr/local/cuda/bin/nvcc; } ||
        true
}

build_runtime() {  # PREFIX
    local log="$S3ATTN_CACHE/llama-build.log"
    say "Building the model runtime (llama.cpp, once per machine; about 2 minutes on 2 cores)"
    if [ -n "${CUDA:-}" ] && [ "$CUDA" != 0 ]; then
        CUDACXX="${CUDACXX:-$(find_nvcc)}"
        [ -n "$CUDACXX" ] || die "CUDA=1 needs nvcc: install CUDA's toolkit, or set CUDACXX to its path"
        export CUDACXX
        say "  with CUDA: about 4 minutes on 16 cores, 45 on 2"
    fi
    say "  into $1"
    need_megabytes "$S3ATTN_CACHE" 1500 "building the runtime"
    make_work
    printf '%s\n' "$RUNTIME_INCLUDE" >"$plain_work/include.cmake"
    printf 'llama-cpp-python==%s --hash=sha256:%s\n' "$RUNTIME_VERSION" "$RUNTIME_SHA256" \
        >"$plain_work/requirement.txt"
    # pip keeps built wheels without regard to CMAKE_ARGS, hence --no-cache-dir.
    CMAKE_ARGS="$RUNTIME_FLAGS -DCMAKE_PROJECT_llama.cpp_INCLUDE=$plain_work/include.cmake" \
        CMAKE_BUILD_PARALLEL_LEVEL="$(cores)" \
        watched_pip "building llama.cpp" "$log" install -v --no-deps --no-cache-dir --no-compile \
        --no-binary llama-cpp-python --target "$work/prefix" -r "$plain_work/requirement.txt" ||
        die "the runtime could not be built"
    trim_runtime "$work/prefix"
    has_llama_package "$work/prefix" || die "the runtime's package holds no llama-config.cmake"
    finish "$work/prefix" "$1"
    drop_work
}

# The one place where something gets its final name.
finish() {  # TEMPORARY FINAL
    sync -f "$1" 2>/dev/null || true
    rm -rf "$2"
    mv -T "$1" "$2"
}

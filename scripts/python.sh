#!/usr/bin/env bash
# The Python package (python/): its tests, its wheel.
#   scripts/python.sh test        builds the module, runs all tests, the frameworks' included
#   scripts/python.sh build       builds the module alone; `make test` then runs what needs no more
#   scripts/python.sh bench       what the package costs over the library (bench/python.py)
#   scripts/python.sh wheel       a manylinux wheel with everything inside, in $BUILD/wheel
#   scripts/python.sh wheel-test  installs that wheel where there is no compiler and asks a question
# Environment: BUILD, JOBS, CMAKE_FLAGS, CUDA (CUDA=1: a wheel for cards; docs/python.md).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"
build="${BUILD:-build}"
python="$(python3 -c 'import sys; print(sys.executable)')"
version="$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"

# Packages of these lists in a folder of the cache, named after them; prints it.
packages() {  # LIST...
    local folder work lists=()
    folder="$S3ATTN_CACHE/python$version-$(cat "$@" | sha256sum | cut -c1-8)"
    if [ ! -d "$folder" ]; then
        mkdir -p "$S3ATTN_CACHE"
        need_megabytes "$S3ATTN_CACHE" 1500 "the Python packages"
        work="$(mktemp -d "$S3ATTN_CACHE/work.XXXXXX")"
        for list in "$@"; do lists+=(-r "$list"); done
        watch "fetching Python packages" "$S3ATTN_CACHE/python-packages.log" "$python" -m pip \
            install --no-compile --disable-pip-version-check --root-user-action ignore \
            --target "$work/packages" "${lists[@]}" || die "the packages could not be fetched"
        mv -T "$work/packages" "$folder" 2>/dev/null || [ -d "$folder" ]
        rm -rf "$work"
    fi
    printf '%s' "$folder"
}
core=tests/python/requirements.txt
more=tests/python/frameworks.txt

build_module() {  # core|all
    local folder lists=("$core")
    [ "$1" = core ] || lists+=("$more")
    folder="$(packages "${lists[@]}")"
    # The program's build, with the module added. Its own tests know where the packages are.
    PYTHON="$python" PYTHON_PACKAGES="$folder" scripts/build.sh --python
}

# Compiled once, by the tree's own build; the module is then built over what that installs.
make_wheel() {
    local folder out="$S3ATTN_ROOT/$build/wheel" prefix wheel
    case "$build" in /*) out="$build/wheel" ;; esac
    folder="$(packages "$core" "$more")"
    prefix="$out/prefix"
    rm -rf "$out"
    mkdir -p "$out/raw"
    scripts/build.sh --package
    cmake --install "$build" --prefix "$prefix" --strip >"$out/install.log"
    # Only what was compiled before is packed; pip keeps nothing of it.
    CMAKE_PREFIX_PATH="$prefix" CMAKE_BUILD_PARALLEL_LEVEL="${JOBS:-$(cores)}" \
        PYTHONPATH="$folder" watch "building the module" "$out/module.log" \
        "$python" -m pip wheel ./python --no-build-isolation --no-deps --no-cache-dir \
        --disable-pip-version-check --wheel-dir "$out/raw" -C cmake.define.S3ATTN_WHEEL=ON ||
        die "the module could not be built"
    wheel="$(echo "$out"/raw/s3attn-*.whl)"
    # A card's driver and CUDA's own libraries are the machine's.
    PATH="$folder/bin:$PATH" PYTHONPATH="$folder" LD_LIBRARY_PATH="$(dirname \
        "$(find "$prefix" -name 'libs3attn.so.*' | head -n 1)")" \
        watch "packing the libraries" "$out/auditwheel.log" "$python" -m auditwheel repair \
        --strip --exclude 'libcuda*' --exclude 'libcublas*' --exclude 'libnccl*' \
        --wheel-dir "$out" "$wheel" || die "the wheel could not be made whole"
    wheel="$(echo "$out"/s3attn-*.whl)"
    say "$wheel: $(($(file_size "$wheel") / 1048576)) MB"
    [ -n "${CUDA:-}" ] || [ "$(file_size "$wheel")" -lt $((60 << 20)) ] || die "more than 60 MB"
}

# In a Python without packages, with no compiler and none of our files on any path.
test_wheel() {
    local wheel work
    wheel="$(echo "$build"/wheel/s3attn-*.whl)"
    [ -f "$wheel" ] || die "there is no wheel: make wheel"
    work="$(mktemp -d)"
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    "$python" -m venv "$work/venv"
    "$work/venv/bin/pip" -q --disable-pip-version-check install "$wheel"
    env -i HOME="$HOME" XDG_CACHE_HOME="${XDG_CACHE_HOME:-}" PATH=/nowhere \
        "$work/venv/bin/python" -I tests/python/wheel_check.py "$work" examples/README.md
}

case "${1:-}" in
    wheel) make_wheel ;;
    wheel-test) test_wheel ;;
    build) build_module core ;;
    bench)
        build_module core
        OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=2000 \
            PYTHONPATH="$build/python:$(packages "$core")" "$python" bench/python.py
        ;;
    test)
        build_module all
        ctest --test-dir "$build" --output-on-failure -L python -j 1
        ;;
    *)
        sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
        exit 2
        ;;
esac

#!/usr/bin/env bash
# The Python package (python/): its tests, its wheel.
#   scripts/python.sh test        builds the module, runs all tests, the frameworks' included
#   scripts/python.sh test --core the same without the frameworks (part of `make test`)
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

run_tests() {  # core|all
    local folder lists=("$core")
    [ "$1" = core ] || lists+=("$more")
    folder="$(packages "${lists[@]}")"
    # The program's build, with the module added. Its own tests know where the packages are.
    PYTHON="$python" PYTHON_PACKAGES="$folder" scripts/build.sh --python
    ctest --test-dir "$build" --output-on-failure -L python -j 1
}

case "${1:-}" in
    test)
        if [ "${2:-}" = --core ]; then run_tests core; else run_tests all; fi
        ;;
    *)
        sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
        exit 2
        ;;
esac

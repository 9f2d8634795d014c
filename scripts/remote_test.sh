#!/usr/bin/env bash
# Asks llama-cpp-python's own server, as a reader behind a server. Run by `make test-remote`.
# Environment: BUILD. Fetches Python packages into the cache, once per list.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/runtime.sh"
cd "$S3ATTN_ROOT"
list=tests/remote/requirements.txt
folder="$S3ATTN_CACHE/remote-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
folder="$folder-$(cat "$list" <(echo "$RUNTIME_VERSION") | sha256sum | cut -c1-8)"
if [ ! -d "$folder" ]; then
    need_megabytes "$S3ATTN_CACHE" 600 "the server's packages"
    make_work
    watched_pip "fetching the server's packages" "$S3ATTN_CACHE/remote-packages.log" install \
        --no-cache-dir --no-compile --target "$work/packages" -r "$list" ||
        die "the server's packages could not be fetched"
    printf 'llama-cpp-python==%s --hash=sha256:%s\n' "$RUNTIME_VERSION" "$RUNTIME_SHA256" \
        >"$plain_work/requirement.txt"
    watched_pip "fetching llama-cpp-python" "$S3ATTN_CACHE/remote-packages.log" download \
        --no-deps --no-binary llama-cpp-python --dest "$work/source" \
        -r "$plain_work/requirement.txt" || die "llama-cpp-python could not be fetched"
    tar -xzf "$work/source/"llama_cpp_python-*.tar.gz -C "$work/packages" --strip-components=1 \
        --wildcards 'llama_cpp_python-*/llama_cpp/*'
    finish "$work/packages" "$folder"
    drop_work
fi
S3ATTN_PROGRAM="$S3ATTN_ROOT/${BUILD:-build}/s3attn" S3ATTN_REAL_SERVER="$folder" \
    LLAMA_CPP_LIB_PATH="$(scripts/setup.sh --print-prefix)/lib" \
    S3ATTN_TEST_MODEL="${MODEL:-$(scripts/setup.sh --print-model)}" \
    PYTHONPATH="tests/cli:$folder" python3 tests/remote/real_server.py -v

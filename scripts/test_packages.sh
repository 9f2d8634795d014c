# Python packages of the server's tests (tests/server/requirements.txt). Sourced by setup.sh.
# They go into a folder of the cache, named after the list and the Python they were chosen for.

TEST_REQUIREMENTS="$S3ATTN_ROOT/tests/server/requirements.txt"

test_packages_folder() {
    local python
    python="$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    printf '%s/test-python%s-%s' "$S3ATTN_CACHE" "$python" \
        "$(sha256sum <"$TEST_REQUIREMENTS" | cut -c1-8)"
}
have_test_packages() { [ -d "$(test_packages_folder)" ]; }

fetch_test_packages() {
    say "Fetching the Python packages of the server's tests (about 100 MB, once per machine)"
    need_megabytes "$S3ATTN_CACHE" 800 "the test packages"
    make_work
    watched_pip "fetching test packages" "$S3ATTN_CACHE/test-packages.log" install --no-deps \
        --no-cache-dir --no-compile --target "$work/packages" -r "$TEST_REQUIREMENTS" ||
        die "the test packages could not be fetched"
    finish "$work/packages" "$(test_packages_folder)"
    drop_work
}

#!/usr/bin/env bash
# Builds the Containerfile and runs index and search in it. Environment: BASE (image to start from).
# Says why, and does nothing, where there is no tool, no user namespaces, or no image to be had.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"

skip() {
    say "skipped: $*"
    exit 0
}
tool=""
for each in podman docker; do
    if [ -z "$tool" ] && command -v "$each" >/dev/null 2>&1; then tool="$each"; fi
done
[ -n "$tool" ] || skip "neither podman nor docker is installed"
"$tool" info >/dev/null 2>&1 || skip "$tool does not run here (no daemon, or no user namespaces)"
base="${BASE:-docker.io/library/debian:12}"
"$tool" image inspect "$base" >/dev/null 2>&1 || "$tool" pull "$base" >/dev/null 2>&1 ||
    skip "the image $base cannot be had; BASE=... names another Debian 12"
"$tool" build --build-arg "BASE=$base" -t s3attn-test -f Containerfile .
stores="$(mktemp -d "${TMPDIR:-/tmp}/s3attn-stores.XXXXXX")"
trap 'rm -rf "$stores"' EXIT
chmod 777 "$stores"
printf 'The bridge came later.\n\nThe mill was built in 1804 by Ada Solberg.\n' >"$stores/mill.txt"
"$tool" run --rm -v "$stores:/stores" s3attn-test index /stores/notes.s3 /stores/mill.txt
"$tool" run --rm -v "$stores:/stores" s3attn-test search /stores/notes.s3 "When was it built?" |
    grep -q "built in 1804" || die "the search in the container found something else"
say "the container builds, indexes and searches"

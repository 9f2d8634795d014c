#!/usr/bin/env bash
# Builds the Containerfile and runs index and search in it. Environment: BASE (image to start from),
# IMAGE (one that is built already). Says why, and does nothing, where there is no tool, no user
# namespaces, or no image to be had. buildah runs where podman cannot (no cgroups of its own, say).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"

skip() {
    say "skipped: $*"
    exit 0
}
base="${BASE:-docker.io/library/debian:12}" image="${IMAGE:-s3attn-test}" tool="" why=""
has() { command -v "$1" >/dev/null 2>&1; }
for each in podman docker; do
    if [ -n "$tool" ] || ! has "$each"; then continue; fi
    "$each" info >/dev/null 2>&1 || { why="$each: no daemon, or no user namespaces" && continue; }
    "$each" image inspect "$base" >/dev/null 2>&1 || "$each" pull "$base" >/dev/null 2>&1 ||
        { why="the image $base cannot be had; BASE=... names another Debian 12" && continue; }
    if answer="$("$each" run --rm "$base" true 2>&1)"; then tool="$each"; else
        why="$each cannot run a container here: $(tail -n 1 <<<"$answer")"
    fi
done
if [ -z "$tool" ] && has buildah; then
    if probe="$(buildah from "$base" 2>/dev/null)"; then
        if answer="$(buildah run --isolation chroot "$probe" -- true 2>&1)"; then tool=buildah; else
            why="buildah cannot run one either: $(tail -n 1 <<<"$answer")"
        fi
        buildah rm "$probe" >/dev/null
    else
        why="the image $base cannot be had; BASE=... names another Debian 12"
    fi
fi
[ -n "$tool" ] || skip "${why:-neither podman, buildah nor docker is installed}"

stores="$(mktemp -d "${TMPDIR:-/tmp}/s3attn-stores.XXXXXX")" container=""
trap '[ -z "$container" ] || buildah rm "$container" >/dev/null; rm -rf "$stores"' EXIT
chmod 777 "$stores"
if [ -z "${IMAGE:-}" ]; then
    if [ "$tool" = buildah ]; then how=(--isolation chroot); else how=(); fi
    "$tool" build "${how[@]}" --build-arg "BASE=$base" -t "$image" -f Containerfile .
fi
if [ "$tool" = buildah ]; then container="$(buildah from "$image")"; fi
s3attn() {
    if [ "$tool" = buildah ]; then
        buildah run --isolation chroot -v "$stores:/stores" "$container" -- s3attn "$@"
    else
        "$tool" run --rm -v "$stores:/stores" "$image" "$@"
    fi
}
printf 'The bridge came later.\n\nThe mill was built in 1804 by Ada Solberg.\n' >"$stores/mill.txt"
s3attn index /stores/notes.s3 /stores/mill.txt
s3attn search /stores/notes.s3 "When was it built?" | grep -q "built in 1804" ||
    die "the search in the container found something else"
say "the container builds, indexes and searches ($tool)"

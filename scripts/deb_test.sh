#!/usr/bin/env bash
# Installs the package of `make deb` into a bare Debian 12 and runs index and search there.
# Environment: BUILD, MODEL, MIRROR (of Debian; by default the one of this machine's apt), ROOT_DIR
# (a bare Debian 12 that is there already). Says why, and does nothing, where it cannot be done.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$S3ATTN_ROOT"
build="${BUILD:-build}" model="${MODEL:-$(scripts/setup.sh --print-model)}"

skip() {
    say "skipped: $*"
    exit 0
}
[ "$(id -u)" = 0 ] || skip "a chroot needs root"
package="$(find "$build" -maxdepth 1 -name 's3attn_*.deb' | sort | tail -n 1)"
[ -n "$package" ] || die "no package in $build; run make deb"

root="${ROOT_DIR:-}"
if [ -z "$root" ]; then
    command -v debootstrap >/dev/null 2>&1 || skip "debootstrap is not installed"
    root="$(mktemp -d "${TMPDIR:-/tmp}/s3attn-deb.XXXXXX")"
    trap 'rm -rf "$root"' EXIT
    mirror="${MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 2>/dev/null | head -n 1)}"
    watch "a bare Debian 12" "$build/debootstrap.log" debootstrap --variant=minbase bookworm "$root" \
        ${mirror:+"$mirror"} || skip "debootstrap failed; see $build/debootstrap.log"
fi

# The chroot reaches packages as this machine does.
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
for file in /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d /etc/apt/auth.conf.d \
    /etc/apt/keyrings /etc/ssl/certs; do
    [ -e "$file" ] || continue
    mkdir -p "$root$(dirname "$file")"
    cp -a "$file" "$root$(dirname "$file")/"
done
cp "$package" "$root/tmp/s3attn.deb"
cp "$model" "$root/tmp/model.gguf"
printf 'The bridge came later.\n\nThe mill was built in 1804 by Ada Solberg.\n' >"$root/tmp/mill.txt"
inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ "$@"; }
inside apt-get update -qq
inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    /tmp/s3attn.deb >"$build/deb-install.log" 2>&1 ||
    { tail -n 20 "$build/deb-install.log" >&2; die "the package cannot be installed"; }
inside s3attn index /tmp/notes.s3 /tmp/mill.txt --model /tmp/model.gguf
found="$(inside s3attn search /tmp/notes.s3 "When was the mill built?" --model /tmp/model.gguf)"
grep -q "built in 1804" <<<"$found" || die "the search found something else: $found"
say "the package installs and works on a bare Debian 12: $(basename "$package")"

#!/usr/bin/env bash
# Writes docs/cli.md on stdout, from the program's own help.
#   scripts/gen_cli_docs.sh [PROGRAM]     (by default build/s3attn)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
program="${1:-$S3ATTN_ROOT/${BUILD:-build}/s3attn}"
[ -x "$program" ] || die "$program is not there: run make first"
# No option or path of the person who runs this may get into the page.
for name in $(compgen -e | grep '^S3ATTN_' || true); do unset "$name"; done
export HOME=/nonexistent XDG_CONFIG_HOME= XDG_CACHE_HOME= COLUMNS=100

help_of() {
    printf '```text\n'
    "$program" "$@" --help | sed -e "s|$program|s3attn|g" -e 's|/nonexistent|~|g' -e 's/[ \t]*$//'
    printf '```\n'
}
# The subcommands, as the program lists them.
subcommands_of() {
    "$program" "$@" --help | awk '/^Subcommands:/ { on = 1; next } /^[^ ]/ { on = 0 }
        on && /^  [a-z]/ { print $1 }'
}
commands="$(subcommands_of)"
[ -n "$commands" ] || die "$program --help lists no subcommands"

cat <<'PAGE'
# The program s3attn: every command and option

Made by `make docs` from `s3attn --help` and each subcommand's `--help`; a test compares the two.
To start, read the [README](../README.md).

## s3attn

PAGE
help_of
for command in $commands; do
    printf '\n## s3attn %s\n\n' "$command"
    help_of "$command"
    for task in $(subcommands_of "$command"); do
        printf '\n## s3attn %s %s\n\n' "$command" "$task"
        help_of "$command" "$task"
    done
done

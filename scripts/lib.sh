# Shared by the scripts in this folder: where things are, and progress for silent commands.
# Source it; it sets nothing but S3ATTN_ROOT, S3ATTN_CACHE and functions.

S3ATTN_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
S3ATTN_CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/s3attn"

say() { printf '%s\n' "$*" >&2; }
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Cores this process may use.
cores() { nproc 2>/dev/null || echo 2; }

# A terminal line no wider than the terminal, or a plain line now and then where there is none.
_tick() {  # SECONDS LABEL LOG
    local last columns line
    last="$(tail -c 2000 "$3" 2>/dev/null | tr '\r' '\n' | tr -cd '[:print:]\n' |
        grep -v '^[[:space:]]*$' | tail -n 1 | sed 's/^[[:space:]]*//')" || true
    if [[ "$last" =~ ^\[([0-9]+)/([0-9]+)\] ]]; then  # ninja's count; the compiler's line is noise
        last="step ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]}"
    fi
    line="$(printf '  [%d:%02d] %s: %s' $(($1 / 60)) $(($1 % 60)) "$2" "$last")"
    if [ -t 2 ]; then
        columns="$(tput cols 2>/dev/null || echo 80)"
        printf '\r\033[K%s' "${line:0:$((columns - 1))}" >&2
    else
        printf '%s\n' "${line:0:120}" >&2
    fi
}

_watched_group=""
stop_watched() {
    [ -n "$_watched_group" ] && kill -TERM -- "-$_watched_group" 2>/dev/null
    _watched_group=""
}

# watch LABEL LOG COMMAND...: runs COMMAND in its own process group with its output in LOG and
# shows that it lives. On failure prints the end of the log and where it is; returns its status.
# The lock (descriptor 9) is closed for the command: an orphan must not hold it.
watch() {
    local label="$1" log="$2" started seconds next=1 every=1 status=0
    shift 2
    [ -t 2 ] || { next=15 every=15; }
    : >"$log"
    started=$(date +%s)
    setsid "$@" >>"$log" 2>&1 </dev/null 9>&- &
    local pid=$!
    _watched_group=$pid
    while kill -0 "$pid" 2>/dev/null; do
        seconds=$(($(date +%s) - started))
        if ((seconds >= next)); then
            _tick "$seconds" "$label" "$log"
            next=$((seconds + every))
        fi
        sleep 0.2
    done
    wait "$pid" || status=$?
    _watched_group=""
    seconds=$(($(date +%s) - started))
    [ -t 2 ] && printf '\r\033[K' >&2
    if [ "$status" -ne 0 ]; then
        say "  $label failed after ${seconds} s; the end of its log:"
        tail -n 25 "$log" | sed 's/^/    /' >&2
        say "  the whole log: $log"
    else
        say "  $label: done in ${seconds} s"
    fi
    return "$status"
}

# Runs a function that watches something; where it fails or is interrupted, it alone ends.
apart() (
    trap 'stop_watched; rm -rf "${work:-}" "${plain_work:-}"' EXIT
    trap 'exit 143' INT TERM HUP
    "$@"
)

# The same beside another function: without the line of its progress.
beside() {  # FUNCTION; to be run in the background
    trap 'stop_watched; rm -rf "${work:-}" "${plain_work:-}"' EXIT
    trap 'exit 143' INT TERM HUP
    _tick() { :; }
    "$@"
}

# Free megabytes at a path.
free_megabytes() { df -Pm "$1" | awk 'NR == 2 { print $4 }'; }
need_megabytes() {  # DIRECTORY MEGABYTES WHAT
    local have
    have="$(free_megabytes "$1")"
    [ "$have" -ge "$2" ] || die "$3 needs $2 MB free in $1, which has $have MB;" \
        "free some, or set XDG_CACHE_HOME to a place with more"
}

file_size() { stat -c %s "$1" 2>/dev/null || echo 0; }
has_sha256() { [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]; }
